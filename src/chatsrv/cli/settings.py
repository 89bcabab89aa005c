"""The server's settings as flags of `serve`: chatsrv.config.Config says what they mean, this table how to say it.

A table, and not made from Config, so that `chatsrv --help` need not import it; a test says that none is missing.
"""

from typing import Final, NamedTuple


class Setting(NamedTuple):
    """A flag: `--max-connections` for max_connections, and so on."""

    name: str
    kind: type[object]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """As it is written."""
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if self.kind is bool else f"--{dashed}"


SECRET: Final = frozenset(("payout_secret", "media_s3_secret_key"))
"""Not flags, since `ps` shows them to everybody: they stand in the --config file or the environment."""

SETTINGS: Final = (
    Setting("data", str, "DIR", "The data folder; made if need be.  [default: in your user's data folder]"),
    Setting(
        "database", str, "DSN", "Keep the data in PostgreSQL: postgresql://user@host/name. Only media stay in DIR."
    ),
    Setting("backups", str, "DIR", "Where operators' backups go.  [default: backups in the data folder]"),
    Setting("tcp", str, "HOST:PORT", "Listen for TCP; port 0 means any free one."),
    Setting("ws", str, "HOST:PORT", "Listen for WebSockets."),
    Setting("tls", str, "HOST:PORT", "Listen for TCP with TLS."),
    Setting("wss", str, "HOST:PORT", "Listen for WebSockets with TLS."),
    Setting("tls_cert", str, "FILE", "The certificate with its chain, PEM."),
    Setting("tls_key", str, "FILE", "The certificate's private key, PEM."),
    Setting("http", str, "HOST:PORT", "The page, media and WebSocket on one port; without it or --https no media."),
    Setting("https", str, "HOST:PORT", "The same with TLS."),
    Setting("http_url", str, "URL", "What clients are told instead, behind a proxy: https://media.example"),
    Setting("http_connections", int, "N", "HTTP connections at a time.  [default: 1000]"),
    Setting("http_connections_per_address", int, "N", "From one address, loopback excepted.  [default: 100]"),
    Setting("ops", str, "HOST:PORT", "Where /healthz, /readyz and /metrics are; not on the clients' network."),
    Setting("name", str, "TEXT", "What the server calls itself.  [default: chatsrv]"),
    Setting("open_registration", bool, "", "Anybody may register, not only who comes over loopback."),
    Setting("allow_plaintext", bool, "", "Passwords, and tokens over HTTP, may come unencrypted from other machines."),
    Setting("origins", str, "LIST", "Web origins whose pages may connect, with commas between; programs always may."),
    Setting("names", str, "LIST", "Host names under which browsers open the server's page, besides its address."),
    Setting("trusted_proxies", str, "LIST", "Addresses of reverse proxies whose X-Forwarded-For is believed."),
    Setting("max_connections", int, "N", "Connections altogether.  [default: 20000]"),
    Setting("max_connections_per_address", int, "N", "From one address, loopback excepted.  [default: 1000]"),
    Setting("max_group_members", int, "N", "Members of one group.  [default: 500]"),
    Setting("max_groups_per_user", int, "N", "Groups one user is in; 0: no limit.  [default: 2000]"),
    Setting("max_added_per_day", int, "N", "Groups others put one user into in a day; 0: no limit.  [default: 500]"),
    Setting("handshake_timeout", float, "SECONDS", "For TLS and Hello, and again for the login.  [default: 5]"),
    Setting("heartbeat", float, "SECONDS", "A client that is silent for twice as long is gone.  [default: 30]"),
    Setting("drain_timeout", float, "SECONDS", "A reader who does not read for so long is cut.  [default: 30]"),
    Setting("outbox_budget", int, "BYTES", "What may wait for all slow readers together.  [default: 268435456]"),
    Setting("stop_timeout", float, "SECONDS", "How long a graceful stop waits for what is under way.  [default: 5]"),
    Setting("password_time", int, "N", "Password hashes (argon2id): passes over their memory.  [default: 3]"),
    Setting("password_memory", int, "KIB", "Password hashes: memory of one.  [default: 65536]"),
    Setting("password_workers", int, "N", "Password hashes: how many at a time.  [default: 2]"),
    Setting("login_attempts", int, "N", "Failed logins per user, address and minute.  [default: 10]"),
    Setting("messages_per_second", float, "N", "What one user may send on the average; 0: no limit.  [default: 100]"),
    Setting("message_burst", int, "N", "What one user may send at once.  [default: 2000]"),
    Setting("changes_per_second", float, "N", "The same for other changes: groups, edits, …  [default: 20]"),
    Setting("change_burst", int, "N", "Other changes at once.  [default: 300]"),
    Setting("hints_per_second", float, "N", "The same for typing, presence, receipts.  [default: 20]"),
    Setting("hint_burst", int, "N", "Such hints at once.  [default: 200]"),
    Setting("searches_per_second", float, "N", "The same for searches.  [default: 2]"),
    Setting("search_burst", int, "N", "Searches at once.  [default: 30]"),
    Setting("lookups_per_second", float, "N", "People looked up by name or id, each counted.  [default: 100]"),
    Setting("lookup_burst", int, "N", "People looked up at once.  [default: 10000]"),
    Setting("bytes_per_second", float, "BYTES", "Of one user's commands, on the average.  [default: 65536]"),
    Setting("byte_burst", int, "BYTES", "Of one user's commands at once.  [default: 16777216]"),
    Setting("bytes_per_day", int, "BYTES", "Of one user's commands in a day.  [default: 536870912]"),
    Setting("address_per_second", float, "N", "All of it together from one address.  [default: 2000]"),
    Setting("address_burst", int, "N", "All of it together from one address at once.  [default: 40000]"),
    Setting("codes_without_position", str, "private|any|off", "Who may use face-to-face codes without a position."),
    Setting(
        "durability", str, "full|normal|off", "fsync before every ack, or not: then power cuts lose acked messages."
    ),
    Setting("node", int, "N", "This server's number in the ids it makes, 0 to 1023.  [default: 0]"),
    Setting("edit_within", float, "SECONDS", "How long people can edit what they sent.  [default: 900]"),
    Setting("recall_within", float, "SECONDS", "How long people can recall what they sent.  [default: 120]"),
    Setting("redpack_split", str, "lucky|shuffled", "Red packets are split at each opening, or when they are sent."),
    Setting("redpack_show_amounts", bool, "", "Members see how much others had of a red packet."),
    Setting("redpack_hours", float, "HOURS", "Until the rest of a red packet goes back to its sender.  [default: 24]"),
    Setting("redpack_min_average", int, "CENTS", "The least a red packet may hold per share.  [default: 1]"),
    Setting("redpack_max_average", int, "CENTS", "The most a red packet may hold per share.  [default: 20000]"),
    Setting("redpack_max_shares", int, "N", "Shares of one red packet.  [default: 500]"),
    Setting("payout_url", str, "URL", "Where withdrawals are posted; the key that signs them: CHATSRV_PAYOUT_SECRET."),
    Setting("media_store", str, "local|s3", "Where media are kept: in the data folder or in an S3 bucket."),
    Setting("media_s3_endpoint", str, "URL", "The S3 server."),
    Setting("media_s3_bucket", str, "NAME", "The bucket, which exists already."),
    Setting("media_s3_region", str, "NAME", "Its region.  [default: us-east-1]"),
    Setting("media_s3_prefix", str, "TEXT", "What the names of its objects begin with."),
    Setting("media_s3_public_endpoint", str, "URL", "The S3 server as clients reach it, if that is different."),
    Setting("media_s3_access_key", str, "KEY", "Its access key; the secret one: CHATSRV_MEDIA_S3_SECRET_KEY."),
    Setting("media_max_image", int, "BYTES", "The largest image.  [default: 33554432]"),
    Setting("media_max_audio", int, "BYTES", "The largest audio.  [default: 134217728]"),
    Setting("media_max_video", int, "BYTES", "The largest video.  [default: 1073741824]"),
    Setting("media_max_file", int, "BYTES", "The largest file of any other kind.  [default: 1073741824]"),
    Setting("media_max_pixels", int, "N", "The most pixels of a picture or film with a preview.  [default: 50000000]"),
    Setting("media_max_jpeg_pixels", int, "N", "The same for a JPEG, which takes less.  [default: 250000000]"),
    Setting("media_max_frames", int, "N", "The most frames of an animation with a preview.  [default: 5000]"),
    Setting("media_quota", int, "BYTES", "What one user may have uploaded.  [default: 10737418240]"),
    Setting("media_uploads", int, "N", "Uploads at a time.  [default: 64]"),
    Setting("media_uploads_per_user", int, "N", "Uploads of one user at a time.  [default: 20]"),
    Setting("media_stall_timeout", float, "SECONDS", "An upload that stands still so long is cut.  [default: 30]"),
    Setting("media_url_seconds", float, "SECONDS", "How long a signed URL is good.  [default: 300]"),
    Setting("media_workers", int, "N", "Processes that make previews.  [default: 1]"),
    Setting("log_level", str, "debug|info|warning|error", "What is logged, on standard error.  [default: info]"),
    Setting("log_format", str, "text|json", "How it is logged.  [default: text]"),
)

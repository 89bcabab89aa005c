"""The settings themselves. What is said here once is what TOML, environment, flags, `--help` and docs/settings.md say."""

from pathlib import Path
from typing import Final, Literal

import attrs
from attrs import validators as check

from chatsrv.config.contradictions import contradictions
from chatsrv.config.settings import described, setting_of
from chatsrv.config.values import (
    Address,
    ConfigError,
    at_least,
    fits_handshake,
    ip_addresses,
    to_address,
    to_names,
    to_path,
)  # fmt: skip
from chatsrv_protocol import limits


@attrs.frozen(slots=True, kw_only=True)
class Config:
    """Everything that can be set. Times are in seconds, sizes in bytes."""

    data: Path | None = attrs.field(
        default=None,
        converter=to_path,
        metadata=described("DIR", "The data folder; made if need be.", default="in your user's data folder"),
    )
    """The data folder; None keeps everything in a temporary folder that is removed at the end."""
    database: str = attrs.field(
        default="",
        metadata=described("DSN", "Keep the data in PostgreSQL: postgresql://user@host/name. Only media stay in DIR."),
    )
    """Several hosts have commas between. The password may stand in it; better is the file named by PGPASSFILE, since a
    command line can be read by others."""
    bus: tuple[str, ...] = attrs.field(
        default=(),
        converter=to_names,
        metadata=described("LIST", "Redis or Valkey between servers that share a database: redis://127.0.0.1:6379, …"),
    )
    node_name: str = attrs.field(
        default="",
        metadata=described("NAME", "What this server is called among several.", default="host name and process"),
    )
    backups: Path | None = attrs.field(
        default=None,
        converter=to_path,
        metadata=described("DIR", "Where the backups go that operators order.", default="backups in the data folder"),
    )
    tcp: Address | None = attrs.field(
        default=None, converter=to_address, metadata=described("HOST:PORT", "Listen for TCP; port 0: any free one.")
    )
    ws: Address | None = attrs.field(
        default=None, converter=to_address, metadata=described("HOST:PORT", "Listen for WebSockets.")
    )
    tls: Address | None = attrs.field(
        default=None, converter=to_address, metadata=described("HOST:PORT", "Listen for TCP with TLS.")
    )
    wss: Address | None = attrs.field(
        default=None, converter=to_address, metadata=described("HOST:PORT", "Listen for WebSockets with TLS.")
    )
    tls_cert: Path | None = attrs.field(
        default=None, converter=to_path, metadata=described("FILE", "The certificate with its chain, PEM.")
    )
    tls_key: Path | None = attrs.field(
        default=None, converter=to_path, metadata=described("FILE", "The certificate's private key, PEM.")
    )
    http: Address | None = attrs.field(
        default=None,
        converter=to_address,
        metadata=described("HOST:PORT", "The page, media and WebSocket on one port; without it or --https no media."),
    )
    https: Address | None = attrs.field(
        default=None, converter=to_address, metadata=described("HOST:PORT", "The same with TLS.")
    )
    """The port for browsers: the page, media and the WebSocket. Without either, the server has no page and takes no media.
    https uses the same certificate."""
    http_url: str = attrs.field(
        default="", metadata=described("URL", "What clients are told instead, behind a proxy: https://media.example")
    )
    http_connections: int = attrs.field(
        default=1_000, validator=at_least(1), metadata=described("N", "HTTP connections at a time.")
    )
    http_connections_per_address: int = attrs.field(
        default=100, validator=at_least(1), metadata=described("N", "From one address, loopback excepted.")
    )
    """For addresses that are not loopback; behind a trusted proxy, requests at work. A browser has six at most."""
    ops: Address | None = attrs.field(
        default=None,
        converter=to_address,
        metadata=described("HOST:PORT", "Where /healthz, /readyz and /metrics are; not on the clients' network."),
    )
    name: str = attrs.field(
        default="chatsrv", validator=fits_handshake, metadata=described("TEXT", "What the server calls itself.")
    )
    open_registration: bool = attrs.field(
        default=False, metadata=described("", "Anybody may register, not only who comes over loopback.")
    )
    allow_plaintext: bool = attrs.field(
        default=False,
        metadata=described("", "Passwords, and tokens over HTTP, may come unencrypted from other machines."),
    )
    origins: tuple[str, ...] = attrs.field(
        default=(),
        converter=to_names,
        metadata=described("LIST", "Web origins whose pages may connect, with commas between; programs always may."),
    )
    names: tuple[str, ...] = attrs.field(
        default=(),
        converter=to_names,
        metadata=described("LIST", "Host names under which browsers open the server's page, besides its address."),
    )
    trusted_proxies: tuple[str, ...] = attrs.field(
        default=(),
        converter=to_names,
        validator=ip_addresses,
        metadata=described(
            "LIST", "Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."
        ),
    )
    max_connections: int = attrs.field(
        default=20_000, validator=at_least(1), metadata=described("N", "Connections altogether.")
    )
    max_connections_per_address: int = attrs.field(
        default=1_000, validator=at_least(1), metadata=described("N", "From one address, loopback excepted.")
    )
    max_group_members: int = attrs.field(
        default=limits.MAX_GROUP_MEMBERS, validator=at_least(2), metadata=described("N", "Members of one group.")
    )
    max_groups_per_user: int = attrs.field(
        default=2_000, validator=at_least(0), metadata=described("N", "Groups one user is in; 0: no limit.")
    )
    max_added_per_day: int = attrs.field(
        default=500, validator=at_least(0), metadata=described("N", "Times others add a user in a day; 0: no limit.")
    )
    max_opened_per_day: int = attrs.field(
        default=500, validator=at_least(0), metadata=described("N", "Conversations a user opens in a day; 0: no limit.")
    )
    """Groups of one user, with conversations that they opened (and as many that others did); what happens in a day (UTC)."""
    handshake_timeout: float = attrs.field(
        default=5.0,
        validator=at_least(0.1),
        metadata=described("SECONDS", "For TLS and Hello, and again for the login."),
    )
    """TLS, WebSocket and Hello together, and then once more the login."""
    heartbeat: float = attrs.field(
        default=30.0,
        validator=at_least(0.1),
        metadata=described("SECONDS", "A client that is silent for twice as long is gone."),
    )
    """A client is silent at most this long; one that is silent twice as long is gone."""
    drain_timeout: float = attrs.field(
        default=30.0,
        validator=at_least(0.1),
        metadata=described("SECONDS", "A reader who does not read for so long is cut."),
    )
    """A slow reader whose outbox is not written out within this time is cut."""
    outbox_budget: int = attrs.field(
        default=256 * 1024 * 1024,
        validator=at_least(4 * limits.MAX_OUTBOX_BYTES),
        metadata=described("BYTES", "What may wait for all slow readers together."),
    )
    """What all outboxes may hold together; over it, the largest is cut first."""
    stop_timeout: float = attrs.field(
        default=5.0,
        validator=at_least(0.0),
        metadata=described("SECONDS", "How long a graceful stop waits for what is under way; 0: not at all."),
    )
    password_time: int = attrs.field(
        default=3, validator=at_least(1), metadata=described("N", "Password hashes (argon2id): passes over memory.")
    )
    password_memory: int = attrs.field(
        default=64 * 1024, validator=at_least(8), metadata=described("KIB", "Password hashes: memory of one.")
    )
    """argon2id: passes, KiB of memory (RFC 9106; 219 ms a hash here), and how many at a time; 0 uses no thread."""
    password_workers: int = attrs.field(
        default=2, validator=at_least(0), metadata=described("N", "Password hashes at a time; 0: in the main thread.")
    )
    login_attempts: int = attrs.field(
        default=10, validator=at_least(1), metadata=described("N", "Failed logins per user, address and minute.")
    )
    """Failed logins within a minute of one address for one user; ten times as many of a user, and of an address, in all."""
    messages_per_second: float = attrs.field(
        default=100.0,
        validator=at_least(0),
        metadata=described("N", "What one user may send on the average; 0: no limit."),
    )
    message_burst: int = attrs.field(
        default=2_000, validator=at_least(1), metadata=described("N", "What one user may send at once.")
    )
    """What one user may send on the average and at once, on all devices; pasting a long log is fine. 0: no limit."""
    changes_per_second: float = attrs.field(
        default=20.0, validator=at_least(0), metadata=described("N", "Other changes (groups, edits, …); 0: no limit.")
    )
    change_burst: int = attrs.field(
        default=300, validator=at_least(1), metadata=described("N", "Other changes at once.")
    )
    """The same for everything else that is stored: groups, members, rules, edits, profiles."""
    hints_per_second: float = attrs.field(
        default=20.0, validator=at_least(0), metadata=described("N", "Typing, presence, receipts; 0: no limit.")
    )
    hint_burst: int = attrs.field(default=200, validator=at_least(1), metadata=described("N", "Such hints at once."))
    """The same for what is not stored: typing, presence, receipts."""
    searches_per_second: float = attrs.field(
        default=2.0, validator=at_least(0), metadata=described("N", "The same for searches; 0: no limit.")
    )
    search_burst: int = attrs.field(default=30, validator=at_least(1), metadata=described("N", "Searches at once."))
    lookups_per_second: float = attrs.field(
        default=100.0, validator=at_least(0), metadata=described("N", "People looked up, each counted; 0: no limit.")
    )
    lookup_burst: int = attrs.field(
        default=10_000, validator=at_least(1), metadata=described("N", "People looked up at once.")
    )
    bytes_per_second: float = attrs.field(
        default=65_536.0,
        validator=at_least(0),
        metadata=described("BYTES", "Of one user's commands, on the average; 0: no limit."),
    )
    byte_burst: int = attrs.field(
        default=16 * 1024 * 1024, validator=at_least(1), metadata=described("BYTES", "Of one user's commands at once.")
    )
    bytes_per_day: int = attrs.field(
        default=512 * 1024 * 1024,
        validator=at_least(0),
        metadata=described("BYTES", "Of one user's commands in a day; 0: no limit."),
    )
    """Bytes of one user's commands that are stored or told: on the average, at once, and in a day. 0: no limit."""
    address_per_second: float = attrs.field(
        default=2_000.0, validator=at_least(0), metadata=described("N", "All of it from one address; 0: no limit.")
    )
    address_burst: int = attrs.field(
        default=40_000, validator=at_least(1), metadata=described("N", "All of it together from one address at once.")
    )
    """All of it together from one address (IPv6: a /64), which may be an office; loopback is one like any other."""
    codes_without_position: Literal["private", "any", "off"] = attrs.field(
        default="private",
        validator=check.in_(("private", "any", "off")),
        metadata=described("private|any|off", "Who may use face-to-face codes without a position."),
    )
    """Which clients may use face-to-face codes without a position: on loopback and private networks, all, none. Behind a
    proxy that only passes on bytes everybody looks like loopback: `off`."""
    durability: Literal["full", "normal", "off"] = attrs.field(
        default="full",
        validator=check.in_(("full", "normal", "off")),
        metadata=described("full|normal|off", "fsync before every ack, or not: then power cuts lose acked messages."),
    )
    node: int = attrs.field(
        default=0,
        validator=[at_least(0), check.le(1023)],
        metadata=described("N", "This server's number in the ids it makes, 0 to 1023."),
    )
    edit_within: float = attrs.field(
        default=15 * 60.0,
        validator=at_least(0.0),
        metadata=described("SECONDS", "How long people can edit what they sent; 0: never."),
    )
    recall_within: float = attrs.field(
        default=2 * 60.0,
        validator=at_least(0.0),
        metadata=described("SECONDS", "How long people can recall what they sent; 0: never."),
    )
    """For how long people can edit and recall what they sent; admins recall what others said at any time."""
    redpack_split: Literal["lucky", "shuffled"] = attrs.field(
        default="lucky",
        validator=check.in_(("lucky", "shuffled")),
        metadata=described("lucky|shuffled", "Red packets are split at each opening, or when they are sent."),
    )
    redpack_show_amounts: bool = attrs.field(
        default=True, metadata=described("", "Members see how much others had of a red packet, and not only their own.")
    )
    redpack_hours: float = attrs.field(
        default=24.0,
        validator=[at_least(0.2), check.le(24 * 366)],
        metadata=described("HOURS", "Until the rest of a red packet goes back to its sender."),
    )
    redpack_min_average: int = attrs.field(
        default=1, validator=at_least(1), metadata=described("CENTS", "The least a red packet may hold per share.")
    )
    redpack_max_average: int = attrs.field(
        default=20_000, validator=at_least(1), metadata=described("CENTS", "The most a red packet may hold per share.")
    )
    """Cents per share, on the average; a single draw has no cap, which would bend the mean."""
    redpack_max_shares: int = attrs.field(
        default=500, validator=[at_least(1), check.le(500)], metadata=described("N", "Shares of one red packet.")
    )
    push: bool = attrs.field(default=True, metadata=described("", "Notify devices by their browsers' push services."))
    push_services: tuple[str, ...] = attrs.field(
        default=(), converter=to_names, metadata=described("LIST", "Further push services, in private networks too.")
    )
    push_contact: str = attrs.field(
        default="", metadata=described("URL", "For push services: mailto:…", default="https:// and the first of names")
    )
    payout_url: str = attrs.field(
        default="",
        metadata=described("URL", "Where withdrawals are posted; the key that signs them: CHATSRV_PAYOUT_SECRET."),
    )
    """Where withdrawals are posted; empty: they wait until an operator's provider is set."""
    payout_secret: str = attrs.field(
        default="", repr=False, metadata=described("KEY", "The key that signs what is posted to payout_url.")
    )
    media_store: Literal["local", "s3"] = attrs.field(
        default="local",
        validator=check.in_(("local", "s3")),
        metadata=described("local|s3", "Where media are kept: in the data folder or in an S3 bucket."),
    )
    media_s3_endpoint: str = attrs.field(default="", metadata=described("URL", "The S3 server."))
    media_s3_bucket: str = attrs.field(default="", metadata=described("NAME", "The bucket, which exists already."))
    media_s3_region: str = attrs.field(default="us-east-1", metadata=described("NAME", "Its region."))
    media_s3_prefix: str = attrs.field(
        default="", metadata=described("TEXT", "What the names of its objects begin with.")
    )
    media_s3_addressing: Literal["path", "virtual"] = attrs.field(
        default="path",
        validator=check.in_(("path", "virtual")),
        metadata=described("path|virtual", "Where the bucket stands; large providers insist on the host's name."),
    )
    media_s3_public_endpoint: str = attrs.field(
        default="", metadata=described("URL", "The S3 server as clients reach it, if that is different.")
    )
    media_s3_access_key: str = attrs.field(
        default="", metadata=described("KEY", "Its access key; the secret one: CHATSRV_MEDIA_S3_SECRET_KEY.")
    )
    media_s3_secret_key: str = attrs.field(
        default="", repr=False, metadata=described("KEY", "The secret key of media_s3_access_key.")
    )
    media_max_image: int = attrs.field(
        default=32 * 2**20, validator=at_least(1), metadata=described("BYTES", "The largest image.")
    )
    media_max_audio: int = attrs.field(
        default=128 * 2**20, validator=at_least(1), metadata=described("BYTES", "The largest audio.")
    )
    media_max_video: int = attrs.field(
        default=2**30, validator=at_least(1), metadata=described("BYTES", "The largest video.")
    )
    media_max_file: int = attrs.field(
        default=2**30, validator=at_least(1), metadata=described("BYTES", "The largest file of any other kind.")
    )
    """Bytes of one medium, by kind. A larger image is a file, if that is allowed to be so large."""
    media_max_pixels: int = attrs.field(
        default=50_000_000,
        validator=at_least(1),
        metadata=described("N", "The most pixels of a picture or film with a preview; beyond, it is a file."),
    )
    media_max_jpeg_pixels: int = attrs.field(
        default=250_000_000, validator=at_least(1), metadata=described("N", "The same for a JPEG, which takes less.")
    )
    media_max_frames: int = attrs.field(
        default=5_000, validator=at_least(1), metadata=described("N", "Frames of an animation with a preview.")
    )
    media_quota: int = attrs.field(
        default=10 * 2**30, validator=at_least(0), metadata=described("BYTES", "What one user may upload; 0: nothing.")
    )
    media_uploads: int = attrs.field(default=64, validator=at_least(1), metadata=described("N", "Uploads at a time."))
    """Uploads at a time; each holds about half a MiB."""
    media_uploads_per_user: int = attrs.field(
        default=20, validator=at_least(1), metadata=described("N", "Uploads of one user at a time.")
    )
    media_stall_timeout: float = attrs.field(
        default=30.0, validator=at_least(0.05), metadata=described("SECONDS", "After it a still upload is cut.")
    )
    """An upload of which not 16 KiB arrive in this time is cut off; one in pieces can go on later."""
    media_url_seconds: float = attrs.field(
        default=300.0,
        validator=[at_least(1.0), check.le(7 * 24 * 3600)],
        metadata=described("SECONDS", "How long a signed URL is good."),
    )
    media_strip_metadata: bool = attrs.field(
        default=True, metadata=described("", "Images and films lose place and camera; files keep every byte.")
    )
    media_workers: int = attrs.field(
        default=1, validator=at_least(1), metadata=described("N", "Processes that make previews.")
    )
    log_level: str = attrs.field(
        default="info",
        validator=check.in_(("debug", "info", "warning", "error")),
        metadata=described("debug|info|warning|error", "What is logged, on standard error."),
    )
    log_format: Literal["json", "text"] = attrs.field(
        default="text", validator=check.in_(("json", "text")), metadata=described("text|json", "How it is logged.")
    )

    def __attrs_post_init__(self) -> None:
        for problem in contradictions(self):
            raise ConfigError(problem)

    @property
    def backup_folder(self) -> Path | None:
        """Where backups go that are ordered by name; None for a server without a data folder that was told no other."""
        return self.backups or (None if self.data is None else self.data / "backups")


FIELDS: Final = {field.name: field for field in attrs.fields(Config)}

SETTINGS: Final = {name: setting_of(field) for name, field in FIELDS.items()}
"""All settings by their names, in the order in which they are shown."""

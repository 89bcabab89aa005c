"""The server's settings as flags of `serve`: chatsrv.config.Config says what they mean, this table how to say it.

A table, and not made from Config, so that `chatsrv --help` need not import it; a test says that none is missing.
"""

from typing import Any, Final, NamedTuple


class Setting(NamedTuple):
    """A flag: `--max-connections` for max_connections, and so on."""

    name: str
    kind: type[Any]
    metavar: str
    help: str

    @property
    def flag(self) -> str:
        """As it is written."""
        dashed = self.name.replace("_", "-")
        return f"--{dashed}/--no-{dashed}" if self.kind is bool else f"--{dashed}"


SECRET: Final = frozenset(("payout_secret",))
"""Not flags, since `ps` shows them to everybody: they stand in the --config file or the environment."""

SETTINGS: Final = (
    Setting("data", str, "DIR", "The data folder; made if need be.  [default: in your user's data folder]"),
    Setting("tcp", str, "HOST:PORT", "Listen for TCP; port 0 means any free one."),
    Setting("ws", str, "HOST:PORT", "Listen for WebSockets."),
    Setting("tls", str, "HOST:PORT", "Listen for TCP with TLS."),
    Setting("wss", str, "HOST:PORT", "Listen for WebSockets with TLS."),
    Setting("tls_cert", str, "FILE", "The certificate with its chain, PEM."),
    Setting("tls_key", str, "FILE", "The certificate's private key, PEM."),
    Setting("name", str, "TEXT", "What the server calls itself.  [default: chatsrv]"),
    Setting("open_registration", bool, "", "Anybody may register, not only who comes over loopback."),
    Setting("allow_plaintext", bool, "", "Passwords may come unencrypted from other machines."),
    Setting("origins", str, "LIST", "Web origins whose pages may connect, with commas between; programs always may."),
    Setting("trusted_proxies", str, "LIST", "Addresses of reverse proxies whose X-Forwarded-For is believed."),
    Setting("max_connections", int, "N", "Connections altogether.  [default: 20000]"),
    Setting("max_connections_per_address", int, "N", "From one address, loopback excepted.  [default: 1000]"),
    Setting("max_group_members", int, "N", "Members of one group.  [default: 500]"),
    Setting("handshake_timeout", float, "SECONDS", "For TLS and Hello, and again for the login.  [default: 5]"),
    Setting("heartbeat", float, "SECONDS", "A client that is silent for twice as long is gone.  [default: 30]"),
    Setting("drain_timeout", float, "SECONDS", "A reader who does not read for so long is cut.  [default: 30]"),
    Setting("outbox_budget", int, "BYTES", "What may wait for all slow readers together.  [default: 268435456]"),
    Setting("stop_timeout", float, "SECONDS", "How long a graceful stop waits for what is under way.  [default: 5]"),
    Setting("password_time", int, "N", "Password hashes (argon2id): passes over their memory.  [default: 3]"),
    Setting("password_memory", int, "KIB", "Password hashes: memory of one.  [default: 65536]"),
    Setting("password_workers", int, "N", "Password hashes: how many at a time.  [default: 2]"),
    Setting("login_attempts", int, "N", "Failed logins per user and minute.  [default: 10]"),
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
    Setting("log_level", str, "debug|info|warning|error", "What is logged, on standard error.  [default: info]"),
    Setting("log_format", str, "text|json", "How it is logged.  [default: text]"),
)

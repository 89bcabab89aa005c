"""The settings of a server: their names, defaults, bounds and reasons, the same in TOML, environment, flags and Python."""

import difflib
import ipaddress
import math
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit

import attrs
from attrs import validators as check

from chatsrv_protocol import ProtocolError, limits
from chatsrv_protocol.fields import TITLE


class ConfigError(Exception):
    """A setting is unknown, has the wrong type or contradicts another: says which, where, and what would do."""


@attrs.frozen(slots=True)
class Address:
    """A host and a port to listen on; port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`, `[IPv6]:PORT` or `:PORT` (loopback). Raises ConfigError."""
        host, colon, port = text.rpartition(":")
        if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ConfigError(f"'{text}' is not an address: write HOST:PORT, for example 127.0.0.1:7000")
        return cls(host.strip("[]") or "127.0.0.1", int(port))

    @property
    def is_loopback(self) -> bool:
        """Only programs on this machine can connect."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: Address | str | None) -> Address | None:
    return Address.parse(value) if isinstance(value, str) else value


def _path(value: str | os.PathLike[str] | None) -> Path | None:
    return None if value is None else Path(value)


def _names(value: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)


def _title(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    """What every client is told at the handshake has to fit into it."""
    try:
        TITLE.check()(instance, attribute, value)
    except ProtocolError as error:
        raise ValueError(error.message) from None


def _ip_addresses(_instance: object, attribute: "attrs.Attribute[Any]", value: tuple[str, ...]) -> None:
    """As connections show them: a name or a network would never match one, and nobody would notice."""
    for text in value:
        try:
            shown = str(ipaddress.ip_address(text))
        except ValueError:
            shown = ""
        if text != shown:
            sentence = f"{attribute.name} holds '{text}', and takes single addresses such as 127.0.0.1 or ::1"
            raise ConfigError(sentence)


def _is_web_url(text: str) -> bool:
    """Whether something can be posted there, as far as the URL says."""
    try:
        url = urlsplit(text)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        return False


def _at_least(low: float) -> Any:
    return check.ge(low)


@attrs.frozen(slots=True, kw_only=True)
class Config:
    """Everything that can be set. Times are in seconds, sizes in bytes."""

    data: Path | None = attrs.field(default=None, converter=_path)
    """The data folder; None keeps everything in a temporary folder that is removed at the end."""

    database: str = ""
    """A PostgreSQL database in place of the data folder's: `postgresql://user@host/name`, several hosts after commas. The
    password may stand in it; better is the file named by PGPASSFILE, since a command line can be read by others."""

    backups: Path | None = attrs.field(default=None, converter=_path)
    """Where the backups go that operators order through a connection; by default the folder `backups` in the data folder."""

    tcp: Address | None = attrs.field(default=None, converter=_address)
    ws: Address | None = attrs.field(default=None, converter=_address)
    tls: Address | None = attrs.field(default=None, converter=_address)
    wss: Address | None = attrs.field(default=None, converter=_address)
    tls_cert: Path | None = attrs.field(default=None, converter=_path)
    tls_key: Path | None = attrs.field(default=None, converter=_path)

    http: Address | None = attrs.field(default=None, converter=_address)
    https: Address | None = attrs.field(default=None, converter=_address)
    """The port for browsers: the page, media and the WebSocket. Without either, the server has no page and takes no media.
    https uses the same certificate."""
    http_url: str = ""
    """What clients are told instead of these addresses, for example behind a proxy: https://media.example"""
    http_connections: int = attrs.field(default=1_000, validator=_at_least(1))
    http_connections_per_address: int = attrs.field(default=100, validator=_at_least(1))
    """For addresses that are not loopback; behind a trusted proxy, requests at work. A browser has six at most."""
    ops: Address | None = attrs.field(default=None, converter=_address)
    """Where /healthz, /readyz and /metrics are. Keep it off the network that clients are on."""

    name: str = attrs.field(default="chatsrv", validator=_title)
    open_registration: bool = False
    """Anybody may register. Otherwise only who comes in by a listener on a loopback address."""
    allow_plaintext: bool = False
    """Passwords may come over an unencrypted connection from another machine."""
    origins: tuple[str, ...] = attrs.field(default=(), converter=_names)
    """Web origins whose pages may open a WebSocket; programs, which send no Origin, always may."""
    names: tuple[str, ...] = attrs.field(default=(), converter=_names)
    """Host names under which browsers open the server's own page, besides those in http_url and origins."""
    trusted_proxies: tuple[str, ...] = attrs.field(default=(), converter=_names, validator=_ip_addresses)
    """Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    max_connections: int = attrs.field(default=20_000, validator=_at_least(1))
    max_connections_per_address: int = attrs.field(default=1_000, validator=_at_least(1))
    """For addresses that are not loopback."""
    max_group_members: int = attrs.field(default=limits.MAX_GROUP_MEMBERS, validator=_at_least(2))
    max_groups_per_user: int = attrs.field(default=2_000, validator=_at_least(0))
    max_added_per_day: int = attrs.field(default=500, validator=_at_least(0))
    """Groups, conversations of two included, that one user is in; and into how many others may put them in a day (UTC).
    0: no limit."""
    handshake_timeout: float = attrs.field(default=5.0, validator=_at_least(0.1))
    """TLS, WebSocket and Hello together, and then once more the login."""
    heartbeat: float = attrs.field(default=30.0, validator=_at_least(0.1))
    """A client is silent at most this long; one that is silent twice as long is gone."""
    drain_timeout: float = attrs.field(default=30.0, validator=_at_least(0.1))
    """A slow reader whose outbox is not written out within this time is cut."""
    outbox_budget: int = attrs.field(default=256 * 1024 * 1024, validator=_at_least(4 * limits.MAX_OUTBOX_BYTES))
    """What all outboxes may hold together; over it, the largest is cut first."""
    stop_timeout: float = attrs.field(default=5.0, validator=_at_least(0.0))
    """How long a graceful stop waits for what is under way."""

    password_time: int = attrs.field(default=3, validator=_at_least(1))
    password_memory: int = attrs.field(default=64 * 1024, validator=_at_least(8))
    """argon2id: passes, KiB of memory (RFC 9106; 219 ms a hash here), and how many at a time; 0 uses no thread."""
    password_workers: int = attrs.field(default=2, validator=_at_least(0))
    login_attempts: int = attrs.field(default=10, validator=_at_least(1))
    """Failed logins within a minute of one address for one user; ten times as many of a user, and of an address, in all."""
    messages_per_second: float = attrs.field(default=100.0, validator=_at_least(0))
    message_burst: int = attrs.field(default=2_000, validator=_at_least(1))
    """What one user may send on the average and at once, on all devices; pasting a long log is fine. 0: no limit."""
    changes_per_second: float = attrs.field(default=20.0, validator=_at_least(0))
    change_burst: int = attrs.field(default=300, validator=_at_least(1))
    """The same for everything else that is stored: groups, members, rules, edits, profiles."""
    hints_per_second: float = attrs.field(default=20.0, validator=_at_least(0))
    hint_burst: int = attrs.field(default=200, validator=_at_least(1))
    """The same for what is not stored: typing, presence, receipts."""
    searches_per_second: float = attrs.field(default=2.0, validator=_at_least(0))
    search_burst: int = attrs.field(default=30, validator=_at_least(1))
    """The same for searches."""
    lookups_per_second: float = attrs.field(default=100.0, validator=_at_least(0))
    lookup_burst: int = attrs.field(default=10_000, validator=_at_least(1))
    """The same for people looked up by name or id; each person counts."""
    bytes_per_second: float = attrs.field(default=65_536.0, validator=_at_least(0))
    byte_burst: int = attrs.field(default=16 * 1024 * 1024, validator=_at_least(1))
    bytes_per_day: int = attrs.field(default=512 * 1024 * 1024, validator=_at_least(0))
    """Bytes of one user's commands that are stored or told: on the average, at once, and in a day. 0: no limit."""
    address_per_second: float = attrs.field(default=2_000.0, validator=_at_least(0))
    address_burst: int = attrs.field(default=40_000, validator=_at_least(1))
    """All of it together from one address (IPv6: a /64), which may be an office; loopback is one like any other."""
    codes_without_position: Literal["private", "any", "off"] = attrs.field(
        default="private", validator=check.in_(("private", "any", "off"))
    )
    """Which clients may use face-to-face codes without a position: on loopback and private networks, all, none. Behind a
    proxy that only passes on bytes everybody looks like loopback: `off`."""
    durability: Literal["full", "normal", "off"] = attrs.field(
        default="full", validator=check.in_(("full", "normal", "off"))
    )
    """`full` is fsync before every ack. The others lose acked messages in a power cut."""
    node: int = attrs.field(default=0, validator=[_at_least(0), check.le(1023)])

    edit_within: float = attrs.field(default=15 * 60.0, validator=_at_least(0.0))
    recall_within: float = attrs.field(default=2 * 60.0, validator=_at_least(0.0))
    """For how long people can edit and recall what they sent; admins recall what others said at any time."""

    redpack_split: Literal["lucky", "shuffled"] = attrs.field(
        default="lucky", validator=check.in_(("lucky", "shuffled"))
    )
    """How a lucky packet is split: at each opening, or all at once when it is sent."""
    redpack_show_amounts: bool = True
    """Members see how much others had; otherwise each sees only their own."""
    redpack_hours: float = attrs.field(default=24.0, validator=[_at_least(0.2), check.le(24 * 366)])
    redpack_min_average: int = attrs.field(default=1, validator=_at_least(1))
    redpack_max_average: int = attrs.field(default=20_000, validator=_at_least(1))
    """Cents per share, on the average; a single draw has no cap, which would bend the mean."""
    redpack_max_shares: int = attrs.field(default=500, validator=[_at_least(1), check.le(500)])

    payout_url: str = ""
    """Where withdrawals are posted; empty: they wait until an operator's provider is set."""
    payout_secret: str = attrs.field(default="", repr=False)
    """The key that signs what is posted there."""

    media_store: Literal["local", "s3"] = attrs.field(default="local", validator=check.in_(("local", "s3")))
    """Where the bytes of media are: in the data folder, or in an S3-compatible bucket."""
    media_s3_endpoint: str = ""
    media_s3_bucket: str = ""
    media_s3_region: str = "us-east-1"
    media_s3_prefix: str = ""
    media_s3_public_endpoint: str = ""
    """What clients are sent to, if it is not the endpoint that the server uses."""
    media_s3_access_key: str = ""
    media_s3_secret_key: str = attrs.field(default="", repr=False)
    media_max_image: int = attrs.field(default=32 * 2**20, validator=_at_least(1))
    media_max_audio: int = attrs.field(default=128 * 2**20, validator=_at_least(1))
    media_max_video: int = attrs.field(default=2**30, validator=_at_least(1))
    media_max_file: int = attrs.field(default=2**30, validator=_at_least(1))
    """Bytes of one medium, by kind. A larger image is a file, if that is allowed to be so large."""
    media_max_pixels: int = attrs.field(default=50_000_000, validator=_at_least(1))
    media_max_jpeg_pixels: int = attrs.field(default=250_000_000, validator=_at_least(1))
    media_max_frames: int = attrs.field(default=5_000, validator=_at_least(1))
    """Of what previews are made: pixels of a picture or a film, of a JPEG, which takes less, and frames of an animation.
    What is beyond is a file."""
    media_quota: int = attrs.field(default=10 * 2**30, validator=_at_least(0))
    """Bytes of all that one user uploaded and that is not swept."""
    media_uploads: int = attrs.field(default=64, validator=_at_least(1))
    """Uploads at a time; each holds about half a MiB."""
    media_uploads_per_user: int = attrs.field(default=20, validator=_at_least(1))
    media_stall_timeout: float = attrs.field(default=30.0, validator=_at_least(0.05))
    """An upload of which not 16 KiB arrive in this time is cut off; one in pieces can go on later."""
    media_url_seconds: float = attrs.field(default=300.0, validator=[_at_least(1.0), check.le(7 * 24 * 3600)])
    """How long a signed URL is good."""
    media_workers: int = attrs.field(default=1, validator=_at_least(1))
    """Processes that make previews."""

    log_level: str = attrs.field(default="info", validator=check.in_(("debug", "info", "warning", "error")))
    log_format: Literal["json", "text"] = attrs.field(default="text", validator=check.in_(("json", "text")))

    def __attrs_post_init__(self) -> None:
        if (self.tls or self.wss or self.https) and not (self.tls_cert and self.tls_key):
            raise ConfigError(
                "tls and wss need a certificate, and so does https: set tls_cert and tls_key to PEM files"
            )
        if self.backups is not None and self.data is not None and self.backups.absolute() == self.data.absolute():
            raise ConfigError("backups must be another folder than data: the database and its journal have names there")
        if self.media_store == "s3" and not (self.media_s3_endpoint and self.media_s3_bucket):
            raise ConfigError("media in S3 need media_s3_endpoint and media_s3_bucket")
        if self.redpack_min_average > self.redpack_max_average:
            raise ConfigError("redpack_min_average must not exceed redpack_max_average: no packet would fit")
        if self.redpack_max_average * self.redpack_max_shares > limits.MAX_CENTS:
            raise ConfigError(f"redpack_max_average times redpack_max_shares must not exceed {limits.MAX_CENTS} cents")
        if self.payout_url:
            if not _is_web_url(self.payout_url):
                raise ConfigError("payout_url must be a URL such as https://pay.example/chatsrv")
            if not self.payout_secret:
                raise ConfigError("payout_url needs payout_secret: without a key anybody could order payouts there")

    @property
    def backup_folder(self) -> Path | None:
        """Where backups go that are ordered by name; None for a server without a data folder that was told no other."""
        return self.backups or (None if self.data is None else self.data / "backups")


_FIELDS = {field.name: field for field in attrs.fields(Config)}


PREFIX: Final = "CHATSRV_"
OTHER_VARIABLES: Final = frozenset(f"{PREFIX}{name}" for name in ("CONFIG", "SERVER", "PROFILE", "CA_FILE", "BIN"))
"""Variables that are no settings: the settings' file, what clients read, and where scripts keep the program's path."""

_BY_VARIABLE: Final = {f"{PREFIX}{name.upper()}": name for name in _FIELDS}


def _hint(name: str, known: Sequence[str]) -> str:
    meant = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{meant[0]}'?" if meant else ""


def _from_text(name: str, text: str, where: str) -> Any:
    """A value from the environment, read as the type of the setting's default."""
    default = _FIELDS[name].default
    if isinstance(default, bool):
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigError(f"{where}: {name} is '{text}', and must be true or false")
        return text.lower() in ("true", "1", "yes")
    try:
        return type(default)(text) if isinstance(default, (int, float)) else text
    except ValueError:
        raise ConfigError(f"{where}: {name} is '{text}', and must be a number") from None


def _checked(values: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name, value in values.items():
        if name not in _FIELDS:
            hint = _hint(name, list(_FIELDS)) or f"the settings are {', '.join(_FIELDS)}"
            raise ConfigError(f"{where}: there is no setting '{name}'; {hint}")
        wanted = _misfit(_FIELDS[name].default, value)
        if wanted:
            shown = repr(value) if _FIELDS[name].repr else "something else"  # a key of digits alone is a secret, too
            raise ConfigError(f"{where}: {name} is {shown}, and must be {wanted}")
    return dict(values)


def _misfit(default: Any, value: Any) -> str:
    """What a value should be that is not of its default's type; empty if it is."""
    if isinstance(default, bool):
        return "" if isinstance(value, bool) else "true or false"
    if isinstance(default, int):
        return "" if type(value) is int else "a whole number"
    if isinstance(default, float):
        return "" if type(value) in (int, float) and math.isfinite(value) else "a number"
    if isinstance(default, tuple):
        texts = [value] if isinstance(value, str) else value
        fits = isinstance(texts, (list, tuple)) and all(isinstance(each, str) for each in cast("list[Any]", texts))
        return "" if fits else "a list of texts"
    if isinstance(default, str):
        return "" if isinstance(value, str) else "text"
    return "" if isinstance(value, (str, os.PathLike, Address)) else "text"


def load_config(file: Path | None = None, environment: Mapping[str, str] | None = None, **flags: Any) -> Config:
    """Settings from a TOML file, then CHATSRV_NAME in the environment, then flags: the later wins; None is not set.

    The file is UTF-8 whatever the locale. A variable that begins with CHATSRV_ and is none of ours is refused, as a
    setting of another name is in the file. Raises ConfigError, with the place and what would do.
    """
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values |= _checked(tomllib.loads(file.read_text(encoding="utf-8-sig")), str(file))
        except OSError as error:
            raise ConfigError(f"{file} cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file} is not TOML: {error}") from None
    for variable, text in (environment or {}).items():
        if not variable.startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        setting = _BY_VARIABLE.get(variable)
        if setting is None:
            hint = _hint(variable.upper(), [*_BY_VARIABLE, *sorted(OTHER_VARIABLES)])
            hint = hint or "`chatsrv serve --help` lists the settings."
            raise ConfigError(f"the environment: {variable} is no variable of chatsrv; {hint} Else unset it")
        values[setting] = _from_text(setting, text, variable)
    values |= {name: value for name, value in flags.items() if value is not None}
    try:
        return Config(**_checked(values, "the settings"))
    except (ValueError, TypeError) as error:
        raise ConfigError(f"a setting is out of its bounds: {error.args[0] if error.args else error}") from None

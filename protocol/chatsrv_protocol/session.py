"""Who is there: the handshake, accounts, logging in and out, and the devices of one user."""

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import (
    BYTES,
    CODE,
    COUNT,
    DURATION,
    FLAG,
    LABEL,
    LIST_VERSION,
    NAME,
    PASSWORD,
    PROTOCOL_VERSION,
    SESSION_ID,
    SESSION_ID_OR_0,
    TIME,
    TITLE,
    TOKEN,
    TOKEN_OR_NONE,
    USER_ID,
    ListOf,
    String,
    Struct,
    field,
)
from chatsrv_protocol.registry import command, event, reply, struct


@reply(0x0140)
class Welcome:
    """The answer to Hello: what this connection may do.

    `version` is the protocol version chosen, `now` the server's clock (the client's ids are made on it), `heartbeat`
    the milliseconds within which a client sends something, `max_frame` the largest frame body after login,
    `max_requests` how many requests may be unanswered, `registration_open` whether Register can succeed here.
    `http` is where media go up and down, e.g. `https://chat.example:7003`; `http://:7003` means the host that the
    client is connected to; empty: this server takes no media, or, where `page` says something, takes them on the very port
    that this connection came by (paths such as `/media` on its host).
    `page` is the digest of the web page that this port serves: a page that reads another one than its own is older or newer
    than the server, and offers a reload. `none`: the page is not built here; empty: this port serves none.
    """

    version: int = field(PROTOCOL_VERSION)
    server: str = field(TITLE)
    now: int = field(TIME)
    heartbeat: int = field(DURATION)
    max_frame: int = field(BYTES)
    max_requests: int = field(COUNT)
    registration_open: bool = field(FLAG)
    http: str = field(String(0, 256), default="")
    page: str = field(LABEL, default="")


@command(0x0101, reply=Welcome, errors=(ErrorCode.VERSION_UNSUPPORTED, ErrorCode.TOO_MANY_CONNECTIONS))
class Hello:
    """The first frame of every connection: the protocol versions the client speaks, and what it is."""

    versions: tuple[int, ...] = field(ListOf(PROTOCOL_VERSION, 16))
    agent: str = field(LABEL)


@reply(0x0141)
class LoggedIn:
    """This connection now speaks for a user. The token logs in again (Resume) until the session ends.

    `user_version` counts the changes of the user's list of groups. The token is empty in the answer to Resume.
    """

    user_id: int = field(USER_ID)
    name: str = field(NAME)
    session_id: int = field(SESSION_ID)
    token: bytes = field(TOKEN_OR_NONE)
    user_version: int = field(LIST_VERSION)
    operator: bool = field(FLAG)


@command(
    0x0102,
    reply=LoggedIn,
    errors=(
        ErrorCode.REGISTRATION_CLOSED,
        ErrorCode.PLAINTEXT_REFUSED,
        ErrorCode.NAME_TAKEN,
        ErrorCode.PASSWORD_WEAK,
        ErrorCode.MESSAGE_REFUSED,
    ),
)
class Register:
    """Make an account and log in. Names are unique regardless of case, without spaces, and never change."""

    name: str = field(NAME)
    password: str = field(PASSWORD)
    device: str = field(LABEL)


@command(0x0103, reply=LoggedIn, errors=(ErrorCode.PLAINTEXT_REFUSED, ErrorCode.BAD_CREDENTIALS))
class Login:
    """Log in by password: a new session for this device. A wrong name and a wrong password look the same."""

    name: str = field(NAME)
    password: str = field(PASSWORD)
    device: str = field(LABEL)


@command(0x0104, reply=LoggedIn, errors=(ErrorCode.PLAINTEXT_REFUSED, ErrorCode.SESSION_ENDED))
class Resume:
    """Log in by the token of a session that has not ended."""

    token: bytes = field(TOKEN)


@command(0x010A, reply=LoggedIn, errors=(ErrorCode.PLAINTEXT_REFUSED, ErrorCode.SESSION_ENDED))
class ResumeHere:
    """Log in by the cookie that came with the WebSocket's handshake, for the server's own page.

    It is the cookie of `POST /session`, which the page's script cannot read; it counts only where the handshake's `Origin` is
    the page's own.
    """


@command(0x0105, reply=Done)
class Logout:
    """End this connection's session: its token is void, and every connection of it is closed."""


@command(0x0106, reply=Done, errors=(ErrorCode.BAD_CREDENTIALS, ErrorCode.PASSWORD_WEAK))
class ChangePassword:
    """Set a new password and end all other sessions of this user."""

    old: str = field(PASSWORD)
    new: str = field(PASSWORD)


@struct
class Session:
    """One device's session: since when, when last seen, and whether it is this connection's."""

    session_id: int = field(SESSION_ID)
    device: str = field(LABEL)
    created_at: int = field(TIME)
    seen_at: int = field(TIME)
    current: bool = field(FLAG)


@reply(0x0142)
class Sessions:
    """The sessions of this user, oldest first."""

    sessions: tuple[Session, ...] = field(ListOf(Struct(Session)))


@command(0x0107, reply=Sessions)
class ListSessions:
    """Which devices are logged in as me?"""


@command(0x0108, reply=Done, errors=(ErrorCode.SESSION_ENDED,))
class EndSession:
    """End one of my sessions by its id; its connections are closed."""

    session_id: int = field(SESSION_ID)


@struct
class Person:
    """A user as others see them."""

    user_id: int = field(USER_ID)
    name: str = field(NAME)


@reply(0x0143)
class People:
    """The users asked for, in the order of the question; who does not exist is left out."""

    people: tuple[Person, ...] = field(ListOf(Struct(Person)))


@command(0x0109, reply=People)
class FindPeople:
    """Whose names are these? Names are matched whole, regardless of case."""

    names: tuple[str, ...] = field(ListOf(NAME, 100))


@event(0x01C0)
class SessionOver:
    """The server closes this connection next. `reason`: session_ended (the token is void) or server_stopping (it is not)."""

    reason: str = field(CODE)
    session_id: int = field(SESSION_ID_OR_0)

"""Messages of every connection: the plain replies, and what the server says about the connection itself."""

from chatsrv_protocol.fields import CODE, COUNT, DURATION, SENTENCE, TIME, Optional, field
from chatsrv_protocol.registry import command, event, reply


@reply(0x0040)
class Done:
    """The command took effect, and there is nothing more to say."""


@reply(0x0041)
class Refused:
    """The command had no effect, or, with request id 0, the connection is about to end.

    `code` is one of ErrorCode, `message` a sentence for a person, `at` the name of the field at fault;
    `retry_after` is the least wait in milliseconds before another try can succeed (0: trying again will not help,
    or nothing is known).
    """

    code: str = field(CODE)
    message: str = field(SENTENCE)
    at: str | None = field(Optional(CODE), default=None)
    retry_after: int = field(DURATION, default=0)


@reply(0x0042)
class Pong:
    """The answer to Ping, with the server's clock."""

    now: int = field(TIME)


@command(0x0001, reply=Pong)
class Ping:
    """I am alive. A client that has nothing else to say sends it once per heartbeat, and takes silence for a loss."""


@event(0x00C0)
class Lagging:
    """This connection read too slowly, so `dropped` live events were not sent to it: fetch them by range."""

    dropped: int = field(COUNT)


@event(0x00C1)
class Draining:
    """The server is about to stop: reconnect after a random wait of at most `within` milliseconds."""

    within: int = field(DURATION)

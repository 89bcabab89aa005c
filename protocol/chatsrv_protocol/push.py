"""Web Push (RFC 8030): notifications for a session's device while it has no connection."""

from typing import Final

from chatsrv_protocol.common import Done
from chatsrv_protocol.errors import ErrorCode
from chatsrv_protocol.fields import FLAG, Bytes, String, field
from chatsrv_protocol.registry import command, reply

MAX_ENDPOINT: Final = 2048
"""Characters of the URL that a push service gave to a browser; the longest known have about 1,000."""

ENDPOINT: Final = String(1, MAX_ENDPOINT, plain=True)
POINT_BYTES: Final = 65
"""A point of the curve P-256, not compressed (RFC 8291, section 2.1)."""

AUTH_SECRET_BYTES: Final = 16


@reply(0x0D40)
class PushShown:
    """`key`: the server's public key, what a browser calls `applicationServerKey` (RFC 8292): a point of P-256, not compressed.

    `subscribed`: this session has a subscription; `shows_text`: with it, notifications hold who wrote and the beginning.
    """

    key: bytes = field(Bytes(POINT_BYTES, POINT_BYTES))
    subscribed: bool = field(FLAG)
    shows_text: bool = field(FLAG)


@command(0x0D01, reply=PushShown, errors=(ErrorCode.PUSH_OFF,))
class ShowPush:
    """With which key does this server send notifications, and does this session get them?"""


@command(0x0D02, reply=Done, errors=(ErrorCode.PUSH_OFF, ErrorCode.PUSH_SERVICE_UNKNOWN))
class SubscribePush:
    """Send notifications for this session to its device, by a push service, while the session has no connection.

    `endpoint`, `p256dh` and `auth` are what the browser's `PushSubscription` holds. `show_text`: a notification holds who
    wrote and the beginning of what they wrote; without, only the group's name and how many messages are unread. All of it is
    encrypted for the device (RFC 8291); the body is JSON:

        {"group": "250811800877006848", "seq": 7, "name": "home", "count": 3, "mentions": 1, "by": "bob", "text": "Soup at one"}

    `seq` is that of the latest message by somebody else: once the person has read it, the notification is of no use. `by`
    and `text` are absent without `show_text`; `text` is empty where the message has none. A session has one subscription:
    another one takes its place, and an endpoint is one session's alone. It ends with the session, or when the push service
    says that the device is gone. A user has at most 10; the oldest gives way.
    """

    endpoint: str = field(ENDPOINT)
    p256dh: bytes = field(Bytes(POINT_BYTES, POINT_BYTES))
    auth: bytes = field(Bytes(AUTH_SECRET_BYTES, AUTH_SECRET_BYTES))
    show_text: bool = field(FLAG, default=False)


@command(0x0D03, reply=Done)
class UnsubscribePush:
    """Send no notifications to this session's device any more. Without a subscription it does nothing."""

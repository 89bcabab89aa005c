"""The chatsrv protocol without I/O: messages, their codec, framing, and the connection state machine.

from chatsrv_protocol import Connection, Hello, NEED_DATA, Role

connection = Connection(Role.CLIENT)
to_write = connection.send(Hello((1,), "my client"), request_id=1)
connection.feed(bytes_from_the_server)
while (received := connection.next()) is not NEED_DATA: ...
"""

from chatsrv_protocol import (
    common,
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
    limits,
    media,
    messages,
    operator,
    presence,
    push,
    redpack,
    reports,
    session,
    sync,
)
from chatsrv_protocol.codec import BadMessage, Decoded, UnknownEvent, decode, encode
from chatsrv_protocol.connection import NEED_DATA, ConnectionState, ProtocolConnection, Received, Rejected, Role
from chatsrv_protocol.errors import ErrorCode, ProtocolError
from chatsrv_protocol.registry import (
    BY_NUMBER,
    NUMBER_OF,
    REPLY_TO,
    STRUCTS,
    is_command,
    is_event,
    is_reply,
    is_sequence_event,
)

__all__ = [
    "BY_NUMBER",
    "NEED_DATA",
    "NUMBER_OF",
    "REPLY_TO",
    "STRUCTS",
    "BadMessage",
    "ConnectionState",
    "Decoded",
    "ErrorCode",
    "ProtocolConnection",
    "ProtocolError",
    "Received",
    "Rejected",
    "Role",
    "UnknownEvent",
    "common",
    "conversation",
    "decode",
    "encode",
    "face_to_face",
    "governing",
    "groups",
    "invitations",
    "is_command",
    "is_event",
    "is_reply",
    "is_sequence_event",
    "limits",
    "media",
    "messages",
    "operator",
    "presence",
    "push",
    "redpack",
    "reports",
    "session",
    "sync",
]

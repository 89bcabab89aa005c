"""The client library: it connects, logs in, sends exactly once, delivers every event once and in order, and reconnects.

from chatsrv.client import open_client
from chatsrv_protocol.messages import Message

async with open_client("tcp://127.0.0.1:7000") as client:
    await client.register("ann", "a long password")
    made = await client.groups.create("friends")
    await client.group(made.group_id).send("hello")
    async for event in client.events():
        print(event)
"""

from chatsrv.client.client import Client, Events, open_client
from chatsrv.client.connection.dial import Dialer
from chatsrv.client.connection.pending_request import CommandReply
from chatsrv.client.connection.url import BadUrl, parse_url
from chatsrv.client.errors import (
    ClientClosed,
    ClientError,
    NotLoggedIn,
    OutcomeUnknown,
    ProtocolViolation,
    RequestRefused,
    SessionEnded,
    Unreachable,
)
from chatsrv.client.events import (
    Connected,
    ConnectionEvent,
    Disconnected,
    Event,
    PersonalEvent,
    Reconnecting,
    Restored,
    SequenceEvent,
)

__all__ = [
    "BadUrl",
    "Client",
    "ClientClosed",
    "ClientError",
    "CommandReply",
    "Connected",
    "ConnectionEvent",
    "Dialer",
    "Disconnected",
    "Event",
    "Events",
    "NotLoggedIn",
    "OutcomeUnknown",
    "PersonalEvent",
    "ProtocolViolation",
    "Reconnecting",
    "RequestRefused",
    "Restored",
    "SequenceEvent",
    "SessionEnded",
    "Unreachable",
    "open_client",
    "parse_url",
]

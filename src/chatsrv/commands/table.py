"""The table of all commands: which handler answers which class of the wire."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from chatsrv.commands import (
    conversation,
    face_to_face,
    governing,
    groups,
    media,
    messages,
    operator,
    presence,
    redpack,
    session,
    sync,
)
from chatsrv.commands.context import Request
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.registry import REFUSALS

Handler: TypeAlias = Callable[[Request, Any], Awaitable[Any]]
"""Answers the reply; None where the reply comes later, from a group's channel. Raises Refusal."""

HANDLERS: dict[type[Any], Handler] = {
    **session.HANDLERS,
    **groups.HANDLERS,
    **messages.HANDLERS,
    **sync.HANDLERS,
    **operator.HANDLERS,
    **redpack.HANDLERS,
    **governing.HANDLERS,
    **conversation.HANDLERS,
    **face_to_face.HANDLERS,
    **presence.HANDLERS,
    **media.HANDLERS,
}

OPERATOR_COMMANDS: Final = frozenset(kind for kind, codes in REFUSALS.items() if ErrorCode.OPERATOR_ONLY in codes)
"""What only operators may do; the head of the audit log is logged after each."""

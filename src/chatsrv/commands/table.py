"""The table of all commands: importing it imports every module of handlers, and finds a command without a handler."""

from typing import Final

from chatsrv.commands import (
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
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
from chatsrv.commands.registry import HANDLERS, require_complete
from chatsrv_protocol import ErrorCode
from chatsrv_protocol.registry import REFUSALS

MODULES: Final = (
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
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
"""The modules whose handlers registered themselves when they were imported."""

require_complete()

OPERATOR_COMMANDS: Final = frozenset(kind for kind, codes in REFUSALS.items() if ErrorCode.OPERATOR_ONLY in codes)
"""What only operators may do; the head of the audit log is logged after each."""

__all__ = ["HANDLERS", "MODULES", "OPERATOR_COMMANDS"]

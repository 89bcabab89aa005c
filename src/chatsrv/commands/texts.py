"""The fields of commands that others will read, which are shown to the embedding program's hook."""

from typing import Final, cast

import attrs

from chatsrv.commands.context import Request
from chatsrv.commands.hooks import TextContext, TextKind
from chatsrv_protocol import (
    conversation,
    face_to_face,
    governing,
    groups,
    media,
    messages,
    operator,
    presence,
    push,
    redpack,
    reports,
)
from chatsrv_protocol import session as accounts
from chatsrv_storage.errors import Refusal

TEXTS: Final[dict[type[object], tuple[str, TextKind]]] = {
    accounts.Register: ("name", TextKind.ACCOUNT_NAME),
    presence.SetProfile: ("nickname", TextKind.PROFILE_NAME),
    groups.MakeGroup: ("name", TextKind.GROUP_NAME),
    groups.RenameGroup: ("name", TextKind.GROUP_NAME),
    governing.SetNickname: ("nickname", TextKind.NICKNAME),
    governing.SetNotice: ("text", TextKind.NOTICE),
    governing.JoinGroup: ("note", TextKind.JOIN_NOTE),
    messages.Send: ("text", TextKind.MESSAGE),
    media.SendMedia: ("caption", TextKind.CAPTION),
    conversation.Edit: ("text", TextKind.EDIT),
    conversation.React: ("emoji", TextKind.REACTION),
    redpack.SendPacket: ("greeting", TextKind.GREETING),
}
"""The field of each command that others will read. A forwarded text is looked up by its handler."""

NOT_SHOWN: Final[dict[type[object], tuple[str, ...]]] = {
    accounts.Hello: ("agent",),
    accounts.Register: ("password", "device"),
    accounts.Login: ("name", "password", "device"),
    accounts.ChangePassword: ("old", "new"),
    accounts.FindPeople: ("names",),
    push.SubscribePush: ("endpoint",),
    operator.Backup: ("name",),
    operator.EnableUser: ("name",),
    operator.ListAccounts: ("part",),
    operator.ResetPassword: ("name", "password"),
    redpack.GrantMoney: ("name",),
    **dict.fromkeys((reports.ReportMessage, reports.ReportPerson), ("reason",)),
    reports.CloseReport: ("note",),
    governing.RevokeInvite: ("code",),
    governing.JoinGroup: ("code",),
    conversation.Search: ("query",),
    face_to_face.EnterCode: ("code",),
}
"""Fields of text that nobody else reads: look-ups, secrets, the names of one's own devices, and what only operators read."""


ASKED_BY_HANDLER: Final = frozenset((redpack.SendPacket,))
"""Their handlers call `check_command`, since a refusal has to undo something."""


async def check_command(request: Request, command: object) -> None:
    """Ask the hook about the text of a command, if it has one. Raises Refusal where the hook objects."""
    shown = TEXTS.get(command.__class__)
    if shown is not None:
        field, kind = shown
        fields = attrs.asdict(cast("attrs.AttrsInstance", command), recurse=False)
        await check_text(request, kind, fields[field], fields.get("group_id", 0), field)


async def check_text(request: Request, kind: TextKind, text: str | None, group_id: int, field: str) -> None:
    """Ask the hook about a text. Raises Refusal where it objects."""
    hook = request.services.hooks.text
    if hook is None or not text:
        return
    caller = request.caller
    context = TextContext(caller.actor.user_id, caller.actor.name, caller.session_id, caller.peer, group_id)
    objection = await hook(kind, text, context)
    if objection is not None:
        raise Refusal("message_refused", objection, field)

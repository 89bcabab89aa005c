"""What each command takes from the rates of its user and address. What is named nowhere is a change."""

from collections.abc import Callable
from typing import Any, Final

from chatsrv.auth.rates import Cost
from chatsrv_protocol import (
    common,
    conversation,
    face_to_face,
    governing,
    groups,
    media,
    messages,
    presence,
    redpack,
    session,
    sync,
)

_FREE: Final[tuple[type[Any], ...]] = (
    common.Ping,
    *(session.Hello, session.Register, session.Login, session.Resume, session.ResumeHere, session.Logout),
    session.ListSessions,
    *(groups.ShowGroup, groups.ListMembers),
    *(sync.ListGroups, sync.History, sync.CatchUp),
    *(redpack.ShowPacket, redpack.ShowBalance, redpack.ShowStatement),
    *(governing.ListBans, governing.ListInvites, governing.ListJoinRequests),
    *(conversation.ListReceipts, conversation.ListReactions, conversation.ListPins, conversation.ListVersions),
    *(face_to_face.EnterCode, face_to_face.ShowLobby),
    *(presence.ListBlocked, presence.WhoIsHere),
    *(media.MediaUrl, media.ListMedia),
)
"""Reads, and what has rules of its own."""

_MESSAGES: Final[tuple[type[Any], ...]] = (
    *(messages.Send, media.SendMedia, conversation.Forward, conversation.React),
    *(sync.MarkRead, redpack.GrabPacket, redpack.OpenPacket),
)
"""What people do as fast as they can read and tap."""

_HINTS: Final[tuple[type[Any], ...]] = (conversation.Delivered, presence.Typing, presence.WatchPresence)

# Everything else is Cost.CHANGE, so that what somebody adds and forgets here is limited, and not free.
COSTS: Final[dict[type[Any], Cost]] = {
    **dict.fromkeys(_FREE, Cost.FREE),
    **dict.fromkeys(_MESSAGES, Cost.MESSAGE),
    **dict.fromkeys(_HINTS, Cost.HINT),
    conversation.Search: Cost.SEARCH,
    **dict.fromkeys((presence.GetProfiles, session.FindPeople), Cost.LOOKUP),
}

PEOPLE_PER_CHANGE: Final = 10
"""People put into a group that count as one change more: 500 of them take some 30 ms of the writer."""


def _of_profiles(command: presence.GetProfiles) -> float:
    return len(command.people)


def _of_names(command: session.FindPeople) -> float:
    return len(command.names)


def _of_members(command: groups.MakeGroup | groups.AddMembers) -> float:
    return 1 + len(command.members) / PEOPLE_PER_CHANGE


AMOUNTS: Final[dict[type[Any], Callable[[Any], float]]] = {
    presence.GetProfiles: _of_profiles,
    session.FindPeople: _of_names,
    groups.MakeGroup: _of_members,
    groups.AddMembers: _of_members,
}
"""How much commands take whose cost depends on what they name; all others take one."""

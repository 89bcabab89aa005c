"""The rates that each command takes from. A command that is named nowhere counts as a change."""

from collections.abc import Callable
from typing import Any, Final

from chatsrv.auth.rates import Cost
from chatsrv_protocol import (
    common,
    conversation,
    face_to_face,
    governing,
    groups,
    invitations,
    media,
    messages,
    presence,
    push,
    redpack,
    session,
    sync,
)

_ONE_ROW: Final = "one row, or a few, found by their key"
_LOGIN: Final = "limits of logins and registrations by user and address, and the handshake's timeout"

UNMETERED_BOUNDS: Final[dict[type[object], str]] = {
    common.Ping: "no storage; 100 in a row, then others have their turn",
    **dict.fromkeys((session.Hello, session.Register, session.Login), _LOGIN),
    **dict.fromkeys((session.Resume, session.ResumeHere, session.Logout), _ONE_ROW),
    session.ListSessions: "100 sessions of a user",
    **dict.fromkeys((groups.ShowGroup, push.ShowPush), _ONE_ROW),
    groups.ListMembers: "a page of 500 rows by key",
    sync.ListGroups: "a page of 200 groups",
    sync.History: "a page of 200 messages and 256 KiB",
    sync.CatchUp: "200 messages and 256 KiB of all ranges together",
    redpack.ShowPacket: "500 shares of a packet",
    redpack.ShowBalance: _ONE_ROW,
    redpack.ShowStatement: "a page of lines by key",
    governing.ListBans: "a page of rows by key",
    governing.ListInvites: "the bound on invites of a group",
    governing.ListJoinRequests: "a page of rows by key",
    invitations.ListInvitations: "100 invitations of a user",
    invitations.ListAddedGroups: "a page of 100 groups",
    conversation.ListReceipts: "a page of 200 rows, and the members of one group, which are bounded",
    conversation.ListReactions: "a page of 200 rows",
    conversation.ListPins: "the bound on pins of a group",
    conversation.ListVersions: "a page of 200 versions and 48 KiB",
    face_to_face.EnterCode: "limits of codes by user and address",
    face_to_face.ShowLobby: "memory only; the people of one lobby",
    presence.ListBlocked: "200 people that a user can block",
    presence.WhoIsHere: "400 names; the rest is counted in memory",
    media.MediaUrl: _ONE_ROW,
    media.ListMedia: "a page of 200 media",
}
"""What bounds the cost of each command that takes from no rate. All of them wait for their turn among the users who
read (storage: fair_queue.py), and a connection has one at work.
"""

_MESSAGES: Final[tuple[type[object], ...]] = (
    *(messages.Send, media.SendMedia, conversation.Forward, conversation.React),
    *(sync.MarkRead, redpack.GrabPacket, redpack.OpenPacket),
)
"""What people do as fast as they can read and tap."""

_HINTS: Final[tuple[type[object], ...]] = (conversation.Delivered, presence.Typing, presence.WatchPresence)

# Everything else is Cost.CHANGE, so that what somebody adds and forgets here is limited, and not free.
COSTS: Final[dict[type[object], Cost]] = {
    **dict.fromkeys(UNMETERED_BOUNDS, Cost.FREE),
    **dict.fromkeys(_MESSAGES, Cost.MESSAGE),
    **dict.fromkeys(_HINTS, Cost.HINT),
    conversation.Search: Cost.SEARCH,
    **dict.fromkeys((presence.GetProfiles, session.FindPeople), Cost.LOOKUP),
}

PEOPLE_PER_CHANGE: Final = 10
"""People put into a group that count as one change more: 500 of them take some 30 ms of the writer."""


WATCHED_PER_HINT: Final = 10
"""People to be watched that count as one hint more: each is looked up in the groups of both."""


def _of_profiles(command: presence.GetProfiles) -> float:
    return len(command.people)


def _of_names(command: session.FindPeople) -> float:
    return len(command.names)


def _of_watched(command: presence.WatchPresence) -> float:
    return 1 + len(command.people) / WATCHED_PER_HINT


def _of_members(command: groups.MakeGroup | groups.AddMembers) -> float:
    return 1 + len(command.members) / PEOPLE_PER_CHANGE


AMOUNTS: Final[dict[type[object], Callable[[Any], float]]] = {
    presence.GetProfiles: _of_profiles,
    session.FindPeople: _of_names,
    presence.WatchPresence: _of_watched,
    groups.MakeGroup: _of_members,
    groups.AddMembers: _of_members,
}
"""How much commands take whose cost depends on what they name; all others take one."""

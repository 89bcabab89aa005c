"""How groups are governed, as events of the wire: rules, roles, mutes, bans, nicknames, notices, requests to join."""

from collections.abc import Callable
from functools import lru_cache

from chatsrv.groups.by_name import by_name
from chatsrv.groups.wire_conversation import head
from chatsrv_domain.groups import Rules
from chatsrv_protocol import governing, groups, invitations
from chatsrv_protocol.session import Person
from chatsrv_storage.groups.models import EventData, EventRecord
from chatsrv_storage.replies import GroupEntry

# Most groups have the same few: 0.7 ms less for a list of 200.
rules_of = lru_cache(1024)(by_name(Rules, groups.GroupRules))
"""The rules of a group, as they are sent."""


entered_of = by_name(GroupEntry, governing.Entered)
"""Where somebody came in, or asked to, as it is answered."""


def _member(data: EventData) -> Person:
    return Person(*data["member"])


GOVERNING: dict[str, Callable[[EventRecord, EventData], object]] = {
    "rules": lambda record, data: governing.RulesChanged(*head(record), groups.GroupRules(**data["rules"])),
    "role": lambda record, data: governing.RoleChanged(*head(record), _member(data), data["role"]),
    "owner": lambda record, data: governing.OwnerChanged(*head(record), _member(data)),
    "dissolved": lambda record, _: governing.GroupDissolved(*head(record)),
    "muted": lambda record, data: governing.MemberMuted(*head(record), _member(data), data["until"]),
    "banned": lambda record, data: governing.UserBanned(*head(record), _member(data), data["until"]),
    "unbanned": lambda record, data: governing.UserUnbanned(*head(record), _member(data)),
    "nickname": lambda record, _: governing.NicknameChanged(*head(record), record.text),
    "noticed": lambda record, _: governing.NoticeChanged(*head(record), record.text),
}
"""Makers of the events of the sequence, by the kind of the row."""


def _requested(group_id: int, user_id: int, name: str, note: str, made_at: int) -> governing.JoinRequested:
    return governing.JoinRequested(group_id, governing.JoinRequest(Person(user_id, name), note, made_at))


def _invited(group_id: int, group: str, user_id: int, name: str, made_at: int) -> invitations.Invited:
    return invitations.Invited(invitations.Invitation(group_id, group, Person(user_id, name), made_at))


PERSONAL: dict[str, Callable[..., object]] = {
    "join_requested": _requested,
    "join_decided": governing.JoinDecided,
    "invited": _invited,
}
"""Makers of what only one user's devices are told."""

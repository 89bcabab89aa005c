"""Replays what the events of groups say about their members, and compares it with the rows; and accounts with the audit log.

The events carry checksums and have no gaps (history.check), so a role that was changed in its row alone stands out.
"""

import json
from collections.abc import Iterator
from typing import Final

from chatsrv_domain.groups import DIRECT, ROLE_ADMIN, ROLE_GONE, ROLE_MEMBER, ROLE_OWNER
from chatsrv_storage.groups.models import EventData
from chatsrv_storage.interface import SqlConnection

_KINDS: Final = ("created", "added", "removed", "banned", "role", "owner", "dissolved", "renamed", "muted")

_CURSORS: Final = (
    (
        "select m.group_id, m.user_id from group_member m join chat_group g on g.id = m.group_id"
        " where max(m.read_seq, m.delivered_seq, m.joined_seq, m.left_seq, m.visible_from) > g.seq",
        "group {}: a cursor of member {} is beyond the group's last event",
    ),
    (
        "select m.group_id, m.user_id from group_member m join chat_group g on g.id = m.group_id"
        " where m.read_ordinal > g.ordinal or m.read_ordinal > m.read_seq"
        " or min(m.read_seq, m.delivered_seq, m.joined_seq, m.left_seq, m.visible_from, m.read_ordinal) < 0"
        " or m.own_above < 0"
        " or m.own_above > g.ordinal - m.read_ordinal and m.role > 0",
        "group {}: a cursor of member {} counts more than there is, or less than nothing",
    ),
    (
        "select s.group_id, s.indexed_seq from search_group s join chat_group g on g.id = s.group_id"
        " where s.indexed_seq > g.seq",
        "group {}: the search index says it holds event {}, which is beyond the last",
    ),
    (
        "select id, group_count from person where group_count <>"
        " (select count(*) from group_member m where m.user_id = person.id and m.role > 0)",
        "account {}: the row says it is in {} groups, and its memberships say another number",
    ),
    (
        "select id, contact_count from person where contact_count <> (select count(*) from group_member m"
        " join chat_group g on g.id = m.group_id and g.kind = 2 where m.user_id = person.id and m.role > 0 and m.added_by > 0)",
        "account {}: the row says it is in {} conversations that others opened, and its memberships say another number",
    ),
)
"""(what finds pairs of numbers, the sentence about such a pair)."""


def check(conn: SqlConnection) -> Iterator[str]:
    """Find roles, names and mutes that are not what the events say, groups without one owner, cursors beyond heads."""
    group_id, state = 0, _Replay(0)
    marks = ", ".join("?" * len(_KINDS))
    for row in conn.execute(
        f"select group_id, kind, sender_id, text, data from message where kind in ({marks}) order by group_id, seq",
        _KINDS,
    ):
        if row[0] != group_id:
            yield from state.compare(conn)
            group_id, state = row[0], _Replay(row[0])
        try:
            state.take(*row[1:])
        except (ValueError, KeyError, TypeError) as error:
            yield f"group {group_id}: an event about its members cannot be read: {error!r}"
    yield from state.compare(conn)
    for query, sentence in _CURSORS:
        for pair in conn.execute(query):
            yield sentence.format(*pair)


class _Replay:
    """What the events of one group come to."""

    def __init__(self, group_id: int) -> None:
        self.group_id = group_id
        self.name = ""
        self.roles: dict[int, int] = {}
        self.muted: dict[int, int] = {}

    def take(self, kind: str, sender_id: int, text: str, data: str | None) -> None:
        """Take the next event."""
        said: EventData = {} if data is None else json.loads(data)
        if kind in ("created", "renamed"):
            self.name = text
        if kind == "created":
            self.roles[sender_id] = ROLE_OWNER
        if kind in ("created", "added"):
            self.roles |= dict.fromkeys((user_id for user_id, _ in said["members"]), ROLE_MEMBER)
        elif kind in ("removed", "banned"):
            if said["member"][0] in self.roles:
                self.roles[said["member"][0]] = ROLE_GONE
        elif kind == "role":
            self.roles[said["member"][0]] = said["role"]
        elif kind == "owner":
            before = [user_id for user_id, role in self.roles.items() if role == ROLE_OWNER]
            self.roles |= dict.fromkeys(before, ROLE_ADMIN) | {said["member"][0]: ROLE_OWNER}
            self.muted[said["member"][0]] = 0
        elif kind == "muted":
            self.muted[said["member"][0]] = said["until"]
        elif kind == "dissolved":
            self.roles = dict.fromkeys(self.roles, ROLE_GONE)

    def compare(self, conn: SqlConnection) -> Iterator[str]:
        """Say where the rows differ."""
        row = conn.execute(
            "select name, kind, members, dissolved_at from chat_group where id = ?", (self.group_id,)
        ).fetchone()
        if row is None:
            return  # history.check says so; and nothing was replayed before the first group
        name, kind, members, dissolved_at = row
        if name != self.name:
            yield f"group {self.group_id}: its events give it another name than its row"
        if kind == DIRECT:
            self.roles = {user_id: min(role, ROLE_MEMBER) for user_id, role in self.roles.items()}
        stored = conn.execute(
            "select user_id, role, muted_until from group_member where group_id = ?", (self.group_id,)
        )
        found = {user_id: (role, muted) for user_id, role, muted in stored}
        for user_id in sorted(found.keys() | self.roles.keys()):
            role, muted = found.get(user_id, (ROLE_GONE, 0))
            said = self.roles.get(user_id, ROLE_GONE)
            if role != said:
                yield f"group {self.group_id}: member {user_id} has the role {role}, and the group's events say {said}"
            if muted != self.muted.get(user_id, 0):
                yield f"group {self.group_id}: member {user_id} is muted otherwise than the group's events say"
        owners = sum(role == ROLE_OWNER for role, _ in found.values())
        if owners != (1 if kind != DIRECT and members and not dissolved_at else 0):
            yield f"group {self.group_id}: it has {owners} owners"


def check_accounts(conn: SqlConnection) -> Iterator[str]:
    """Find operators and disabled accounts that the audit log does not explain, and what it says that is not so."""
    said: dict[str, dict[str, bool]] = {"operator": {}, "disabled": {}}
    actions = {
        "operator_add": ("operator", True),
        "operator_remove": ("operator", False),
        "user_disable": ("disabled", True),
        "user_enable": ("disabled", False),
    }
    for action, subject in conn.execute("select action, subject from audit order by id"):
        if action in actions:
            flag, value = actions[action]
            said[flag][subject] = value
    for name, operator, disabled in conn.execute("select name, operator, disabled from person"):
        for flag, stored in (("operator", bool(operator)), ("disabled", bool(disabled))):
            value = said[flag].pop(name, False)
            if stored and not value:
                yield f"account '{name}': its row says {flag}, and the audit log does not"
            elif value and not stored:
                yield f"account '{name}': the audit log says {flag}, and its row does not"
    for flag, names in said.items():
        for name, value in names.items():
            if value:
                yield f"account '{name}': the audit log says {flag}, and there is no such account"

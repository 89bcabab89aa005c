"""One batch of commands to one group, as one job: rights, idempotency, sequence numbers and rows, in one place.

A group's channel is the only one to run turns for it, and it runs one at a time; so the head of the sequence lives in
the turn while it lasts and is written once at its end. Every command answers alone: an `Accepted` with its effects, or
a Refusal, which leaves nothing behind. A turn that is rolled back as a whole has changed nothing outside the database.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, Generic, Never, Protocol, TypeAlias, cast

import attrs

from chatsrv_domain.groups import DIRECT, ROLE_ADMIN
from chatsrv_storage.accounts.profiles import require_pair_can_talk
from chatsrv_storage.engine.bulk_sql import execute_rows
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups.group_state import (
    GroupState,
    MemberState,
    group_state,
    member_state,
    member_states,
    own_messages_above,
    view,
)
from chatsrv_storage.groups.models import (
    Actor,
    CursorMoved,
    Effect,
    EventData,
    EventRecord,
    MemberJoined,
    MemberLeft,
    MembershipLimits,
    VariedRecord,
    dump,
    message_checksum,
)
from chatsrv_storage.groups.permissions import Operation, allow
from chatsrv_storage.groups.unit_of_work import COUNT_OWN, UnitOfWork
from chatsrv_storage.idempotency import Once
from chatsrv_storage.interface import SqlConnection
from chatsrv_storage.replies import R_co, Reply, StoredMessage

DEFAULT_LIMITS: Final = MembershipLimits()


@attrs.frozen(slots=True)
class Script(Generic[R_co]):
    """A transaction script: `run` reads, checks, writes through the turn, and answers a `reply`. Raises Refusal."""

    reply: type[R_co]
    run: Callable[["GroupTransaction", Actor], R_co]


@attrs.frozen(slots=True)
class Command(Generic[R_co]):
    """A change of the group other than a plain message."""

    actor: Actor
    once: Once | None
    script: Script[R_co]


AnyCommand: TypeAlias = Command[Reply]


class Batched(Protocol):
    """A command of which many come at once, so that a run of its kind is worth a path of its own."""

    @property
    def actor(self) -> Actor:
        """Who gave it."""
        ...

    @staticmethod
    def run_all(turn: "GroupTransaction", commands: Sequence[Never], /) -> "list[Outcome]":
        """Return the outcomes of a run of commands of this class, in order. A refused one writes nothing."""
        ...


@attrs.define(slots=True)
class Post:
    """A plain message. Nobody changes it (frozen, it and Accepted would take several times as long to make)."""

    actor: Actor
    once: Once
    text: str


GroupCommand: TypeAlias = AnyCommand | Post | Batched
"""Whatever changes a group."""


@attrs.define(slots=True)
class Accepted(Generic[R_co]):
    """The command took effect, now or (a retry: without effects) before."""

    reply: R_co
    effects: tuple[Effect, ...] = ()


Outcome: TypeAlias = Accepted[Reply] | Refusal


def accepted_twice(first: Outcome) -> Outcome:
    """Return what a retry in the same batch gets: the same answer, and no second effect."""
    return Accepted(first.reply) if isinstance(first, Accepted) else first


class GroupTransaction:
    """What a script works with: the connection, the group's state, the time, and `append`.

    With `shared`, whoever made it has preloaded what the commands ask for, and writes what they leave: then all of them
    are posts.
    """

    __slots__ = (
        "_effects", "_last_id", "_members", "_shared", "_work", "conn", "gate", "group", "group_id", "ids", "limits", "now_ms"
    )  # fmt: skip

    def __init__(
        self,
        conn: SqlConnection,
        group_id: int,
        now_ms: int,
        ids: Snowflake,
        shared: UnitOfWork | None = None,
        limits: MembershipLimits = DEFAULT_LIMITS,
    ) -> None:
        self.conn = conn
        self.group_id = group_id
        self.now_ms = now_ms
        self.ids = ids
        self.limits = limits
        self._effects: list[Effect] = []
        self._last_id = 0
        self._shared = shared is not None
        self._work = UnitOfWork(conn) if shared is None else shared
        self.gate: Final = self._work.gate
        """What commands with a client id pass."""
        self._members = self._work.members.setdefault(group_id, {})
        self.group = group_state(conn, group_id) if shared is None else shared.groups[group_id]

    def member(self, user_id: int) -> MemberState | None:
        """Return the row of somebody who is in the group now; None for anybody else."""
        if user_id not in self._members:
            self._members[user_id] = member_state(self.conn, self.group_id, user_id)
        return self._members[user_id]

    def preload_members(self, user_ids: Sequence[int]) -> None:
        """Read the rows of these users in one statement, for `member` to answer."""
        unknown = [user_id for user_id in dict.fromkeys(user_ids) if user_id not in self._members]
        self._members |= member_states(self.conn, self.group_id, unknown)

    def invalidate_member(self, user_id: int) -> None:
        """Forget the row of this user, which was changed: it is read again when asked for."""
        self._members.pop(user_id, None)

    def require(self, actor: Actor, operation: Operation = Operation.READ) -> tuple[GroupState, MemberState]:
        """Return the group and the actor's row in it, if they may do this. Raises Refusal."""
        group, member = allow(operation, self.group, self.member(actor.user_id), self.now_ms)
        if group.kind == DIRECT and operation.value.mutual:
            require_pair_can_talk(self.conn, self.group_id)
        return group, member

    def require_over(self, actor: Actor, operation: Operation, user_id: int) -> tuple[GroupState, MemberState]:
        """Require it for what is done to a member; return the group and that member. Raises Refusal."""
        target = self.member(user_id)
        group, _ = allow(operation, self.group, self.member(actor.user_id), self.now_ms, target)
        if target is None:
            raise Refusal("not_member", "this person is not in the group", "user_id")
        return group, target

    def append(
        self, actor: Actor, kind: str, text: str = "", data: EventData | None = None, *, counts: bool = False
    ) -> EventRecord:
        """Write the next event of the sequence. `counts`: a person would count it as something to read."""
        record = self.next_record(actor, kind, text, data, counts=counts)
        self.insert((record,))
        self._effects.append(record)
        return record

    def next_record(
        self, actor: Actor, kind: str, text: str = "", data: EventData | None = None, *, counts: bool = False
    ) -> EventRecord:
        """Return the next event of the sequence, for a run that writes all of its own together by `insert`."""
        group = self.group
        assert group is not None, "a group has to be made before it has events"
        # First: an id that is refused must not leave a gap in the sequence.
        record_id = self._last_id = self.ids.next(self.now_ms)
        if counts and group.rules.slow_mode:
            self._note_sent(actor.user_id)
        group.seq += 1
        if counts:
            group.ordinal += 1
            group.last_seq = group.seq
        return EventRecord(
            self.group_id, group.seq, record_id, group.ordinal,
            actor.user_id, actor.name, self.now_ms, kind, text, data,
        )  # fmt: skip

    def _note_sent(self, user_id: int) -> None:
        """Remember when this member spoke: only groups in slow mode pay for the statement."""
        member = self.member(user_id)
        if member is not None and member.role < ROLE_ADMIN:
            member.sent_at = self.now_ms
            self.conn.execute(
                "update group_member set sent_at = ? where group_id = ? and user_id = ?",
                (self.now_ms, self.group_id, user_id),
            )

    def insert(self, records: Sequence[EventRecord]) -> None:
        """Write rows of the sequence."""
        execute_rows(self.conn, "insert into message", [row_of(record) for record in records])

    def add_effect(self, effect: Effect) -> None:
        """Let somebody learn of this, in its place among the effects of the command."""
        self._effects.append(effect)

    def replace_effect(self, record: EventRecord, shown: EventRecord | VariedRecord) -> None:
        """Show the audience `shown` where `record`, as it is stored, only points to something."""
        self._effects[self._effects.index(record)] = shown

    def count_own_message(self, user_id: int) -> None:
        """Count what somebody said: it is not unread for them, and their cursor stays where it is."""
        member = self.member(user_id)
        if member is not None:
            member.own_above += 1
            self.conn.execute(COUNT_OWN, (member.own_above, self.group_id, user_id))

    def joined(self, user_id: int, name: str | None = None) -> None:
        """Let this user into the group (as they call it) from here on: bump their version, and tell their devices."""
        version = self.bump_version(user_id)
        self.invalidate_member(user_id)
        group, member = self.group, self.member(user_id)
        assert group is not None
        assert member is not None
        self._effects.append(MemberJoined(user_id, view(self.group_id, group, member, name or group.name), version))

    def add_member_left(self, user_id: int, seq: int, reason: int) -> None:
        """Put this user out from here on; `seq` is that of the event that says so."""
        version = self.bump_version(user_id)
        self.invalidate_member(user_id)
        self._effects.append(MemberLeft(user_id, self.group_id, seq, version, reason))

    def bump_version(self, user_id: int) -> int:
        """Count a change of the user's list of groups; answers their version."""
        (version,) = self.conn.execute(
            "update person set version = version + 1 where id = ? returning version", (user_id,)
        ).fetchone()
        self.conn.execute(
            "update group_member set version = ? where group_id = ? and user_id = ?", (version, self.group_id, user_id)
        )
        return version

    def move_cursor(self, user_id: int, seq: int, ordinal: int) -> None:
        """Move a cursor forwards and tell the user's devices; backwards is nothing."""
        member, group = self.member(user_id), self.group
        if member is None or group is None or seq <= member.read_seq:
            return
        member.own_above = own_messages_above(self.conn, self.group_id, user_id, member, seq, group.seq)
        member.read_seq, member.read_ordinal = seq, ordinal
        self.conn.execute(_MOVE_CURSOR, (seq, ordinal, member.own_above, self.group_id, user_id))
        self._effects.append(CursorMoved(user_id, self.group_id, seq, ordinal, member.own_above, group.seq))

    def run(self, commands: Sequence[GroupCommand]) -> list[Outcome]:
        """Return the outcome of each command, in order; the head of the sequence is written at the end."""
        before = (self.group.seq, self.group.ordinal) if self.group is not None else None
        outcomes: list[Outcome] = []
        for kind, run in groupby(commands, key=type):
            if issubclass(kind, Post):
                posts = [post for post in run if isinstance(post, Post)]
                if not self._shared:
                    self._work.preload([(self.group_id, post.once) for post in posts])
                outcomes.extend(map(self._post, posts))
                continue
            self._work.write()  # others may read what was posted
            if issubclass(kind, Command):
                outcomes.extend(self._one(command) for command in run if isinstance(command, Command))
            else:
                outcomes.extend(cast("type[Batched]", kind).run_all(self, cast("Sequence[Never]", list(run))))
        group = self.group
        if group is not None and (group.seq, group.ordinal) != before:
            self._work.heads.append((group.seq, group.ordinal, group.last_seq, self._last_id, self.group_id))
        if not self._shared:
            self._work.write()
        return outcomes

    def _one(self, command: AnyCommand) -> Outcome:
        """Return one script in a savepoint of its own: a refusal takes back what it wrote, and the state it changed."""
        group = None if self.group is None else attrs.evolve(self.group)
        self._effects = []
        self.conn.execute("savepoint command")
        try:
            script, once = command.script, command.once
            if once is None:
                reply = script.run(self, command.actor)
            else:
                reply = self.gate.run(once, self.now_ms, script.reply, lambda: script.run(self, command.actor))
        except Refusal as refusal:
            self.conn.execute("rollback to command")
            self.conn.execute("release command")
            self.group = group
            self._members.clear()
            return refusal
        self.conn.execute("release command")
        return Accepted(reply, tuple(self._effects))

    def _post(self, post: Post) -> Outcome:
        """Return one message, not yet written."""
        once, work = post.once, self._work
        try:
            # First of all: a retry gets its answer though one is muted since, or out of the group.
            earlier = work.gate.earlier(once, self.now_ms, StoredMessage)
            if earlier is not None:
                return Accepted(earlier)
            _, member = self.require(post.actor, Operation.SPEAK)
            if not post.text or post.text.isspace():
                raise Refusal("text_empty", "a message needs some text", "text")
            record = self.next_record(post.actor, "text", post.text, counts=True)
        except Refusal as refusal:
            return refusal
        work.gate.keep_encoded(
            once, f"[{self.group_id},{record.seq},{record.id},{record.ordinal},{record.sent_at}]"
        )  # fmt: skip
        work.messages.append(row_of(record))
        member.own_above += 1
        work.own_above[self.group_id, record.sender_id] = member.own_above
        return Accepted(stored_message(record), (record,))


_MOVE_CURSOR: Final = (
    "update group_member set read_seq = ?, read_ordinal = ?, own_above = ? where group_id = ? and user_id = ?"
)


def stored_message(record: EventRecord) -> StoredMessage:
    """Return what the sender of a message is answered."""
    return StoredMessage(record.group_id, record.seq, record.id, record.ordinal, record.sent_at)


def row_of(record: EventRecord, data: str | None = None) -> tuple[object, ...]:
    """Return a record as the message table holds it; `data` is the record's, dumped, where the caller has it."""
    if data is None and record.data is not None:
        data = dump(record.data)
    return (
        record.group_id, record.seq, record.id, record.ordinal, record.sender_id, record.sent_at, record.kind, record.text, data,
        message_checksum(
            record.group_id, record.seq, record.id, record.sender_id, record.kind, record.text, data, record.sent_at
        ),
    )  # fmt: skip

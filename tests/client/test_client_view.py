"""Whatever way a device went, it ends with the same view: live, in pages, backwards, twice, late."""

from hypothesis import given, settings
from hypothesis import strategies as st
from support.conversation_kit import Storage

from chatsrv.client.following.view import GroupView, Unread, unread_label, unread_of
from chatsrv.groups.wire import group_of
from chatsrv_protocol.groups import Group
from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import group_list
from chatsrv_storage.messages import edits, history, reactions_pins, search

LATE = 10**9
SAID = 2**40

OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["post", "say", "say", "edit", "edit", "recall", "react", "pin", "read", "index", "fetch"]),
        st.integers(0, 2),
        st.integers(1, 12),
        st.integers(0, 5),
    ),
    min_size=4,
    max_size=40,
)


class World:
    """Three people in a group, and the devices of one of them."""

    def __init__(self):
        self.storage = Storage()
        self.people = [self.storage.person(name) for name in ("ann", "bo", "cy")]
        self.live = GroupView(self.people[1].user_id)
        self.lossy = GroupView(self.people[1].user_id)
        self.events = []
        self.recalled_words, self.words = [], {}
        self.storage.told = self.tell
        self.storage.told_one = self.tell_one
        self.group_id = self.storage.group(*self.people)

    def tell(self, _group_id, event):
        self.events.append(event)
        self.live.apply(event)
        if event.seq % 3:  # this device misses every third event, and fetches now and then
            self.lossy.apply(event)

    def tell_one(self, user_id, event):
        if user_id == self.people[1].user_id:
            self.live.apply(event)
            self.lossy.apply(event)

    def word(self, of):
        """Words that stand nowhere else; kept with the message they were given to."""
        made = f"zq{len(self.words):04}xv"
        self.words[made] = of
        return made

    def do(self, what, who, of, more):
        storage, group_id, actor = self.storage, self.group_id, self.people[who]
        storage.now_ms += 1
        head = storage.conn.execute("select seq from chat_group where id = ?", (group_id,)).fetchone()[0]
        match what:
            case "post":
                storage.post(group_id, actor, f"hello {self.word(head + 1)} 红包")
            case "say":
                people = [self.people[more % 3].user_id]
                text = f"so {self.word(head + 1)}"
                script = edits.say(text, of if more else 0, people, mention_all=False)
                storage.run(group_id, actor, script)
            case "edit":
                mentions = [self.people[more % 3].user_id] if more % 2 else None
                storage.run(group_id, actor, edits.edit(of, f"better {self.word(of)}", LATE, mentions))
            case "recall":
                storage.run(group_id, actor, edits.recall(of, LATE))
                self.recalled_words += [word for word, seq in self.words.items() if seq == of]
            case "react":
                storage.run(group_id, actor, reactions_pins.react(of, "🧧👍🎉"[more % 3], on=more < 4))
            case "pin":
                storage.run(group_id, self.people[0], reactions_pins.pin(of, on=more < 4))
            case "read":
                storage.run(group_id, actor, history.mark_read(of))
            case "index":
                storage.index()
            case _:
                for event in storage.page(group_id, self.people[1], of, of + more + 1):
                    self.lossy.apply(event)

    def listed(self):
        views, _, _ = group_list.listed(self.storage.conn, self.people[1].user_id, 0, 0, 10)
        return group_of(views[0])


@settings(max_examples=60, deadline=None)
@given(operations=OPERATIONS, order=st.randoms(use_true_random=False), size=st.integers(1, 7))
def test_all_devices_converge(operations, order, size):
    world = World()
    storage, bo = world.storage, world.people[1]
    for operation in operations:
        try:
            world.do(*operation)
        except Refusal as refused:
            if refused.code not in ("message_unknown", "forbidden", "too_many"):
                raise
            if operation[0] in ("say", "edit"):
                del world.words[list(world.words)[-1]]
    listed = world.listed()
    # One device fetches everything now, page by page, in any order and some pages twice.
    late = GroupView(bo.user_id)
    starts = list(range(0, listed.seq, size))
    order.shuffle(starts)
    for start in starts + starts[:2]:
        for event in storage.page(world.group_id, bo, start, start + size + 1):
            late.apply(event)
    # The lossy one fetches what it lacks; a fourth takes the live events backwards.
    for event in storage.page(world.group_id, bo, 0):
        if event.seq % 3 == 0:
            world.lossy.apply(event)
    backwards = GroupView(bo.user_id)
    for event in reversed(world.events):
        backwards.apply(event)
    for view in (world.live, late, world.lossy, backwards):
        view.apply(listed)
        assert view.messages() == world.live.messages()
        assert (
            view.pins()
            == world.live.pins()
            == [row.of for row in reactions_pins.pins(storage.conn, bo.user_id, world.group_id)]
        )
        assert view.unread == world.live.unread == naive_unread(world)
        assert (view.seq, view.read_seq) == (listed.seq, listed.read_seq)
    for shown in late.messages():
        if not shown.recalled:
            rows = reactions_pins.reactions(storage.conn, bo.user_id, world.group_id, shown.seq, 0, 100)
            assert {(row.user_id, row.emoji) for row in rows} == {
                (one, emoji) for emoji, ids in shown.reactions for one in ids
            }
    check_search_and_traces(world, late)
    assert list(history.check(storage.conn)) == []


def naive_unread(world):
    read_seq = world.listed().read_seq
    kinds = [
        row[0]
        for row in world.storage.conn.execute(
            "select kind from message where group_id = ? and seq > ? and sender_id <> ?",
            (world.group_id, read_seq, world.people[1].user_id),
        )
    ]
    assert world.listed().mentions == len(
        world.storage.conn.execute(
            "select 1 from mention where user_id = ? and seq > ?", (world.people[1].user_id, read_seq)
        ).fetchall()
    )
    return kinds.count("text")


def check_search_and_traces(world, view):
    storage, bo = world.storage, world.people[1]
    storage.index()
    for word, seq in world.words.items():
        found, more = search.find(storage.conn, bo.user_id, word, 0, 2**62, 10, 1 << 20)
        shown = view.message(seq)
        assert [record.seq for record in found] == ([seq] if word in shown.text else [])
        assert not more
    while search.purge(storage.conn):
        pass
    for word in world.recalled_words:
        assert storage.traces(word) == [], "a recall leaves nothing of the text"


def test_over_99_is_99_plus():
    assert [unread_label(count) for count in (0, 1, 99, 100, 10**6)] == ["", "1", "99", "99+", "99+"]


def test_quiet_groups_are_counted_apart():
    def group(unread, mentions, quiet, role=1):
        return Group(1, "g", role, 2, 9, 10 + unread, 1, 10, 0, True, mentions=mentions, quiet=quiet)

    groups = [group(3, 1, False), group(150, 2, True), group(7, 0, False, role=0)]
    assert unread_of(groups) == Unread(messages=3, quiet=150, mentions=3)


def test_what_is_forgotten_is_gone():
    view = GroupView(1)
    world = World()
    for seq in (2, 3, 4):
        assert world.storage.post(world.group_id, world.people[0], f"m{seq}") == seq
    for event in world.storage.page(world.group_id, world.people[1], 0):
        view.apply(event)
    view.forget(4)
    assert [shown.seq for shown in view.messages()] == [4]
    assert view.seq == 4

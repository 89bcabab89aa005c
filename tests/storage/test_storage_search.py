"""The search index: what it finds, how far it came, and that what was taken back leaves it."""

import random
import re
import unicodedata

import pytest
from support.conversation_kit import Storage

from chatsrv_storage.errors import Refusal
from chatsrv_storage.groups import lifecycle
from chatsrv_storage.messages import edits, search, search_fts5, search_words

ALL = 2**62


def expression(query: str) -> str:
    return search_fts5.expression(search_words.phrases_of(query))


def texts(storage, actor, query, group_id=0, before=ALL, limit=20, max_bytes=1 << 20):
    records, _ = search.find(storage.conn, actor.user_id, query, group_id, before, limit, max_bytes)
    return [record.text for record in records]


def test_any_part_of_a_chinese_sentence_is_found():
    storage = Storage()
    ann = storage.person("ann")
    home = storage.group(ann)
    for text in ("今天发红包吗", "红的包", "カタカナです", "한국어 문장", "ｈａｌｆ mixed红包text"):
        storage.post(home, ann, text)
    storage.index()
    assert texts(storage, ann, "红包") == ["ｈａｌｆ mixed红包text", "今天发红包吗"]
    assert texts(storage, ann, "天发红") == ["今天发红包吗"]
    assert texts(storage, ann, "タカ") == ["カタカナです"]
    assert texts(storage, ann, "국어") == ["한국어 문장"]
    assert texts(storage, ann, "mixed红包") == ["ｈａｌｆ mixed红包text"]
    assert texts(storage, ann, "包红") == []


@pytest.mark.parametrize("typed", ["한국어 문장", "ガラスのパン", "Ελλάς ώρα", "Việt Nam", "ﬁne ｈａｌｆ", "ｶﾞﾗｽ"])
@pytest.mark.parametrize("stored_form", ["NFC", "NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize("asked_form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_text_is_found_in_every_normalization_form(typed, stored_form, asked_form):
    storage = Storage()
    ann = storage.person("ann")
    home = storage.group(ann)
    stored = unicodedata.normalize(stored_form, typed)
    storage.post(home, ann, stored)
    storage.index()
    assert texts(storage, ann, unicodedata.normalize(asked_form, typed)) == [stored]
    if "\u3000" < typed[0] < "\uf900":  # written without spaces: a part is enough
        assert texts(storage, ann, unicodedata.normalize(asked_form, typed[:2])) == [stored]


@pytest.mark.parametrize(
    ("text", "part"),
    [("วันนี้ไปตลาด", "ตลาด"), ("ມື້ນີ້ໄປຕະຫຼາດ", "ຕະຫຼາດ"), ("ថ្ងៃនេះទៅផ្សារ", "ផ្សារ"), ("ဒီနေ့ဈေးသွားမယ်", "ဈေး")],
)
def test_a_part_of_a_sentence_without_spaces_is_found(text, part):
    storage = Storage()
    ann = storage.person("ann")
    home = storage.group(ann)
    storage.post(home, ann, text)
    storage.post(home, ann, "other words")
    storage.index()
    assert texts(storage, ann, part) == [text]


def test_a_compatibility_character_of_several_words_is_several_words():
    assert expression("a\u00a0b") == '"a" "b"'
    assert expression("\ufdfa").count('"') == 8


def test_the_index_comes_on_in_steps_and_says_how_far():
    storage = Storage()
    ann = storage.person("ann")
    one, two = storage.group(ann), storage.group(ann)
    for place in range(5):
        storage.post(one, ann, f"word {place}")
        storage.post(two, ann, f"word {place}")
    left = search.behind(storage.conn)
    assert sorted(left) == [one, two]
    seen = []
    while left:
        storage.conn.execute("begin")
        left = search.index(storage.conn, left, 4)
        storage.conn.execute("commit")
        seen.append(len(texts(storage, ann, "word", limit=50)))
        assert set(search.behind(storage.conn)) <= set(left)
    assert seen == sorted(seen)
    assert seen[-1] == 10
    # A step that is rolled back, as in a crash, is done again.
    storage.post(one, ann, "word last")
    storage.conn.execute("begin")
    search.index(storage.conn, [one], 4)
    storage.conn.execute("rollback")
    assert search.behind(storage.conn) == [one]
    storage.index()
    assert texts(storage, ann, "last") == ["word last"]


class CountingConnection:
    """Counts the statements of a job."""

    def __init__(self, conn):
        self._conn = conn
        self.statements = 0

    def execute(self, sql, params=(), /):
        self.statements += 1
        return self._conn.execute(sql, params)

    def executemany(self, sql, rows, /):
        self.statements += 1
        return self._conn.executemany(sql, rows)


def test_a_job_takes_as_many_statements_for_fifty_groups_as_for_one():
    storage = Storage()
    ann = storage.person("ann")
    homes = [storage.group(ann) for _ in range(50)]
    counts = []
    for some in (homes[:1], homes[1:]):
        for home in some:
            storage.post(home, ann, "a word")
        conn = CountingConnection(storage.conn)
        assert search.index(conn, some, 1000) == []
        counts.append(conn.statements)
    assert len(texts(storage, ann, "word", limit=100)) == 50
    # Many rows are cut into pieces of powers of two: 49 are three.
    assert counts[0] <= 6, counts
    assert counts[1] <= 3 * counts[0], counts


def test_pages_go_on_where_the_last_one_ended():
    storage = Storage()
    ann = storage.person("ann")
    homes = [storage.group(ann) for _ in range(3)]
    for place in range(30):
        storage.now_ms += 1
        storage.post(homes[place % 3], ann, f"word {place}")
    storage.index()
    found, before = [], ALL
    while True:
        records, more = search.find(storage.conn, ann.user_id, "word", 0, before, 7, 1 << 20)
        found += [record.text for record in records]
        if not more:
            break
        before = records[-1].id
    assert found == [f"word {place}" for place in reversed(range(30))]
    assert len(texts(storage, ann, "word", max_bytes=500)) == 3


@pytest.mark.parametrize("few", [0, 2000])
@pytest.mark.parametrize("seed", range(5))
def test_the_latest_of_many_groups_come_first_whatever_way_they_are_found(monkeypatch, seed, few):
    """Groups that fell silent long ago, groups where the word is rare, newcomers, and windows that end within them."""
    monkeypatch.setattr(search_fts5, "SMALL_BATCH_ROWS", few)
    monkeypatch.setattr(search_fts5, "WINDOW", 4)
    dice = random.Random(seed)
    storage = Storage()
    ann, bo = storage.person("ann"), storage.person("bo")
    homes = [storage.group(bo, history=False) for _ in range(8)]
    said = []
    for place in range(300):
        storage.now_ms += 1
        group = dice.randrange(8)
        if place % 20 == 0 and place < 140:  # the last group she never joins
            storage.run(homes[place // 20], bo, lifecycle.add([ann.user_id]))
        if dice.random() < 0.7 and place < 60 * (group + 1):
            text = f"word {place}" if dice.random() < 0.5 / (group + 1) else f"other {place}"
            storage.post(homes[group], bo, text)
            said.append(storage.page(homes[group], bo, 0)[-1])
    storage.index()
    visible = {event.id for home in homes[:7] for event in storage.page(home, ann, 0)}
    expected = [event.text for event in reversed(said) if event.text.startswith("word") and event.id in visible]
    found, before = [], ALL
    while True:
        records, more = search.find(storage.conn, ann.user_id, "word", 0, before, 3, 1 << 20)
        found += [record.text for record in records]
        if not more:
            break
        before = records[-1].id
    assert found == expected
    assert len(found) > 5


def test_membership_and_what_one_may_read_bound_the_search():
    storage = Storage()
    ann, bo, cy = (storage.person(name) for name in ("ann", "bo", "cy"))
    home = storage.group(ann, bo, history=False)
    storage.post(home, ann, "old news")
    storage.run(home, ann, lifecycle.add([cy.user_id]))
    storage.post(home, ann, "new news")
    storage.index()
    assert texts(storage, bo, "news") == ["new news", "old news"]
    assert texts(storage, cy, "news") == ["new news"]
    storage.run(home, ann, lifecycle.remove(bo.user_id))
    assert texts(storage, bo, "news") == []
    with pytest.raises(Refusal, match="no such group"):
        texts(storage, bo, "news", home)


def test_what_is_taken_back_leaves_the_index_for_good():
    storage = Storage()
    ann = storage.person("ann")
    home = storage.group(ann)
    for word in ("quixotic", "wombat"):
        storage.post(home, ann, word)
        storage.index()
    storage.run(home, ann, edits.recall(2, 10**9))
    storage.run(home, ann, edits.edit(3, "yak", 10**9))
    assert [texts(storage, ann, word) for word in ("quixotic", "wombat", "yak")] == [[], [], ["yak"]]
    assert set(storage.traces("quixotic")) == {"search_data"}, "FTS5 only marks what is deleted: the scan must see it"
    steps = 0
    while search.purge(storage.conn):
        steps += 1
    assert steps < 10
    assert storage.traces("quixotic") == []
    assert set(storage.traces("wombat")) == {"message_edit"}, "the group keeps edits, for its admins"
    assert texts(storage, ann, "yak") == ["yak"]
    assert not search.purge(storage.conn), "nothing is left to do"
    storage.conn.execute("insert into search (search) values ('integrity-check')")


@pytest.mark.parametrize("query", ["", "   ", "!?", "\x00", "“”", '"'])
def test_a_query_needs_something_to_look_for(query):
    with pytest.raises(Refusal) as refused:
        expression(query)
    assert refused.value.code == "query_empty"


def test_a_query_is_words_and_nothing_else():
    assert expression('a"b OR c') == '"a b" "OR" "c"'
    assert expression("红包 x") == '" 红  包 " "x"'
    assert expression("a " * 40).count('"a"') == search_words.MAX_WORDS


@pytest.mark.parametrize("sign", ["", "-", "_", " "])
def test_a_query_has_a_bounded_number_of_parts(sign):
    asked = re.findall(r"[a一]", expression(sign.join("一" * 500)))
    assert len(asked) <= search_words.MAX_PARTS
    for phrase in expression(sign.join("一" * 500)).split('" "'):
        assert len(re.findall("一", phrase)) <= search_words.MAX_PHRASE_PARTS
    assert len(re.findall("a", expression(sign.join("a" * 20).replace("aa", "a")))) <= search_words.MAX_PARTS

"""Accounts, sessions and the audit log: what makes names equal, what ends sessions, what leaves a trace."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsrv_names import name_key
from chatsrv_redpack import grant
from chatsrv_storage.accounts import accounts, audit_log, login_addresses, sessions
from chatsrv_storage.engine import id_reservation
from chatsrv_storage.engine.snowflake import Snowflake
from chatsrv_storage.errors import Refusal
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.money import ledger

DAY = 86_400_000
NOW = 1_790_000_000_000


def register(conn: SqlConnection, *names: str) -> None:
    for number, name in enumerate(names, 1):
        accounts.register(conn, number, name, f"hash of {name}", 0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann", "ANN"), ("straße", "STRASSE"), ("ｂｏｂ", "bob"), ("ﬁn", "fin"), ("é", "e\u0301"), ("Å", "\u212b"),
        ("ΐ", "Ϊ́"), ("a\u200db", "ab"), ("a\ufe0f", "a"), ("x\U000e0041", "x"),
    ],
)  # fmt: skip
def test_names_that_are_the_same(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), [("ann", "anna"), ("a_b", "ab"), ("ı", "i"), ("é", "e"), ("0", "o")])
def test_names_that_are_not(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


def test_every_character_has_one_key_whatever_its_case_and_form() -> None:
    for code in (*range(0x20000), *range(0xE0000, 0xE1000)):  # beyond are ideographs and what is private or unassigned
        if 0xD800 <= code < 0xE000:
            continue
        character = chr(code)
        key = name_key(character)
        assert name_key(key) == key, hex(code)
        if code != 0x131:  # dotless i: its capital is the capital of i, which Unicode does not undo
            assert name_key(character.upper()) == key, hex(code)
        assert name_key(unicodedata.normalize("NFD", character)) == key, hex(code)


@given(st.text(max_size=32))
@settings(max_examples=40)
def test_a_key_is_its_own_key(name: str) -> None:
    assert name_key(name_key(name)) == name_key(name)


async def test_finding_people(storage: Storage) -> None:
    await storage.write(lambda conn: register(conn, "Ann", "bob"))

    def look(conn: SqlConnection) -> None:
        ann = accounts.by_name(conn, "ANN")
        assert ann is not None
        assert (ann.user_id, ann.name, ann.version, ann.operator, ann.disabled) == (1, "Ann", 0, False, False)
        assert accounts.by_id(conn, 2) == accounts.by_name(conn, "bob")
        assert accounts.by_id(conn, 3) is accounts.by_name(conn, "carl") is None
        assert accounts.find(conn, ["bob", "nobody", "ann"]) == [(2, "bob"), (1, "Ann")]
        assert accounts.names_of(conn, [2, 9, 1]) == {1: "Ann", 2: "bob"}

    await storage.read(look)


async def test_a_name_is_taken_once(storage: Storage) -> None:
    await storage.write(lambda conn: register(conn, "Ann"))
    with pytest.raises(Refusal) as caught:
        await storage.write(lambda conn: accounts.register(conn, 9, "aNN", "x", 0))
    assert (caught.value.code, caught.value.field) == ("name_taken", "name")


async def test_a_name_that_looks_like_one_is_taken(storage: Storage) -> None:
    def older(conn: SqlConnection) -> None:
        """Accounts from before the table of looks: two of them look alike, and one may not be chosen any more."""
        for number, name in enumerate(("paypal", "b0b", "bob", "\u2800", "system"), 1):
            conn.execute(
                "insert into person (id, name, name_key, password_hash, created_at) values (?, ?, ?, 'x', 0)",
                (number, name, name_key(name)),
            )

    await storage.write(older)
    for name in ("р\u0430ур\u0430l", "раураl", "BOB", "B0B", "system", "\u2800", "all", "1234567890", "@ann"):
        with pytest.raises(Refusal):
            await storage.write(lambda conn, name=name: accounts.register(conn, 9, name, "x", 0))
    assert await storage.read(lambda conn: conn.execute("select count(*) from name_look").fetchone()) == (0,), "undone"
    await storage.write(lambda conn: accounts.register(conn, 9, "сор", "x", 0))
    assert await storage.read(lambda conn: conn.execute("select count(*) from name_look").fetchone()) == (6,)
    with pytest.raises(Refusal, match="looks like one that is taken"):
        await storage.write(lambda conn: accounts.register(conn, 10, "cop", "x", 0))
    for number, name in enumerate(("paypal", "b0b", "bob", "\u2800", "system"), 1):
        found = await storage.read(lambda conn, name=name: accounts.by_name(conn, name))
        assert found is not None
        assert found.user_id == number, "who is there stays there"


async def test_the_embedding_program_may_choose_what_people_may_not(storage: Storage) -> None:
    await storage.write(lambda conn: accounts.register(conn, 1, "system", "!", 0, vouched=True))
    for name in ("SYSTEM", "a b", "\u200b"):
        with pytest.raises(Refusal):
            await storage.write(lambda conn, name=name: accounts.register(conn, 2, name, "!", 0, vouched=True))


async def test_setting_a_password_ends_the_other_sessions(storage: Storage) -> None:
    def job(conn: SqlConnection) -> list[int]:
        register(conn, "ann", "bob")
        for number in range(3):
            sessions.create(conn, 10 + number, 1, bytes([number]) * 32, "device", 0)
        sessions.create(conn, 20, 2, b"b" * 32, "device", 0)
        return accounts.set_password(conn, 1, "new", 11)

    assert await storage.write(job) == [10, 12]
    assert [row.session_id for row in await storage.read(lambda conn: sessions.of_user(conn, 1))] == [11]
    assert [row.session_id for row in await storage.read(lambda conn: sessions.of_user(conn, 2))] == [20]
    assert await storage.read(lambda conn: (sessions.lives(conn, 11), sessions.lives(conn, 10))) == (True, False)


async def test_sessions_expire_after_90_idle_days_and_a_touch_renews_them(storage: Storage) -> None:
    def job(conn: SqlConnection) -> None:
        register(conn, "ann")
        sessions.create(conn, 1, 1, b"a" * 32, "old", 0)
        sessions.create(conn, 2, 1, b"b" * 32, "used", 0)
        sessions.touch(conn, [2, 99], 50 * DAY)
        assert sessions.resume(conn, b"a" * 32, 90 * DAY) == (1, 1)
        with pytest.raises(Refusal, match="ended"):
            sessions.resume(conn, b"a" * 32, 90 * DAY + 1)
        sessions.sweep(conn, 91 * DAY)
        assert [row.device for row in sessions.of_user(conn, 1)] == ["used"]
        with pytest.raises(Refusal, match="ended"):
            sessions.resume(conn, b"c" * 32, 0)

    await storage.write(job)


async def test_the_100th_session_ends_the_one_that_was_silent_longest(storage: Storage) -> None:
    def job(conn: SqlConnection) -> list[int]:
        register(conn, "ann")
        for number in range(100):
            assert sessions.create(conn, 1 + number, 1, number.to_bytes(32, "big"), "", number) == []
        sessions.touch(conn, [1], 1000)
        return sessions.create(conn, 101, 1, b"x" * 32, "", 1001)

    assert await storage.write(job) == [2]


async def test_nobody_ends_another_persons_session(storage: Storage) -> None:
    def job(conn: SqlConnection) -> None:
        register(conn, "ann", "bob")
        sessions.create(conn, 1, 1, b"a" * 32, "", 0)
        with pytest.raises(Refusal, match="no session"):
            sessions.end(conn, 2, 1)
        sessions.end(conn, 1, 1)
        with pytest.raises(Refusal, match="no session"):
            sessions.end(conn, 1, 1)

    await storage.write(job)


async def test_what_operators_do_is_audited(storage: Storage) -> None:
    def job(conn: SqlConnection) -> None:
        register(conn, "ann", "bob")
        sessions.create(conn, 5, 2, b"b" * 32, "", 0)
        assert accounts.set_operator(conn, "root", "ANN", True, 1) == 1
        assert accounts.require_operator(conn, 1).name == "ann"
        assert accounts.set_enabled(conn, "ann", "bob", False, 2) == (2, [5])
        assert accounts.set_enabled(conn, "ann", "bob", True, 3) == (2, [])
        assert accounts.reset_password(conn, "ann", "bob", "new", 4) == (2, [])
        accounts.set_operator(conn, "root", "ann", False, 5)
        for user_id in (1, 2, 99):
            with pytest.raises(Refusal, match="only an operator"):
                accounts.require_operator(conn, user_id)
        with pytest.raises(Refusal, match="no account named 'carl'"):
            accounts.set_operator(conn, "root", "carl", True, 6)
        rows = conn.execute("select id, at, actor, action, subject from audit order by id").fetchall()
        assert rows == [
            (1, 1, "root", "operator_add", "ann"), (2, 2, "ann", "user_disable", "bob"), (3, 3, "ann", "user_enable", "bob"),
            (4, 4, "ann", "user_reset_password", "bob"), (5, 5, "root", "operator_remove", "ann"),
        ]  # fmt: skip
        assert list(audit_log.check(conn)) == []

    await storage.write(job)


async def test_time_for_ids_is_reserved_and_never_given_back(storage: Storage) -> None:
    assert await storage.read(id_reservation.read) == 0
    for until in (1000, 500):
        await storage.write(lambda conn, until=until: id_reservation.reserve(conn, until))
        assert await storage.read(id_reservation.read) == 1000


async def test_ids_begin_above_every_transfer_whatever_was_reserved(storage: Storage) -> None:
    """A clock that jumped a day ahead between two reservations, and a crash: the next transfer must have a greater id."""
    ahead = Snowflake()
    last = 0
    for _ in range(5):
        last = ahead.next(NOW + 86_400_000)
    await storage.write(lambda conn: ledger.post(conn, grant(last, 7, 5, NOW)))
    await storage.write(lambda conn: id_reservation.reserve(conn, NOW))
    assert Snowflake(0, await storage.read(id_reservation.read)).next(NOW) > last


async def test_addresses_are_bounded_by_number_and_age_and_go_with_a_disabled_account(storage: Storage) -> None:
    def job(conn: SqlConnection) -> None:
        accounts.register(conn, 1, "ann", "!", 0)
        for place in range(30):
            login_addresses.save(conn, [(1, f"192.0.2.{place}"), (99, "198.51.100.1")], place)
        kept = login_addresses.latest(conn, 1000)
        assert kept == [("ann", f"192.0.2.{place}", place) for place in range(10, 30)]
        login_addresses.save(conn, [(1, "192.0.2.10")], 100)
        assert login_addresses.latest(conn, 1) == [("ann", "192.0.2.10", 100)]
        login_addresses.sweep(conn, login_addresses.KEEP_MS + 100)
        assert login_addresses.latest(conn, 1000) == [("ann", "192.0.2.10", 100)]
        accounts.set_enabled(conn, "local:root", "ann", False, 200)
        login_addresses.save(conn, [(1, "192.0.2.1")], 300)
        assert login_addresses.latest(conn, 1000) == []

    await storage.write(job)

"""Handshake, accounts, logins, sessions: who gets in, who does not, and what ends whose connections."""

import base64
from pathlib import Path

import attrs
import pytest
import trio
import trio.testing
from support.server_kit import PASSWORD, Client, RefusedError, connect, enter, said

from chatsrv.app import open_server
from chatsrv.clock import VirtualClock
from chatsrv.commands.hooks import Hooks
from chatsrv.log import make_log
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv.transport.memory import WINDOW, MemoryTransport, memory_pair
from chatsrv_protocol import NUMBER_OF, is_command, limits
from chatsrv_protocol.common import Ping, Pong
from chatsrv_protocol.session import (
    ChangePassword,
    EndSession,
    FindPeople,
    Hello,
    ListSessions,
    LoggedIn,
    Login,
    Logout,
    Register,
    Resume,
    SessionOver,
)
from chatsrv_storage.accounts import accounts
from chatsrv_storage.interface import open_memory_storage

NEW = "another long one"


async def guest(server: TestServer) -> Client:
    client = await connect(server)
    await client.hello()
    return client


def me(client: Client) -> LoggedIn:
    assert client.me is not None
    return client.me


async def test_the_handshake_tells_the_limits_and_the_clock(autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        welcome = await client.hello()
        assert (welcome.version, welcome.server) == (1, "chatsrv")
        assert welcome.now == server.clock.now_ms()
        assert welcome.heartbeat == QUICK.heartbeat * 1000
        assert (welcome.max_frame, welcome.max_requests) == (limits.MAX_FRAME, limits.MAX_REQUESTS)
        assert welcome.registration_open
        await trio.sleep(1)
        assert await client.ask(Ping()) == Pong(welcome.now + 1000)


async def test_a_newer_client_that_speaks_our_version_too_gets_in(autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await connect(server)
        assert (await client.ask(Hello((3, 2, 1), "new"))).version == 1


async def test_register_login_and_resume_are_the_same_person(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "Ann")
        again = await (await connect(server)).login("aNN")
        resumed = await (await connect(server)).resume(me(ann).token)
        assert me(ann).name == me(again).name == me(resumed).name == "Ann"
        assert ann.user_id == again.user_id == resumed.user_id
        assert me(resumed).session_id == me(ann).session_id != me(again).session_id
        assert len(me(ann).token) == 32
        assert me(ann).token != me(again).token
        assert me(resumed).token == b""


@pytest.mark.parametrize(
    "taken", ["ann", "ANN", "Ann", "ａｎｎ", "a\N{ZERO WIDTH NON-JOINER}nn", "an\N{VARIATION SELECTOR-16}n", "𝐚𝐧𝐧"]
)
async def test_a_name_is_taken_whatever_its_case_form_or_invisible_parts(taken: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        await enter(server, "Ann")
        client = await guest(server)
        assert await client.refused(Register(taken, PASSWORD, "")) == "name_taken"
        await client.ask(Register("bob", PASSWORD, ""))  # a refusal leaves the connection as it was


@pytest.mark.parametrize("name", ["a b", "a\N{NO-BREAK SPACE}b", "a\N{IDEOGRAPHIC SPACE}b", "\N{VARIATION SELECTOR-1}"])
async def test_a_name_has_no_spaces_and_can_be_seen(name: str, autojump_clock: object) -> None:
    async with open_test_server() as server:
        assert await (await guest(server)).refused(Register(name, PASSWORD, "")) == "bad_field"


async def test_a_short_password_is_weak(autojump_clock: object) -> None:
    async with open_test_server() as server:
        client = await guest(server)
        assert await client.refused(Register("ann", "1234567", "")) == "password_weak"
        await client.ask(Register("ann", "12345678", ""))
        assert await client.refused(ChangePassword("12345678", "1234567")) == "password_weak"


async def test_two_who_want_the_same_name_at_once(autojump_clock: object) -> None:
    async with open_test_server() as server:
        one, two = await guest(server), await guest(server)
        asked = [(client, await client.start(Register("ann", PASSWORD, ""))) for client in (one, two)]
        results: list[str] = []
        for client, request_id in asked:
            try:
                results.append((await client.answer(request_id)).name)
            except RefusedError as error:
                results.append(error.code)
        assert sorted(results) == ["ann", "name_taken"]


async def test_a_wrong_name_and_a_wrong_password_look_the_same(autojump_clock: object) -> None:
    async with open_test_server() as server:
        await enter(server, "ann")
        client = await guest(server)
        refusals: list[object] = []
        for name in ("ann", "nobody"):
            with pytest.raises(RefusedError) as caught:
                await client.ask(Login(name, "wrong password", ""))
            refusals.append(caught.value.refused)
        assert refusals[0] == refusals[1]


async def test_guesses_are_throttled_per_user_before_any_hash(autojump_clock: trio.testing.MockClock) -> None:
    async with open_test_server() as server:
        await enter(server, "ann", "bob")
        client = await guest(server)
        hashes = 0
        real = server.server.services.passwords.matches

        async def counted(stored: str | None, password: str) -> bool:
            nonlocal hashes
            hashes += 1
            return await real(stored, password)

        server.server.services.passwords.matches = counted
        codes = [await client.refused(Login("ann", "wrong password", "")) for _ in range(QUICK.login_attempts + 2)]
        assert codes == ["bad_credentials"] * QUICK.login_attempts + ["rate_limited"] * 2
        assert hashes == QUICK.login_attempts
        with pytest.raises(RefusedError) as caught:
            await client.ask(Login("ann", PASSWORD, ""))
        assert caught.value.code == "rate_limited"
        assert 0 < caught.value.refused.retry_after <= 60_000
        await (await guest(server)).ask(Login("bob", PASSWORD, ""))
        other = await guest(server)
        await trio.sleep(caught.value.refused.retry_after / 1000)
        await (await guest(server)).ask(Login("ann", PASSWORD, ""))
        assert await other.until_end() == "timed_out"


@pytest.mark.parametrize("way", ["register", "login", "resume"])
async def test_an_address_somebody_came_from_passes_after_a_restart(
    way: str, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    """Guesses of many addresses use up the user's limit; the owner gets in from where they have been, however they came."""
    config = attrs.evolve(QUICK, data=tmp_path / "data")

    def from_address(server: TestServer, address: str) -> Client:
        ours, theirs = memory_pair()
        server.server.connect(MemoryTransport(theirs, address))
        return Client(ours)

    async with open_test_server(config) as server:
        elsewhere = from_address(server, "198.51.100.1")
        await elsewhere.hello()
        token = (await elsewhere.ask(Register("ann", PASSWORD, ""))).token
        at_home = from_address(server, "2001:db8::1")
        if way != "register":
            await at_home.hello()
            await at_home.ask(Login("ann", PASSWORD, "") if way == "login" else Resume(token))
        await trio.sleep(61)
    home = "198.51.100.1" if way == "register" else "2001:db8::2"
    async with open_test_server(config, seed=1) as server:
        codes: set[str] = set()
        for number in range(11):
            guesser = from_address(server, f"203.0.113.{number}")
            await guesser.hello()
            for _ in range(QUICK.login_attempts):
                codes.add(await guesser.refused(Login("ann", "wrong password", "")))
        assert codes == {"bad_credentials", "rate_limited"}
        stranger, owner = from_address(server, "203.0.113.99"), from_address(server, home)
        await stranger.hello()
        await owner.hello()
        assert await stranger.refused(Login("ann", PASSWORD, "")) == "rate_limited"
        await owner.ask(Login("ann", PASSWORD, ""))


async def test_attempts_are_counted_per_ipv6_network(autojump_clock: object) -> None:
    """Whoever has one address of a /64 has 2^64 of them, and could guess for each."""
    async with open_test_server() as server:
        codes: list[str] = []
        for number in range(10 * QUICK.login_attempts + 1):
            ours, theirs = memory_pair()
            server.server.connect(MemoryTransport(theirs, f"2001:db8::{number + 1:x}"))
            client = Client(ours)
            await client.hello()
            codes.append(await client.refused(Login(f"user{number}", "wrong password", "")))
        assert (codes[0], codes[-1]) == ("bad_credentials", "rate_limited")


async def test_who_gets_in_has_not_guessed(autojump_clock: object) -> None:
    async with open_test_server() as server:
        await enter(server, "ann")
        for _ in range(3 * QUICK.login_attempts):
            client = await (await connect(server)).login("ann")
            await client.ask(Logout())
        client = await guest(server)
        for _ in range(QUICK.login_attempts - 1):
            assert await client.refused(Login("ann", "wrong password", "")) == "bad_credentials"
        await (await connect(server)).login("ann")
        await (await connect(server)).login("ann")


async def test_guesses_are_throttled_per_address_too(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, login_attempts=2)) as server:
        client = await guest(server)
        codes = [await client.refused(Login(f"nobody{n}", "wrong password", "")) for n in range(20)]
        assert codes[0] == "bad_credentials"
        assert codes[-1] == "rate_limited"
        assert 10 <= codes.count("bad_credentials") < 20


async def guest_from(server: TestServer, peer: str) -> Client:
    ours, theirs = memory_pair()
    server.server.connect(MemoryTransport(theirs, peer))
    client = Client(ours)
    await client.hello()
    return client


async def test_a_network_of_ipv6_is_one_address(autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, login_attempts=2)
    async with open_test_server(config) as server:
        codes: list[str] = []
        for n in range(40):
            client = await guest_from(server, f"2001:db8:0:1:{n:x}::1")
            codes.append(await client.refused(Login(f"nobody{n}", "wrong password", "")))
        assert codes[-1] == "rate_limited"
        other = await guest_from(server, "2001:db8:0:2::1")
        assert await other.refused(Login("nobody", "wrong password", "")) == "bad_credentials"
        for n in range(30):
            await (await guest_from(server, f"2001:db8:0:1:{n:x}::2")).ask(Register(f"user{n}", PASSWORD, ""))
        late = await guest_from(server, "2001:db8:0:1:ffff::1")
        assert await late.refused(Register("ann", PASSWORD, "")) == "rate_limited"


async def test_an_address_without_attempts_left_uses_up_nobody_elses(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, login_attempts=2)) as server:
        await enter(server, "ann")
        greedy = await guest_from(server, "192.0.2.1")
        codes = [await greedy.refused(Login(f"nobody{n}", "wrong password", "")) for n in range(25)]
        assert codes[-1] == "rate_limited"
        for _ in range(5):
            assert await greedy.refused(Login("ann", "wrong password", "")) == "rate_limited"
        ann = await guest_from(server, "192.0.2.2")
        await ann.ask(Login("ann", PASSWORD, ""))


async def test_an_office_that_comes_in_together_has_guessed_nothing(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, login_attempts=2)) as server:
        await enter(server, "ann")
        for _ in range(40):
            client = await guest_from(server, "192.0.2.1")
            await client.ask(Login("ann", PASSWORD, ""))
            await client.ask(Logout())


async def test_registrations_are_throttled_per_address(autojump_clock: object) -> None:
    async with open_test_server() as server:
        for n in range(30):
            await (await connect(server)).register(f"user{n}")
        assert await (await guest(server)).refused(Register("ann", PASSWORD, "")) == "rate_limited"


async def test_registration_is_closed_and_secrets_need_a_safe_way(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, open_registration=False)) as server:
        ours, theirs = memory_pair()
        transport = MemoryTransport(theirs, "192.0.2.1")
        transport.secure = False
        server.server.connect(transport, may_register=False)
        far = Client(ours)
        assert not (await far.hello()).registration_open
        assert await far.refused(Register("ann", PASSWORD, "")) == "registration_closed"
        assert await far.refused(Login("ann", PASSWORD, "")) == "plaintext_refused"
        (bob,) = await enter(server, "bob")
        assert await far.refused(Resume(me(bob).token)) == "plaintext_refused"


@pytest.mark.parametrize("token", [bytes(32), b"x" * 32])
async def test_a_token_that_never_was(token: bytes, autojump_clock: object) -> None:
    async with open_test_server() as server:
        await enter(server, "ann")
        assert await (await guest(server)).refused(Resume(token)) == "session_ended"


async def test_a_token_expires_after_90_idle_days(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        day = 86_400_000
        server.clock.jump_ms = 90 * day - 60_000
        await (await connect(server)).resume(me(ann).token)
        server.clock.jump_ms = 90 * day + 60_000
        await ann.stream.aclose()
        assert await (await guest(server)).refused(Resume(me(ann).token)) == "session_ended"


async def test_tokens_and_passwords_are_stored_nowhere(tmp_path: Path, autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, data=tmp_path / "data")) as server:
        (ann,) = await enter(server, "ann")
        await ann.say(await ann.make_group(), "hi")
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"ann" in stored
    assert me(ann).token not in stored
    assert PASSWORD.encode() not in stored


async def test_tokens_and_passwords_are_in_no_log(autojump_clock: object, capsys: pytest.CaptureFixture[str]) -> None:
    clock = VirtualClock()
    async with open_server(
        QUICK, log=make_log("debug"), clock=clock, storage=open_memory_storage(inline=True)
    ) as opened:
        server = TestServer(opened, clock, WINDOW)
        ann, bob = await enter(server, "ann", "bob")
        assert await (await guest(server)).refused(Login("ann", "wrong password", "")) == "bad_credentials"
        await ann.ask(ChangePassword(PASSWORD, NEW))
        twin = await (await connect(server)).resume(me(ann).token)
        await twin.stream.send_all(b"\xff" * 4)
        await twin.until_end()
        await bob.ask(Logout())
        secrets = [PASSWORD, NEW, "wrong password"]
        for client in (ann, bob):
            token = me(client).token
            secrets += [
                token.hex(),
                str(token)[2:-1],
                base64.b64encode(token).decode(),
                base64.urlsafe_b64encode(token).decode(),
            ]
    logged = capsys.readouterr().err
    assert "server ready" in logged
    assert [secret for secret in secrets if secret in logged] == []


def test_no_event_has_a_field_for_a_token_or_a_password() -> None:
    carrying = {
        cls
        for cls, number in NUMBER_OF.items()
        if any("token" in field.name or "password" in field.name for field in attrs.fields(cls))
        and not is_command(number)
    }
    assert carrying == {LoggedIn}, "a reply to who has just proved who they are, and nothing else"


async def test_logout_ends_every_connection_of_the_session_and_no_other(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        twin = await (await connect(server)).resume(me(ann).token)
        laptop = await (await connect(server)).login("ann")
        await ann.ask(Logout())
        for client in (ann, twin):
            await client.until_end()
            assert client.events == [SessionOver("session_ended", me(ann).session_id)]
        assert await (await guest(server)).refused(Resume(me(ann).token)) == "session_ended"
        await laptop.ask(Ping())
        await bob.ask(Ping())


async def test_a_new_password_ends_all_other_sessions(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        twin = await (await connect(server)).resume(me(ann).token)
        laptop = await (await connect(server)).login("ann")
        assert await ann.refused(ChangePassword("wrong password", NEW)) == "bad_credentials"
        await laptop.ask(Ping())
        await ann.ask(ChangePassword(PASSWORD, NEW))
        await laptop.until_end()
        assert laptop.events == [SessionOver("session_ended", me(laptop).session_id)]
        await ann.ask(Ping())
        await twin.ask(Ping())
        client = await guest(server)
        assert await client.refused(Resume(me(laptop).token)) == "session_ended"
        assert await client.refused(Login("ann", PASSWORD, "")) == "bad_credentials"
        await client.ask(Login("ann", NEW, ""))


@pytest.mark.parametrize("by", ["another device", "an operator"])
async def test_who_is_being_thrown_out_cannot_set_a_password_meanwhile(by: str, autojump_clock: object) -> None:
    """A thief's ChangePassword, whose hashes take a while, against the owner's: the one that came first holds."""
    async with open_test_server() as server:
        (thief,) = await enter(server, "ann")
        owner = await (await connect(server)).login("ann")
        services = server.server.services
        hashing, go_on = trio.Event(), trio.Event()
        real = services.passwords.hash

        async def slow(password: str) -> str:
            if password == "the thief's own":
                hashing.set()
                await go_on.wait()
            return await real(password)

        services.passwords.hash = slow
        request_id = await thief.start(ChangePassword(PASSWORD, "the thief's own"))
        await hashing.wait()
        if by == "another device":
            await owner.ask(ChangePassword(PASSWORD, NEW))
        else:
            hashed = await real(NEW)
            await services.storage.write(lambda conn: accounts.reset_password(conn, "root", "ann", hashed, 0))
        go_on.set()
        await thief.until_end() if by == "another device" else await trio.testing.wait_all_tasks_blocked()
        if by == "an operator":
            with pytest.raises(RefusedError, match="bad_credentials"):
                await thief.answer(request_id)
        client = await guest(server)
        assert await client.refused(Login("ann", "the thief's own", "")) == "bad_credentials"
        await client.ask(Login("ann", NEW, ""))


async def test_a_login_with_the_old_password_that_is_under_way_fails(autojump_clock: object) -> None:
    async with open_test_server() as server:
        (ann,) = await enter(server, "ann")
        services = server.server.services
        checked, go_on = trio.Event(), trio.Event()
        real = services.passwords.matches

        async def slow(stored: str | None, password: str) -> bool:
            result = await real(stored, password)
            if not checked.is_set():
                checked.set()
                await go_on.wait()
            return result

        services.passwords.matches = slow
        client = await guest(server)
        request_id = await client.start(Login("ann", PASSWORD, ""))
        await checked.wait()
        await ann.ask(ChangePassword(PASSWORD, NEW))
        go_on.set()
        with pytest.raises(RefusedError, match="bad_credentials"):
            await client.answer(request_id)


async def test_sessions_are_listed_and_ended_one_by_one(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        client = await guest(server)
        await client.ask(Login("ann", PASSWORD, "phone"))
        sessions = (await ann.ask(ListSessions())).sessions
        assert [(each.device, each.current) for each in sessions] == [("test", True), ("phone", False)]
        assert await bob.refused(EndSession(sessions[1].session_id)) == "session_ended"
        await client.ask(Ping())
        await ann.ask(EndSession(sessions[1].session_id))
        await client.until_end()
        assert isinstance(client.events[-1], SessionOver)
        assert len((await ann.ask(ListSessions())).sessions) == 1
        await ann.ask(EndSession(sessions[0].session_id))
        await ann.until_end()


async def test_the_100th_device_ends_the_one_that_was_silent_longest(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, login_attempts=1000)) as server:
        (first,) = await enter(server, "ann")
        last = first
        for _ in range(99):
            server.clock.jump_ms += 1
            last = await (await connect(server)).login("ann")
        await first.ask(Ping())
        server.clock.jump_ms += 1
        await (await connect(server)).login("ann")
        await first.until_end()
        assert isinstance(first.events[-1], SessionOver)
        assert len((await last.ask(ListSessions())).sessions) == 100


async def test_people_are_found_by_their_whole_names(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "Ann", "bob")
        found = (await ann.ask(FindPeople(("BOB", "an", "ann", "nobody")))).people
        assert [(person.user_id, person.name) for person in found] == [(bob.user_id, "bob"), (ann.user_id, "Ann")]
        assert (await ann.ask(FindPeople(()))).people == ()


async def test_the_embedding_program_may_decide_who_gets_in(autojump_clock: object) -> None:
    async def decide(name: str, password: str) -> bool | None:
        await trio.lowlevel.checkpoint()
        if password == "broken hook":
            raise ZeroDivisionError
        return {"ldap says yes": True, "ldap says no": False}.get(password)

    async with open_test_server(hooks=Hooks(authenticate=decide)) as server:
        await enter(server, "ann")
        client = await guest(server)
        assert await client.refused(Login("ann", "ldap says no", "")) == "bad_credentials"
        assert await client.refused(Login("ann", "broken hook", "")) == "internal"
        assert await client.refused(Login("nobody", PASSWORD, "")) == "bad_credentials"
        await client.ask(Login("ann", "ldap says yes", ""))
        await (await guest(server)).ask(Login("ann", PASSWORD, ""))
        # Somebody it vouches for gets an account, once, on however many devices they come at once.
        pair = [await guest(server), await guest(server)]
        asked = [await each.start(Login("Newcomer", "ldap says yes", "")) for each in pair]
        answers = [await each.answer(request_id) for each, request_id in zip(pair, asked, strict=True)]
        assert answers[0].user_id == answers[1].user_id
        assert await (await guest(server)).refused(Login("newcomer", "!", "")) == "bad_credentials"


async def test_a_login_hears_the_groups_it_is_in_and_only_those(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob = await enter(server, "ann", "bob")
        ours, mine = await ann.make_group("ours", bob), await ann.make_group("mine")
        phone = await (await connect(server)).login("bob")
        await ann.say(ours, "hear")
        await ann.say(mine, "do not hear")
        assert said(await phone.settle()) == ["hear"]

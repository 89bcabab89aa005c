"""Notifications by push services: who gets one, when, with what in it, and what ends a subscription."""

from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio
from support.money_kit import log_of
from support.push_kit import Device, unbase64
from support.server_kit import PASSWORD, Client, connect, enter

from chatsrv.push.notifier import SETTLE_SECONDS
from chatsrv.push.sender import PushAnswer
from chatsrv.testing import QUICK, TestServer, open_test_server
from chatsrv_protocol.conversation import React, Recall, SetQuiet
from chatsrv_protocol.groups import LeaveGroup, RemoveMember
from chatsrv_protocol.messages import Send, SendExtra
from chatsrv_protocol.operator import EnableUser, ResetPassword
from chatsrv_protocol.presence import Block
from chatsrv_protocol.push import ShowPush, SubscribePush, UnsubscribePush
from chatsrv_protocol.session import ChangePassword, EndSession, Logout
from chatsrv_protocol.sync import MarkRead
from chatsrv_storage.accounts import accounts
from chatsrv_storage.messages import push_notices

PATIENT = attrs.evolve(QUICK, heartbeat=100_000.0)
"""Who says nothing for an hour stays connected."""

SECRET = "the soup is at one"


async def settle() -> None:
    """Until what was said is decided on, and posted."""
    await trio.sleep(SETTLE_SECONDS + 1)


async def away(client: Client) -> None:
    """Close the connection; the server knows at once."""
    await client.stream.aclose()
    await trio.sleep(0.1)


async def table(server: TestServer, *, show_text: bool = False) -> tuple[Client, Client, int, Device]:
    """(ann, who has a device and is away; bob; their group; the device)."""
    ann, bob = await enter(server, "ann", "bob")
    group_id = await bob.make_group("home", ann)
    device = Device()
    await ann.ask(device.subscription(show_text=show_text))
    await away(ann)
    return ann, bob, group_id, device


def told(server: TestServer, device: Device) -> list[dict[str, object]]:
    """What the device was told since the last time this was asked."""
    posts, server.pushes.posts[:] = list(server.pushes.posts), []
    return [device.told(body) for endpoint, _, body in posts if endpoint.url == device.endpoint]


async def test_a_message_is_told_by_group_and_count_and_never_by_its_text(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        seqs = [(await bob.say(group_id, text)).seq for text in (SECRET, SECRET, SECRET)]
        await settle()
        ((endpoint, headers, body),) = server.pushes.posts
        expected = {"group": str(group_id), "seq": seqs[-1], "name": "home", "count": 3, "mentions": 0}
        assert device.told(body) == expected
        assert SECRET.encode() not in device.decrypt(body)
        assert endpoint.url == device.endpoint
        assert headers["Content-Encoding"] == "aes128gcm"
        assert (headers["TTL"], headers["Urgency"]) == ("86400", "normal")
        assert headers["Authorization"].startswith("vapid t=")
        assert len(unbase64(headers["Topic"])) == 24


async def test_who_chose_it_is_shown_who_wrote_and_the_beginning(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server, show_text=True)
        await bob.say(group_id, SECRET + "!" * 5000)
        await settle()
        (shown,) = told(server, device)
        assert (shown["by"], shown["text"]) == ("bob", (SECRET + "!" * 5000)[: push_notices.MAX_EXCERPT])


async def test_the_topic_is_the_groups_and_tells_two_devices_of_one_group_apart(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, cy = await enter(server, "ann", "bob", "cy")
        home, work = await bob.make_group("home", ann, cy), await bob.make_group("work", ann)
        await ann.ask(Device(1).subscription())
        await cy.ask(Device(2).subscription())
        await away(ann)
        await away(cy)
        topics: dict[tuple[str, object], str] = {}
        for _ in range(2):
            for group_id in (home, work):
                await bob.say(group_id, "hello")
            await trio.sleep(push_notices.LAST_WAIT_MS / 1000 + SETTLE_SECONDS)
        for endpoint, headers, body in server.pushes.posts:
            device = next(each for each in (Device(1), Device(2)) if each.endpoint == endpoint.url)
            key = (endpoint.url, device.told(body)["group"])
            assert topics.setdefault(key, headers["Topic"]) == headers["Topic"]
        assert len(topics) == len(set(topics.values())) == 3


async def test_who_is_connected_is_told_nothing_and_who_was_asleep_a_little_later(autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, heartbeat=10.0)
    async with open_test_server(config) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await bob.make_group("home", ann)
        device = Device()
        await ann.ask(device.subscription())
        await bob.say(group_id, "one")
        await settle()
        assert told(server, device) == []
        for _ in range(12):  # ann's device sleeps with a connection that is dead
            await trio.sleep(9)
            await bob.settle()
        assert [each["count"] for each in told(server, device)] == [1]


async def test_who_looks_at_another_device_is_told_on_the_one_that_is_not_connected(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, group_id, device = await table(server)
        await (await connect(server)).login("ann")
        await bob.say(group_id, "one")
        await settle()
        assert len(told(server, device)) == 1
        del ann


async def test_a_group_is_told_once_then_after_a_minute_then_two_until_it_is_read(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        at: list[float] = []
        began = trio.current_time()
        for _ in range(600):
            await bob.say(group_id, "more")
            await trio.sleep(1)
            at += [trio.current_time() - began for _ in told(server, device)]
        assert [round((later - earlier) / 60) for earlier, later in pairwise(at)] == [1, 2, 4]
        ann = await (await connect(server)).login("ann")
        events = await ann.history(group_id)
        await ann.ask(MarkRead(group_id, events[-1].seq))
        await away(ann)
        await bob.say(group_id, "again")
        await settle()
        assert [each["count"] for each in told(server, device)] == [1]


async def test_what_was_read_meanwhile_is_not_told(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        desktop = await (await connect(server)).login("ann")
        sent = await bob.say(group_id, "one")
        await desktop.ask(MarkRead(group_id, sent.seq))
        await settle()
        assert told(server, device) == []


async def test_what_is_no_message_is_not_told(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, group_id, device = await table(server)
        phone = await (await connect(server)).login("ann")
        sent = await phone.say(group_id, "mine")
        await away(phone)
        await bob.ask(React(bob.new_id(), group_id, sent.seq, "👍", True))
        await settle()
        assert told(server, device) == []
        del ann


async def test_a_recalled_message_is_not_told(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server, show_text=True)
        sent = await bob.say(group_id, SECRET)
        await bob.ask(Recall(bob.new_id(), group_id, sent.seq))
        await settle()
        assert told(server, device) == []


async def test_a_quiet_group_tells_of_calls_alone(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await bob.make_group("home", ann)
        device = Device()
        await ann.ask(device.subscription())
        await ann.ask(SetQuiet(group_id, True))
        await away(ann)
        await bob.say(group_id, "one")
        await settle()
        assert told(server, device) == []
        await bob.ask(Send(bob.new_id(), group_id, "@ann", SendExtra(mentions=(ann.user_id,))))
        await settle()
        ((_, headers, body),) = server.pushes.posts
        assert device.told(body)["mentions"] == 1
        assert headers["Urgency"] == "high"


async def test_who_is_blocked_calls_nobody_and_delays_nobody_else(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, eve = await enter(server, "ann", "bob", "eve")
        group_id = await bob.make_group("home", ann, eve)
        device = Device()
        await ann.ask(device.subscription(show_text=True))
        await ann.ask(Block(eve.user_id))
        await away(ann)
        for _ in range(20):
            await eve.say(group_id, SECRET)
            await settle()
        assert told(server, device) == []
        await bob.say(group_id, "hello")
        await eve.say(group_id, SECRET)
        await settle()
        assert [(each["by"], each["text"]) for each in told(server, device)] == [("bob", "hello")]


async def test_who_is_out_is_told_nothing(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, cy = await enter(server, "ann", "bob", "cy")
        group_id = await bob.make_group("home", ann, cy)
        await ann.ask(Device(1).subscription(show_text=True))
        await cy.ask(Device(2).subscription(show_text=True))
        await cy.ask(LeaveGroup(cy.new_id(), group_id))
        await away(ann)
        await away(cy)
        await bob.say(group_id, SECRET)
        await bob.ask(RemoveMember(bob.new_id(), group_id, ann.user_id))
        await bob.say(group_id, SECRET)
        await settle()
        assert server.pushes.posts == []


async def test_who_came_later_is_told_nothing_of_before(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await bob.make_group("home", history=False)
        await ann.ask(Device().subscription(show_text=True))
        await bob.say(group_id, SECRET)
        await bob.add(group_id, ann)
        await away(ann)
        await settle()
        assert told(server, Device()) == []
        await bob.say(group_id, "now")
        await settle()
        assert [(each["count"], each["text"]) for each in told(server, Device())] == [(1, "now")]


async def _logout(server: TestServer, ann: Client) -> None:
    await ann.ask(Logout())


async def _ended(server: TestServer, ann: Client) -> None:
    assert ann.me is not None
    other = await (await connect(server)).login("ann")
    await other.ask(EndSession(ann.me.session_id))


async def _unsubscribed(server: TestServer, ann: Client) -> None:
    await ann.ask(UnsubscribePush())
    await away(ann)


async def _new_password(server: TestServer, ann: Client) -> None:
    other = await (await connect(server)).login("ann")
    await other.ask(ChangePassword(PASSWORD, "another long password"))


async def _operator(server: TestServer) -> Client:
    (root,) = await enter(server, "olga")
    now = server.clock.now_ms()
    await server.server.services.storage.write(lambda conn: accounts.set_operator(conn, "root", "olga", True, now))
    return root


async def _disabled(server: TestServer, ann: Client) -> None:
    await (await _operator(server)).ask(EnableUser("ann", False))


async def _reset(server: TestServer, ann: Client) -> None:
    await (await _operator(server)).ask(ResetPassword("ann", "another long password"))


async def _taken_over(server: TestServer, ann: Client) -> None:
    await away(ann)
    (cy,) = await enter(server, "cy")  # in the same browser
    await cy.ask(Device().subscription())


@pytest.mark.parametrize(
    "end",
    [_logout, _ended, _unsubscribed, _new_password, _disabled, _reset, _taken_over],
    ids=lambda end: str(end.__name__),
)
async def test_a_subscription_ends_with_its_session(
    end: Callable[[TestServer, Client], Awaitable[None]], autojump_clock: object
) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        group_id = await bob.make_group("home", ann)
        await ann.ask(Device().subscription())
        await end(server, ann)
        await bob.say(group_id, SECRET)
        await settle()
        assert server.pushes.posts == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_service_that_says_gone_ends_the_subscription(status: int, autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob, group_id, device = await table(server)
        server.pushes.answers[device.endpoint] = PushAnswer(status)
        await bob.say(group_id, "one")
        await settle()
        assert len(server.pushes.posts) == 1
        assert ann.me is not None
        again = await Client(await server.dial()).resume(ann.me.token)
        assert not (await again.ask(ShowPush())).subscribed
        await away(again)
        await trio.sleep(4000)
        await bob.say(group_id, "two")
        await settle()
        assert len(server.pushes.posts) == 1


async def test_what_a_service_does_not_take_is_tried_again_a_few_times(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        server.pushes.answers[device.endpoint] = PushAnswer(503)
        await bob.say(group_id, "one")
        await trio.sleep(40_000)
        assert len(server.pushes.posts) == push_notices.MAX_RETRIED
        server.pushes.answers.clear()
        server.pushes.posts.clear()
        await bob.say(group_id, "two")
        await settle()
        assert [each["count"] for each in told(server, device)] == [2]


async def test_a_notice_that_was_not_taken_comes_when_the_service_is_well_again(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        server.pushes.answers[device.endpoint] = PushAnswer(0)
        await bob.say(group_id, "one")
        await settle()
        server.pushes.answers.clear()
        server.pushes.posts.clear()
        await trio.sleep(100)
        assert [each["count"] for each in told(server, device)] == [1]


async def test_a_service_that_asks_to_wait_is_left_alone(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        ann, bob = await enter(server, "ann", "bob")
        home, work = await bob.make_group("home", ann), await bob.make_group("work", ann)
        device = Device()
        await ann.ask(device.subscription())
        await away(ann)
        server.pushes.answers[device.endpoint] = PushAnswer(429, 600.0)
        await bob.say(home, "one")
        await settle()
        assert len(server.pushes.posts) == 1
        server.pushes.answers.clear()
        await bob.say(work, "two")
        await trio.sleep(500)
        assert len(server.pushes.posts) == 1
        await trio.sleep(200)
        assert sorted(str(each["name"]) for each in told(server, device)[1:]) == ["home", "work"]


async def test_what_is_refused_for_good_is_not_tried_again(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        _, bob, group_id, device = await table(server)
        server.pushes.answers[device.endpoint] = PushAnswer(400)
        await bob.say(group_id, "one")
        await trio.sleep(8000)
        assert len(server.pushes.posts) == 1


async def test_the_state_of_a_session_and_one_endpoint_a_session(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        (ann,) = await enter(server, "ann")
        shown = await ann.ask(ShowPush())
        assert (shown.subscribed, shown.shows_text) == (False, False)
        await ann.ask(Device(1).subscription())
        await ann.ask(Device(2).subscription(show_text=True))
        shown = await ann.ask(ShowPush())
        assert (shown.subscribed, shown.shows_text) == (True, True)
        rows = await server.server.services.storage.read(
            lambda conn: conn.execute("select endpoint from push_subscription").fetchall()
        )
        assert rows == [(Device(2).endpoint,)]
        await ann.ask(UnsubscribePush())
        await ann.ask(UnsubscribePush())
        assert not (await ann.ask(ShowPush())).subscribed


async def test_the_oldest_of_many_devices_gives_way(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        await enter(server, "ann")
        for number in range(12):
            client = await (await connect(server)).login("ann")
            await client.ask(Device(number).subscription())
            await trio.sleep(1)
        rows = await server.server.services.storage.read(
            lambda conn: conn.execute("select endpoint from push_subscription order by made_at").fetchall()
        )
        assert [row[0] for row in rows] == [Device(number).endpoint for number in range(2, 12)]


async def test_what_no_service_or_no_key_is(autojump_clock: object) -> None:
    async with open_test_server(PATIENT) as server:
        (ann,) = await enter(server, "ann")
        device = Device()
        for url in ("https://127.0.0.1/x", "http://fcm.googleapis.com/x", "https://push.example/x"):
            assert await ann.refused(SubscribePush(url, device.point, device.auth)) == "push_service_unknown"
        assert await ann.refused(SubscribePush(device.endpoint, bytes(65), device.auth)) == "bad_field"


async def test_a_server_may_send_none(autojump_clock: object) -> None:
    async with open_test_server(attrs.evolve(QUICK, push=False)) as server:
        ann, bob = await enter(server, "ann", "bob")
        assert await ann.refused(ShowPush()) == "push_off"
        assert await ann.refused(Device().subscription()) == "push_off"
        await ann.ask(UnsubscribePush())
        group_id = await bob.make_group("home", ann)
        await bob.say(group_id, "one")


async def test_a_restart_loses_neither_key_nor_subscriptions(tmp_path: Path, autojump_clock: object) -> None:
    config = attrs.evolve(QUICK, data=tmp_path / "data")
    async with open_test_server(config) as server:
        ann, bob, group_id, device = await table(server)
        key = (await bob.ask(ShowPush())).key
    async with open_test_server(config, seed=1) as server:
        bob = await (await connect(server)).login("bob")
        assert (await bob.ask(ShowPush())).key == key
        await bob.say(group_id, "one")
        await settle()
        assert len(told(server, device)) == 1
        del ann


async def test_no_endpoint_or_key_is_in_a_log(autojump_clock: object) -> None:
    lines: list[dict[str, object]] = []
    async with open_test_server(PATIENT, log=log_of(lines)) as server:
        _, bob, group_id, device = await table(server)
        server.pushes.answers[device.endpoint] = PushAnswer(500)
        await bob.say(group_id, SECRET)
        await settle()
    assert any("push service" in str(line) for line in lines)
    for secret in (device.endpoint, "device-1", device.auth.hex(), SECRET):
        assert secret not in str(lines)

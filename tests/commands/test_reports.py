"""Reports: operators read what people told them, with the message as it was; nobody else learns of it."""

from support.server_kit import Client, enter

from chatsrv.testing import TestServer, open_test_server
from chatsrv_protocol.conversation import Edit, Recall
from chatsrv_protocol.groups import RemoveMember
from chatsrv_protocol.presence import Block
from chatsrv_protocol.reports import (
    REPORTED_TEXT,
    REPORTS_PAGE,
    CloseReport,
    ListReports,
    Report,
    ReportMessage,
    ReportPerson,
)
from chatsrv_storage.accounts import accounts
from chatsrv_storage.messages.reports import MAX_OPEN


async def with_operator(server: TestServer, *names: str) -> list[Client]:
    """People, and as the last one an operator."""
    people = await enter(server, *names, "olga")
    now = server.clock.now_ms()
    await server.server.services.storage.write(lambda conn: accounts.set_operator(conn, "console", "olga", True, now))
    return list(people)


async def open_reports(olga: Client, *, closed: bool = False) -> tuple[Report, ...]:
    return (await olga.ask(ListReports(closed=closed))).reports


async def test_a_message_is_kept_as_it_was_and_only_the_operator_learns_of_it(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, olga = await with_operator(server, "ann", "bob")
        home = await ann.make_group("home", bob)
        long = "x" * (REPORTED_TEXT.high + 1)
        said = (await bob.say(home, long)).seq
        heard = len(bob.events)
        await ann.ask(ReportMessage(home, said, "rude"))
        await bob.ask(Edit(bob.new_id(), home, said, "nothing"))
        await bob.ask(Recall(bob.new_id(), home, said))
        [report] = await open_reports(olga)
        assert (report.number, report.by.name, report.person.name) == (1, "ann", "bob")
        assert (report.group_id, report.group, report.of, report.text) == (home, "home", said, long[:-1])
        assert (report.reason, report.closed_at) == ("rude", 0)
        assert await ann.refused(ReportMessage(home, said, "too late")) == "message_unknown"
        assert not [event for event in bob.events[heard:] if type(event).__name__.startswith("Report")]


async def test_to_report_again_replaces_the_reason_until_it_is_closed(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, olga = await with_operator(server, "ann", "bob")
        await ann.ask(ReportPerson(bob.user_id, "rude"))
        await ann.ask(ReportPerson(bob.user_id, "very rude"))
        await olga.ask(ReportPerson(bob.user_id, "so he is"))
        assert [(one.number, one.by.name, one.reason) for one in await open_reports(olga)] == [
            (2, "olga", "so he is"),
            (1, "ann", "very rude"),
        ]
        await olga.ask(CloseReport(1, "warned"))
        await olga.ask(CloseReport(1, "again"))
        await ann.ask(ReportPerson(bob.user_id, "still"))
        assert [(one.number, one.reason) for one in await open_reports(olga)] == [(3, "still"), (2, "so he is")]
        [closed] = await open_reports(olga, closed=True)
        assert (closed.number, closed.closed_by, closed.note, closed.closed_at > 0) == (1, "olga", "warned", True)


async def test_what_is_refused(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, olga = await with_operator(server, "ann", "bob")
        home = await ann.make_group("home", bob)
        said = (await bob.say(home, "hello")).seq
        assert await ann.refused(ReportPerson(ann.user_id, "me")) == "user_unknown"
        assert await ann.refused(ReportPerson(1, "nobody")) == "user_unknown"
        assert await olga.refused(ReportMessage(home, said, "not mine to read")) == "group_unknown"
        assert await ann.refused(ReportMessage(home, 1, "no message")) == "message_unknown"
        assert await olga.refused(CloseReport(1)) == "report_unknown"
        await ann.ask(RemoveMember(ann.new_id(), home, bob.user_id))
        assert await bob.refused(ReportMessage(home, said, "out of it")) == "group_unknown"
        await bob.ask(Block(ann.user_id))
        await ann.ask(ReportPerson(bob.user_id, "blocks me"))


async def test_open_reports_of_one_person_are_bounded_and_come_in_pages(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, olga = await with_operator(server, "ann", "bob")
        home = await ann.make_group("home", bob)
        places = [(await bob.say(home, f"message {number}")).seq for number in range(MAX_OPEN)]
        for seq in places:
            await ann.ask(ReportMessage(home, seq, "spam"))
        assert await ann.refused(ReportPerson(bob.user_id, "spams")) == "too_many"
        await ann.ask(ReportMessage(home, places[0], "spam, again"))
        numbers: list[int] = []
        while True:
            page = await olga.ask(ListReports(numbers[-1] if numbers else 0))
            assert len(page.reports) <= REPORTS_PAGE
            numbers += [one.number for one in page.reports]
            if not page.more:
                break
        assert numbers == list(range(MAX_OPEN, 0, -1))
        await olga.ask(CloseReport(7))
        await ann.ask(ReportPerson(bob.user_id, "spams"))


async def test_a_page_of_the_longest_reports_fits_into_a_frame(autojump_clock: object) -> None:
    async with open_test_server() as server:
        ann, bob, olga = await with_operator(server, "ann", "bob")
        home = await ann.make_group("山" * 64, bob)
        for _ in range(REPORTS_PAGE):
            await ann.ask(ReportMessage(home, (await bob.say(home, "🧧" * 4096)).seq, "🧧" * 300))
        for one in await open_reports(olga):
            await olga.ask(CloseReport(one.number, "🧧" * 300))
        found = await open_reports(olga, closed=True)
        assert [len(one.text) for one in found] == [500] * REPORTS_PAGE

"""Notifications: of hidden tabs only, one for each chat, opened by a click, closed when it was read anywhere."""

import re
import time

from playwright.sync_api import Page, Worker, expect
from support.page_kit import WAIT_MS, Person, Town, chat_in, service_worker, wait_for, wait_for_one

from chatsrv.client import Client

HIDDEN = """
for (const [name, value] of [["hidden", true], ["visibilityState", "hidden"]])
    Object.defineProperty(document, name, { configurable: true, get: () => value });
document.dispatchEvent(new Event("visibilitychange"));
"""

SHOWN = (
    "navigator.serviceWorker.ready.then(it => it.getNotifications()).then(all => all.map(one => [one.title, one.body]))"
)

NOBODY_LOOKS = """
const matchAll = clients.matchAll.bind(clients);
clients.matchAll = async options => (await matchAll(options)).map(client => ({
    visibilityState: "hidden",
    postMessage: data => client.postMessage(data),
    focus: async () => { self.focused = client.url; },
}));
"""
"""Headless tabs are all visible to a service worker, whatever the page says of itself."""

CLICK = """async () => {
    const [notification] = await registration.getNotifications();
    const event = new ExtendableEvent("notificationclick");
    event.notification = notification;
    dispatchEvent(event);
}"""

IN_NEWS = "document.querySelector('[role=log]')?.getAttribute('aria-label') === 'News'"


def switch_on(person: Person) -> None:
    """Press the button; the browser's permission is there."""
    person.page.get_by_role("button", name=re.compile("^Me: ")).click()
    person.page.get_by_role("button", name="Show notifications", exact=True).click()
    person.page.get_by_role("button", name="Show no notifications", exact=True).wait_for()
    person.page.get_by_role("button", name="Back to chats", exact=True).click()


def worker_of(page: Page) -> Worker:
    """The page's service worker, which takes every tab for hidden."""
    worker = service_worker(page)
    wait_for(page, "navigator.serviceWorker.controller !== null")
    worker.evaluate(NOBODY_LOOKS)
    return worker


def permitted(town: Town, name: str) -> Person:
    """Somebody whose browser permits notifications, and who wants them."""
    person = town.person(name, permissions=["notifications"])
    switch_on(person)
    return person


def test_two_hidden_tabs_show_one_notification_that_opens_its_chat_and_goes_when_it_was_read(town: Town):
    ann, bob = permitted(town, "nann"), town.person("nbob")
    town.group(bob, "Other", ann)
    town.group(bob, "News", ann)
    second = ann.page.context.new_page()
    second.goto(town.url)
    chat_in(second, "News").wait_for()
    worker = worker_of(ann.page)
    for page in (ann.page, second):
        page.evaluate(HIDDEN)
    bob.say("one")
    wait_for(second, f"{SHOWN}.then(all => all.length === 1)")
    bob.say("<b>two</b>")
    wait_for(second, f"{SHOWN}.then(all => all[0]?.[1] === 'nbob: <b>two</b>')")
    assert second.evaluate(SHOWN) == [["News", "nbob: <b>two</b>"]]
    worker.evaluate(CLICK)
    opened = wait_for_one((ann.page, second), IN_NEWS)
    other = second if opened is ann.page else ann.page
    assert not other.evaluate(IN_NEWS)
    wait_for(ann.page, f"{SHOWN}.then(all => all.length === 0)")
    bob.open("Other")
    bob.say("three")
    wait_for(second, f"{SHOWN}.then(all => all.length === 1)")

    async def read(client: Client) -> None:
        for group in await client.groups.list():
            await client.group(group.group_id).mark_read(group.seq)

    town.program("nann", read)
    wait_for(second, f"{SHOWN}.then(all => all.length === 0)")


SHOW_AT = """async ([title, seq, group]) => {
    await registration.showNotification(title, { tag: `chat-${group}`, data: { group, seq } });
}"""


def test_a_notification_stays_until_its_own_message_was_read(town: Town):
    """Another tab, or the service worker, may know of a message that this tab's list does not count yet."""
    ann, bob = permitted(town, "stayann"), town.person("staybob")
    town.group(bob, "Other", ann)
    town.group(bob, "News", ann)
    chat_in(ann.page, "News").wait_for()
    places: dict[str, tuple[int, int]] = {}

    async def look(client: Client) -> None:
        for group in await client.groups.list():
            places[group.name] = group.group_id, group.seq

    town.program("stayann", look)
    worker = worker_of(ann.page)
    for name in ("Other", "News"):
        group_id, seq = places[name]
        worker.evaluate(SHOW_AT, [name, seq + 1, str(group_id)])
    bob.open("News")
    bob.say("one")
    ann.open("News")
    wait_for(ann.page, f"{SHOWN}.then(all => all.length === 1 && all[0][0] === 'Other')")


def test_the_first_message_of_a_new_chat_notifies(town: Town):
    """A hidden tab learns of the chat a moment before, and puts it into its list a moment later."""
    ann = permitted(town, "firstann")
    worker_of(ann.page)
    ann.page.evaluate(HIDDEN)

    async def write(client: Client) -> None:
        [person] = await client.people.find(["firstann"])
        group = await client.groups.create("Brand new", [person.user_id])
        await client.group(group.group_id).send("hello")

    town.program("firstbob", write)
    wait_for(ann.page, f"{SHOWN}.then(all => all.length === 1)")
    assert ann.page.evaluate(SHOWN) == [["Brand new", "firstbob: hello"]]


def test_a_quiet_chat_notifies_only_of_what_calls_me_and_nobody_of_their_own(town: Town):
    ann, bob = permitted(town, "qann"), town.person("qbob")
    town.group(bob, "Quiet", ann)
    ann.open("Quiet")
    quiet = ann.page.get_by_role("button", name="Quiet: no badge in the title", exact=True)
    quiet.click()
    expect(quiet).to_have_attribute("aria-pressed", "true")
    worker_of(ann.page)
    ann.say("my own")
    bob.open("Quiet")
    bob.sees("my own")
    ann.page.evaluate(HIDDEN)
    bob.say("nothing much")
    ann.sees("nothing much")
    bob.box.press_sequentially("@qa")
    expect(bob.page.get_by_role("option")).to_contain_text("qann")
    bob.box.press("Enter")
    expect(bob.box).to_have_value("@qann ")
    bob.box.press_sequentially("come")
    bob.box.press("Enter")
    ann.sees("@qann come")
    wait_for(ann.page, f"{SHOWN}.then(all => all.length === 1)")
    assert ann.page.evaluate(SHOWN) == [["Quiet", "qbob: @qann come"]]


def test_who_looks_at_the_page_is_not_notified(town: Town):
    ann, bob = permitted(town, "lann"), town.person("lbob")
    town.group(bob, "Looking", ann)
    worker = service_worker(ann.page)
    worker.evaluate("self.asked = 0; addEventListener('message', ({data}) => { if (data.kind === 'notify') asked++; })")
    bob.say("hello")
    expect(ann.page).to_have_title("(1) chatsrv")
    deadline = time.monotonic() + WAIT_MS / 1000
    while not worker.evaluate("asked"):
        assert time.monotonic() < deadline
        ann.page.wait_for_timeout(20)
    worker.evaluate("clients.matchAll({ type: 'window' }).then(() => 1)")  # what it asks before it shows something
    assert ann.page.evaluate(SHOWN) == []


def test_permission_is_asked_by_the_button_only_and_a_refusal_says_what_to_do(town: Town):
    asked = "window.asked = 0; Notification.requestPermission = async () => { window.asked++; return 'denied'; };"

    def refuse(page: Page) -> None:
        page.add_init_script(asked)

    ann = town.person("dann", prepare=refuse)
    town.group(ann, "Alone")
    assert ann.page.evaluate("window.asked") == 0
    ann.page.get_by_role("button", name=re.compile("^Me: ")).click()
    ann.page.evaluate("() => { Object.defineProperty(Notification, 'permission', { get: () => 'denied' }); }")
    ann.page.get_by_role("button", name="Show notifications", exact=True).click()
    expect(ann.page.get_by_text(re.compile("was told to show none from here"))).to_be_visible()
    assert ann.page.evaluate("window.asked") == 1
    expect(ann.page.get_by_role("button", name="Show notifications", exact=True)).to_be_disabled()


def test_a_notification_opens_its_chat_where_no_tab_is_open(town: Town):
    ann, bob = town.person("oann"), town.person("obob")
    town.group(bob, "Later", ann)

    async def group_id(client: Client) -> int:
        [group] = await client.groups.list()
        return group.group_id

    found = town.program("obob", group_id)
    ann.page.goto(f"{town.url}#chat={found}")
    ann.page.reload()
    ann.page.get_by_role("log", name="Later", exact=True).wait_for()
    assert "#" not in ann.page.url

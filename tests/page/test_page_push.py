"""Notifications while no page is open: a subscription made by a button, a post that this browser's keys open, what is shown.

No push service of a browser's maker is asked: the browser's part of a subscription is put in, as one that points to a push
service on loopback, and what that is sent is handed to the service worker as the browser would hand it over.
"""

import base64
import contextlib
import json
import queue
import re
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from playwright.sync_api import Browser, CDPSession, Page, expect
from support.page_kit import WAIT_MS, Person, Town, faults, open_town, service_worker, wait_for
from support.push_kit import Device, PushService, open_push_service

ON = "Notify this device while the page is closed"
OFF = "Do not notify this device while the page is closed"
SHOWN = "registration.getNotifications().then(all => all.map(one => [one.title, one.body, one.tag]))"

BROWSER = """
(([endpoint, point, auth]) => {
    const bytes = text => Uint8Array.from(atob(text), each => each.charCodeAt(0)).buffer;
    let mine = null;
    window.asked = [];
    Object.assign(PushManager.prototype, {
        getSubscription: async () => mine,
        subscribe: async options => {
            window.asked.push(options.userVisibleOnly, options.applicationServerKey.length);
            return mine = {
                endpoint, options,
                getKey: name => name === "p256dh" ? bytes(point) : bytes(auth),
                unsubscribe: async () => { mine = null; window.asked.push("unsubscribed"); return true; },
            };
        },
    });
})(%s);
"""

SOCKETS = """
window.sockets = [];
window.WebSocket = class extends WebSocket {
    constructor(...how) {
        super(...how);
        window.sockets.push(this);
    }
};
"""

CLOSED = """() => {
    window.WebSocket = class { send() {} close() {} };
    return Promise.all(window.sockets.map(socket => new Promise(done => {
        if (socket.readyState === 3) done();
        socket.addEventListener("close", () => done());
        socket.close();
    })));
}"""
"""Closes the page's sockets, with the server's answer, and lets it open no more."""


@attrs.define
class Service:
    """A push service in a thread of its own: the test's thread belongs to the browser."""

    port: int
    authority: Path
    posts: "queue.Queue[bytes]" = attrs.field(factory=queue.Queue)
    status: int = 201


@contextlib.contextmanager
def in_thread(folder: Path) -> Generator[Service]:
    started: queue.Queue[tuple[Service, trio.CancelScope, trio.lowlevel.TrioToken]] = queue.Queue()

    async def run() -> None:
        async with open_push_service(folder) as found:
            service = Service(found.port, found.authority)
            with trio.CancelScope() as scope:
                started.put((service, scope, trio.lowlevel.current_trio_token()))
                await hand_over(found, service)

    async def hand_over(found: PushService, service: Service) -> None:
        while True:
            found.status = service.status
            _, _, body = await found.next(10_000)
            service.posts.put(body)

    thread = threading.Thread(target=trio.run, args=(run,))
    thread.start()
    service, scope, token = started.get(timeout=WAIT_MS / 1000)
    try:
        yield service
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Generator[Service]:
    with in_thread(tmp_path_factory.mktemp("service")) as found:
        yield found


@pytest.fixture(scope="module")
def server(browser: Browser, service: Service, tmp_path_factory: pytest.TempPathFactory) -> Generator[Town]:
    """A server that posts to the push service on loopback."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(service.authority))
        data = tmp_path_factory.mktemp("push") / "data"
        with open_town(browser, data, "--push-services", f"localhost:{service.port}") as town:
            yield town


def subscriber(town: Town, service: Service, name: str, number: int) -> tuple[Person, Device]:
    """Somebody whose browser gives out a subscription with this device's keys."""
    device = Device(number, f"https://localhost:{service.port}/wpush")
    keys = [device.endpoint, *(base64.b64encode(each).decode() for each in (device.point, device.auth))]

    def prepare(page: Page) -> None:
        page.add_init_script(SOCKETS + BROWSER % json.dumps(keys))

    return town.person(name, prepare=prepare, permissions=["notifications"]), device


def me(person: Person) -> None:
    person.page.get_by_role("button", name=re.compile("^Me: ")).click()


def leave(ann: Person) -> None:
    """Close the page's connection, and wait until the server has closed its end: then it knows that the device is not there."""
    ann.page.evaluate(CLOSED)
    ann.page.goto("about:blank")


def deliver(session: CDPSession, page: Page, url: str, data: str) -> None:
    """Hand a message to the service worker, as the browser does when its push service brings one."""
    found: list[str] = []
    session.on("ServiceWorker.workerRegistrationUpdated", lambda event: _take(event, url, found))
    session.send("ServiceWorker.enable")
    wait = 0
    while not found:
        page.wait_for_timeout(50)
        wait += 1
        assert wait < WAIT_MS / 50, "the browser names no registration"
    origin = url.rstrip("/")
    session.send("ServiceWorker.deliverPushMessage", {"origin": origin, "registrationId": found[-1], "data": data})


def _take(event: dict[str, Any], url: str, found: list[str]) -> None:
    found += [each["registrationId"] for each in event["registrations"] if each["scopeURL"] == f"{url.rstrip('/')}/"]


def test_a_message_to_a_closed_page_is_shown_as_group_and_count_and_opens_its_chat(town: Town, service: Service):
    ann, device = subscriber(town, service, "pann", 11)
    bob = town.person("pbob")
    town.group(bob, "Kitchen", ann)
    me(ann)
    ann.page.get_by_role("button", name=ON, exact=True).click()
    ann.page.get_by_role("button", name=OFF, exact=True).wait_for()
    assert ann.page.evaluate("window.asked") == [True, 65]
    assert faults(ann.page) == []
    worker = service_worker(ann.page)
    leave(ann)
    bob.say("the soup is at one")
    body = service.posts.get(timeout=WAIT_MS / 1000)
    told = device.told(body)
    assert (told["name"], told["count"]) == ("Kitchen", 1)
    assert b"soup" not in device.decrypt(body)
    worker.evaluate("clients.matchAll = async () => []")
    deliver(ann.page.context.new_cdp_session(ann.page), ann.page, town.url, json.dumps(told))
    expected = [["Kitchen", "1 unread message", f"chat-{told['group']}"]]
    deadline = time.monotonic() + WAIT_MS / 1000
    while not worker.evaluate(SHOWN):
        assert time.monotonic() < deadline
        ann.page.wait_for_timeout(50)
    assert worker.evaluate(SHOWN) == expected
    ann.page.goto(f"{town.url}#chat={told['group']}")  # what a click on it opens
    ann.sees("the soup is at one")
    wait_for(ann.page, "navigator.serviceWorker.ready.then(it => it.getNotifications()).then(all => all.length === 0)")


def test_who_wrote_and_what_is_shown_to_who_chooses_it_and_switching_off_ends_it(town: Town, service: Service):
    ann, device = subscriber(town, service, "tann", 12)
    bob = town.person("tbob")
    town.group(bob, "Garden", ann)
    me(ann)
    ann.page.get_by_role("button", name=ON, exact=True).click()
    ann.page.get_by_label("Show who wrote, and the beginning", exact=True).check()
    wait_for(ann.page, "localStorage.getItem('chatsrv.push')?.startsWith('text ')")
    leave(ann)
    bob.say("the soup is at one")
    told = device.told(service.posts.get(timeout=WAIT_MS / 1000))
    assert (told["by"], told["text"]) == ("tbob", "the soup is at one")
    ann.page.goto(town.url)
    me(ann)
    expect(ann.page.get_by_label("Show who wrote, and the beginning", exact=True)).to_be_checked()
    ann.page.get_by_role("button", name=OFF, exact=True).click()
    ann.page.get_by_role("button", name=ON, exact=True).wait_for()
    assert ann.page.evaluate("window.asked.at(-1)") == "unsubscribed"
    assert ann.page.evaluate("localStorage.getItem('chatsrv.push')") is None

    async def subscribed(client: Any) -> bool:
        return (await client.account.push()).subscribed

    assert not town.program("tann", subscribed)


def test_logging_out_ends_the_browsers_subscription_and_the_next_person_has_none(town: Town, service: Service):
    ann, _ = subscriber(town, service, "lann", 13)
    me(ann)
    ann.page.get_by_role("button", name=ON, exact=True).click()
    ann.page.get_by_role("button", name=OFF, exact=True).wait_for()
    ann.page.get_by_role("button", name="Log out", exact=True).click()
    ann.page.get_by_role("button", name="Register", exact=True).wait_for()
    wait_for(ann.page, "window.asked.at(-1) === 'unsubscribed' && localStorage.getItem('chatsrv.push') === null")


DENIED = "Object.defineProperty(Notification, 'permission', { get: () => 'denied' });"


def deny(page: Page) -> None:
    page.add_init_script(DENIED)


def test_a_browser_that_was_told_to_show_none_says_so(town: Town):
    ann = town.person("sann", prepare=deny)
    me(ann)
    expect(ann.page.get_by_role("button", name=ON, exact=True)).to_be_disabled()

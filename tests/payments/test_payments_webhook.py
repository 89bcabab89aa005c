"""The webhook provider against a real HTTP server: what it posts, how it is signed, and what each answer means."""

import json
import threading
from collections.abc import AsyncGenerator, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import attrs
import httpx
import pytest
import trio
from support.money_kit import log_of

from chatsrv.clock import SystemClock
from chatsrv.log import Log, quiet_log
from chatsrv.payments import PayoutResult, WebhookProvider, signature
from chatsrv.payments.webhook import MAX_ANSWER
from chatsrv_storage.money.payouts import Payout

PAYOUT = Payout(90, 7, "安", 1250, 0, 1_790_000_000_000)


@attrs.define
class Bank:
    """A payment provider that answers what it is told to."""

    url: str
    status: int = 200
    answer: bytes = b'{"status": "paid"}'
    posts: list[tuple[dict[str, str], bytes]] = attrs.field(factory=list)


@pytest.fixture
def bank() -> Iterator[Bank]:
    made = Bank("")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append((dict(self.headers), body))
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(made.answer)))
            self.end_headers()
            self.wfile.write(made.answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class names it so
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/pay"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


async def pay(bank: Bank, transport: httpx.AsyncBaseTransport | None = None, log: Log | None = None) -> PayoutResult:
    async with httpx.AsyncClient(trust_env=False, transport=transport) as client:
        provider = WebhookProvider(client, bank.url, "a secret", SystemClock(), log or quiet_log())
        return await provider.pay(PAYOUT)


async def test_what_is_posted(bank: Bank) -> None:
    assert await pay(bank) is PayoutResult.PAID
    ((headers, body),) = bank.posts
    assert json.loads(body) == {
        "withdrawal_id": "90",
        "user_id": "7",
        "name": "安",
        "cents": 1250,
        "requested_at": 1_790_000_000_000,
    }
    assert headers["Idempotency-Key"] == "90"
    assert headers["Chatsrv-Signature"] == signature("a secret", int(headers["Chatsrv-Timestamp"]), body)
    assert headers["Chatsrv-Signature"] != signature("another", int(headers["Chatsrv-Timestamp"]), body)


@pytest.mark.parametrize(
    ("status", "answer", "expected"),
    [
        (200, b'{"status": "refused"}', PayoutResult.REFUSED),
        (202, b'{"status": "pending"}', PayoutResult.LATER),
        (200, b"{}", PayoutResult.LATER),
        (200, b"[]", PayoutResult.LATER),
        (200, b"not json \xff", PayoutResult.LATER),
        (500, b'{"status": "paid"}', PayoutResult.LATER),
        (404, b'{"status": "refused"}', PayoutResult.LATER),
        (200, b'{"status": "paid"' + b" " * 70_000 + b"}", PayoutResult.LATER),
    ],
)
async def test_what_an_answer_means(bank: Bank, status: int, answer: bytes, expected: PayoutResult) -> None:
    bank.status, bank.answer = status, answer
    assert await pay(bank) is expected


async def test_nobody_there_is_later() -> None:
    assert await pay(Bank("http://127.0.0.1:9/")) is PayoutResult.LATER


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:x/", "nowhere", "ftp://127.0.0.1/", "http://"])
async def test_a_url_that_is_none_is_later_and_ends_nothing(url: str) -> None:
    assert await pay(Bank(url)) is PayoutResult.LATER


async def test_an_answer_that_python_cannot_nest_is_later(bank: Bank) -> None:
    bank.answer = b"[" * 60_000
    assert await pay(bank) is PayoutResult.LATER


async def test_an_endless_answer_is_not_read_to_its_end(bank: Bank) -> None:
    read = 0

    async def endless() -> AsyncGenerator[bytes]:
        nonlocal read
        while read < 100 * MAX_ANSWER:
            read += 4096
            await trio.lowlevel.checkpoint()
            yield b" " * 4096

    async def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=endless())

    assert await pay(bank, httpx.MockTransport(answer)) is PayoutResult.LATER
    assert read <= MAX_ANSWER + 2 * 4096


async def test_why_a_payout_waits_is_logged_and_no_secret_with_it(bank: Bank) -> None:
    lines: list[Any] = []
    bank.status = 503
    assert await pay(bank, log=log_of(lines)) is PayoutResult.LATER
    assert await pay(Bank("http://user:hunter2@127.0.0.1:9/"), log=log_of(lines)) is PayoutResult.LATER
    bank.status, bank.answer = 202, b'{"status": "pending"}'
    assert await pay(bank, log=log_of(lines)) is PayoutResult.LATER
    assert [(line["level"], line["withdrawal_id"]) for line in lines] == [
        ("warning", 90),
        ("warning", 90),
        ("info", 90),
    ]
    assert "503" in lines[0]["reason"]
    assert not [word for word in ("a secret", "hunter2") if word in repr(lines)]

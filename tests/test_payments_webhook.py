"""The webhook provider against a real HTTP server: what it posts, how it is signed, and what each answer means."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import attrs
import httpx
import pytest

from chatsrv.clock import SystemClock
from chatsrv.payments import Answer, WebhookProvider, signature
from chatsrv_storage.payouts import Payout

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


async def pay(bank: Bank) -> Answer:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await WebhookProvider(client, bank.url, "a secret", SystemClock()).pay(PAYOUT)


async def test_what_is_posted(bank: Bank) -> None:
    assert await pay(bank) is Answer.PAID
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
        (200, b'{"status": "refused"}', Answer.REFUSED),
        (202, b'{"status": "pending"}', Answer.LATER),
        (200, b"{}", Answer.LATER),
        (200, b"[]", Answer.LATER),
        (200, b"not json \xff", Answer.LATER),
        (500, b'{"status": "paid"}', Answer.LATER),
        (404, b'{"status": "refused"}', Answer.LATER),
        (200, b'{"status": "paid"' + b" " * 70_000 + b"}", Answer.LATER),
    ],
)
async def test_what_an_answer_means(bank: Bank, status: int, answer: bytes, expected: Answer) -> None:
    bank.status, bank.answer = status, answer
    assert await pay(bank) is expected


async def test_nobody_there_is_later() -> None:
    assert await pay(Bank("http://127.0.0.1:9/")) is Answer.LATER

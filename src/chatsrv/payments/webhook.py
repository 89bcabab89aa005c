"""A payment provider behind a URL: each payout is posted at least once, signed, with its id as Idempotency-Key.

    POST URL
    Idempotency-Key: 250811800877006848
    Chatsrv-Timestamp: 1795486891              seconds since 1970, when it was signed
    Chatsrv-Signature: v1=<hex HMAC-SHA256 of "TIMESTAMP.BODY" under the secret>

    {"withdrawal_id": "250811800877006848", "user_id": "…", "name": "ann", "cents": 1250, "requested_at": 1795486890123}

A 2xx answer with {"status": "paid"} settles the payout, with {"status": "refused"} reverses it; anything else is asked
again later. The receiver compares the signature, refuses a timestamp that is old, and pays an id once.
"""

import hashlib
import hmac
import json
from typing import cast

import httpx

from chatsrv.clock import Clock
from chatsrv.http_calls import call
from chatsrv.log import Log
from chatsrv.payments.interface import PayoutResult
from chatsrv_storage.money.payouts import Payout

MAX_ANSWER = 64 * 1024
"""Bytes of an answer that are looked at."""


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """Return the value of Chatsrv-Signature."""
    return "v1=" + hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


class _NoAnswer(Exception):
    """An answer that says nothing about the payout; the sentence is for the log."""


class WebhookProvider:
    """Posts payouts to one URL."""

    def __init__(self, client: httpx.AsyncClient, url: str, secret: str, clock: Clock, log: Log) -> None:
        self._client = client
        self._url = url
        self._secret = secret
        self._clock = clock
        self._log = log

    async def pay(self, payout: Payout) -> PayoutResult:
        """Post once; an error of any kind means later, and is logged (never the URL, which may hold a password)."""
        try:
            answer: object = json.loads(await self._post(payout))
        except (_NoAnswer, httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as error:
            reason = f"{type(error).__name__.strip('_')}: {error}"
            self._log.warning("the payment provider failed", withdrawal_id=payout.withdrawal_id, reason=reason)
            return PayoutResult.LATER
        status = cast("dict[str, object]", answer).get("status") if isinstance(answer, dict) else None
        if status not in ("paid", "refused"):
            self._log.info("the payment provider needs more time", withdrawal_id=payout.withdrawal_id)
            return PayoutResult.LATER
        return PayoutResult(status)

    async def _post(self, payout: Payout) -> bytes:
        """Return the body of a 2xx answer, read as far as its bound. Raises _NoAnswer, and what httpx raises."""
        body = json.dumps(
            {
                "withdrawal_id": str(payout.withdrawal_id),
                "user_id": str(payout.user_id),
                "name": payout.name,
                "cents": payout.cents,
                "requested_at": payout.requested_at,
            },
            ensure_ascii=False,
        ).encode()
        timestamp = self._clock.now_ms() // 1000
        headers = {
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # a few bytes could unpack to any number of them
            "Idempotency-Key": str(payout.withdrawal_id),
            "Chatsrv-Timestamp": str(timestamp),
            "Chatsrv-Signature": signature(self._secret, timestamp, body),
        }
        told = await call(self._client, "POST", self._url, headers=headers, content=body, most=MAX_ANSWER)
        if not 200 <= told.status < 300:
            raise _NoAnswer(f"it answered with status {told.status}")
        return told.body

"""Decides which devices are notified of which groups, and sees to it that each notice is posted once or given up.

The channels note which groups changed. After a moment, in which those who are connected can read, the database says whose
devices are to hear of them (chatsrv_storage.messages.push_notices). Each notice is claimed there, by one node alone, and
posted by one of a few workers; what it says is read just before, so that nobody learns what they may no longer read.

All of it is a hint: what is under way is lost when the server stops, and the next message makes up for it. Subscriptions
are not lost.
"""

from typing import Final

import attrs
import trio

from chatsrv.bus import LocalBus
from chatsrv.clock import Clock, Randomness
from chatsrv.log import Log
from chatsrv.push.encryption import encrypt, private_key
from chatsrv.push.message import headers_of, text_of
from chatsrv.push.sender import PushAnswer, PushGateway
from chatsrv.push.services import Endpoint, PushServices
from chatsrv.push.vapid import VapidSigner
from chatsrv_storage.accounts import push_subscriptions
from chatsrv_storage.errors import Refusal, StorageFailed
from chatsrv_storage.interface import Storage
from chatsrv_storage.messages import push_notices
from chatsrv_storage.messages.push_notices import DueNotice, PushNotice

SETTLE_SECONDS: Final = 2.0
"""From a change of a group to the decision: what comes together is one notice, and who is looking has read."""

RECHECK_SECONDS: Final = 90.0
"""A device that had a connection is looked at again after this: it may have been asleep, and its connection dead. Longer
than a silent connection lives (twice `heartbeat`), so that by then the server knows."""

SEEN_MS: Final = 75_000
"""A session that another node noted as connected within this time may be so still: nodes note it every 30 s."""

GROUPS_PER_LOOK: Final = 20
"""Groups of one query: their members with devices are looked at, 500 each at most."""

LOOK_PAUSE_SECONDS: Final = 0.05

MAX_WAITING_GROUPS: Final = 100_000
"""Groups that are to be looked at, some 10 MB; what changes beyond is not notified of."""

MAX_QUEUED_NOTICES: Final = 256
"""Notices that wait for a worker; beyond, groups wait, and what changes in them becomes one notice."""

WORKERS: Final = 8
"""Notices that are posted at a time."""

MAX_PAUSED_HOSTS: Final = 1_000


@attrs.define
class PushCounts:
    """What was sent since the start."""

    taken: int = 0
    failed: int = 0
    ended: int = 0
    """Subscriptions that their push service said were gone."""


class PushNotifier:
    """Which groups changed, and the tasks that notify devices of them. `run` it for the server's life."""

    def __init__(
        self,
        storage: Storage,
        bus: LocalBus,
        clock: Clock,
        randomness: Randomness,
        log: Log,
        services: PushServices,
        contact: str,
    ) -> None:
        self._storage = storage
        self._bus = bus
        self._clock = clock
        self._randomness = randomness
        self.log: Final = log
        self._services = services
        self._contact = contact
        self._changed: dict[int, None] = {}
        self._later: dict[int, float] = {}
        self._some = trio.Event()
        self._paused: dict[str, float] = {}
        self._signer: VapidSigner | None = None
        self.counts: Final = PushCounts()

    def changed(self, group_id: int) -> None:
        """Note that a group has new events, which this node committed."""
        if len(self._changed) < MAX_WAITING_GROUPS:
            self._changed[group_id] = None
            self._some.set()

    def endpoint(self, url: str) -> Endpoint | None:
        """Return what a subscription's URL names, if this server posts there; None if it does not."""
        return self._services.endpoint(url)

    async def signer(self) -> VapidSigner:
        """Return what signs with the server's key, which is made at the first use. Raises Refusal."""
        if self._signer is None:
            scalar = await self._storage.look_up(push_subscriptions.server_key)
            if scalar is None:
                made = self._randomness.bytes(32)
                scalar = await self._storage.write(lambda conn: push_subscriptions.make_server_key(conn, made))
            self._signer = VapidSigner(scalar, self._contact)
        return self._signer

    async def run(self, gateway: PushGateway) -> None:
        """Notify devices, forever; nothing is done while nothing changes."""
        send, receive = trio.open_memory_channel[DueNotice](MAX_QUEUED_NOTICES)
        async with send, receive, trio.open_nursery() as nursery:
            for _ in range(WORKERS):
                nursery.start_soon(self._work, receive, gateway)
            while True:
                await self._wait()
                await self._look(send)

    async def _wait(self) -> None:
        """Return when there is a group to look at, and what came with its change is there too."""
        with trio.move_on_at(min(self._later.values(), default=float("inf"))):
            await self._some.wait()
        await trio.sleep(SETTLE_SECONDS)
        self._some = trio.Event()

    async def _look(self, send: trio.MemorySendChannel[DueNotice]) -> None:
        """Look at all groups that changed, or whose time has come."""
        now = trio.current_time()
        again = [group_id for group_id, at in self._later.items() if at <= now]
        for group_id in again:
            del self._later[group_id]
        groups = list(dict.fromkeys([*self._changed, *again]))
        self._changed = {}
        try:
            if not await self._storage.look_up(push_subscriptions.any_subscription):
                self._later.clear()
                return
            for start in range(0, len(groups), GROUPS_PER_LOOK):
                await self._look_at(groups[start : start + GROUPS_PER_LOOK], frozenset(again), send)
                await trio.sleep(LOOK_PAUSE_SECONDS)
        except Refusal as refused:  # the database is busy, or full
            self.log.warning("devices are not notified now", reason=refused.message)

    async def _look_at(self, groups: list[int], again: frozenset[int], send: trio.MemorySendChannel[DueNotice]) -> None:
        now_ms = self._clock.now_ms()
        found = await self._storage.read(lambda conn: push_notices.due_notices(conn, groups, now_ms))
        due: list[DueNotice] = []
        for each in found:
            if each.wait_until_ms:
                self._look_later(each.group_id, (each.wait_until_ms - now_ms) / 1000)
            elif not self._is_connected(each, now_ms):
                due.append(each)
            elif each.group_id not in again:
                self._look_later(each.group_id, RECHECK_SECONDS)
        if due:
            for claimed in await self._storage.write(lambda conn: push_notices.claim(conn, due, now_ms)):
                await send.send(claimed)

    def _look_later(self, group_id: int, seconds: float) -> None:
        at = trio.current_time() + seconds
        if group_id in self._later or len(self._later) < MAX_WAITING_GROUPS:
            self._later[group_id] = min(at, self._later.get(group_id, at))

    def _is_connected(self, due: DueNotice, now_ms: int) -> bool:
        """Whether the session has a connection, here or, as far as is known, to another node."""
        if any(each.session_id == due.session_id for each in self._bus.connections(due.user_id)):
            return True
        return self._bus.is_elsewhere(due.user_id) and now_ms - due.seen_at < SEEN_MS

    # Posting.

    async def _work(self, receive: trio.MemoryReceiveChannel[DueNotice], gateway: PushGateway) -> None:
        async for due in receive:
            try:
                await self._notify(due, gateway)
            except Refusal as refused:
                self.log.warning("a device was not notified", reason=refused.message)
            except StorageFailed:
                raise
            except Exception:
                self.log.exception("a device was not notified")

    async def _notify(self, due: DueNotice, gateway: PushGateway) -> None:
        """Post one notice, if there is still something to say, and note what became of it."""
        notice = await self._storage.read(lambda conn: push_notices.notice(conn, due.session_id, due.group_id))
        endpoint = None if notice is None else self._services.endpoint(notice.subscription.endpoint)
        if notice is None or endpoint is None:  # the operator's list may be another by now
            await self._storage.write(lambda conn: push_notices.release(conn, due))
            return
        answer = self._of_paused(endpoint) or await self._post(notice, endpoint, gateway)
        if answer.is_taken:
            self.counts.taken += 1
        elif answer.is_gone:
            self.counts.ended += 1
            await self._storage.write(lambda conn: push_subscriptions.end(conn, notice.subscription))
        else:
            self.counts.failed += 1
            await self._try_later(due, endpoint, answer)

    async def _post(self, notice: PushNotice, endpoint: Endpoint, gateway: PushGateway) -> PushAnswer:
        key, salt = private_key(self._randomness.bytes(32)), self._randomness.bytes(16)
        body = encrypt(text_of(notice), notice.subscription.p256dh, notice.subscription.auth, key, salt)
        signer = await self.signer()
        authorization = signer.authorization(endpoint.origin, self._clock.now_ms())
        return await gateway.post(endpoint, headers_of(notice, authorization), body)

    def _of_paused(self, endpoint: Endpoint) -> PushAnswer | None:
        """Return the answer of a service that asked to be left alone until later; None where none did."""
        until = self._paused.get(endpoint.origin)
        if until is None:
            return None
        left = until - trio.current_time()
        if left > 0:
            return PushAnswer(429, left, "the service asked to wait")
        del self._paused[endpoint.origin]
        return None

    async def _try_later(self, due: DueNotice, endpoint: Endpoint, answer: PushAnswer) -> None:
        """Make the notice due again when the device's wait is over, and what the service asked for; a few times."""
        self.log.info("a push service took nothing", host=endpoint.host, status=answer.status, reason=answer.reason)
        if answer.status in (429, 503) and answer.retry_after:
            if len(self._paused) >= MAX_PAUSED_HOSTS:
                self._paused.clear()
            self._paused[endpoint.origin] = trio.current_time() + answer.retry_after
        if not answer.is_temporary or due.streak >= push_notices.MAX_RETRIED:
            return
        wait = max(answer.retry_after, push_notices.wait_ms(due.streak) / 1000)
        at_ms = self._clock.now_ms() + round(wait * 1000)
        await self._storage.write(lambda conn: push_notices.try_later(conn, due, at_ms))
        self._look_later(due.group_id, wait)

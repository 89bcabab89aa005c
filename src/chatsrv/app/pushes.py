"""Puts notifications by push services together: what decides on them, and the way out."""

from chatsrv.bus import LocalBus
from chatsrv.clock import Clock, Randomness
from chatsrv.config import Config
from chatsrv.log import Log
from chatsrv.metrics import Metrics
from chatsrv.push import HttpPushGateway, PushGateway, PushNotifier
from chatsrv.push.services import PushServices
from chatsrv_storage.interface import Storage


def make_notifier(
    config: Config, storage: Storage, bus: LocalBus, clock: Clock, randomness: Randomness, metrics: Metrics, log: Log
) -> PushNotifier | None:
    """Return what notifies devices, and what is measured of it; None where the setting `push` is off."""
    if not config.push:
        return None
    contact = config.push_contact or (f"https://{config.names[0]}" if config.names else "")
    notifier = PushNotifier(storage, bus, clock, randomness, log, PushServices(config.push_services), contact)
    counts = notifier.counts
    metrics.watch("push_taken", "Notifications that push services took, since the start.", lambda: float(counts.taken))
    metrics.watch("push_failed", "Notifications that they did not take.", lambda: float(counts.failed))
    metrics.watch("push_ended", "Subscriptions that they said are gone.", lambda: float(counts.ended))
    return notifier


async def run_notifier(
    notifier: PushNotifier | None, gateway: PushGateway | None, config: Config, clock: Clock
) -> None:
    """Notify devices, forever; over HTTPS where no other way is given. Without a notifier there is nothing to do."""
    if notifier is None:
        return
    if gateway is not None:
        await notifier.run(gateway)
        return
    async with HttpPushGateway.open(PushServices(config.push_services), lambda: clock.now_ms() / 1000) as opened:
        await notifier.run(opened)

"""The metrics of a server, for Prometheus: one registry per server, so that several live in one process.

The library's counters lock, and cost 0.8 µs each; so the hot path, which is one batch of a group and never a delivery,
has plain numbers of its own. What can be asked when it is read (connections, waiting bytes) is asked then.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final

import trio
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

_COMMIT_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_BATCH_BUCKETS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class _Spread:
    """How many observations fell into which bucket: a histogram for one thread."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def family(self, name: str, what: str) -> Metric:
        names = [*map(str, self.bounds), "+Inf"]
        return HistogramMetricFamily(
            name, what, buckets=list(zip(names, accumulate(self.counts), strict=True)), sum_value=self.total
        )


class _Batches(Collector):
    """What is counted for each batch of a group."""

    def __init__(self) -> None:
        self.commands = 0
        self.refused = 0
        self.seconds = _Spread(_COMMIT_BUCKETS)
        self.sizes = _Spread(_BATCH_BUCKETS)

    def collect(self) -> Iterator[Metric]:
        """See Collector."""
        yield CounterMetricFamily("chatsrv_group_commands", "Commands that groups' channels took.", value=self.commands)
        yield CounterMetricFamily("chatsrv_group_refusals", "Commands of groups that were refused.", value=self.refused)
        yield self.seconds.family("chatsrv_commit_seconds", "From a batch's hand-over to its commit.")
        yield self.sizes.family("chatsrv_batch_commands", "Commands in one batch.")


class Metrics:
    """The metrics of a server. `page` is what `/metrics` returns."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry()
        self.started_at: Final = trio.current_time()
        """On Trio's clock."""
        registry = self.registry
        self._batches = _Batches()
        registry.register(self._batches)
        self._http = Counter("chatsrv_http_answers", "HTTP answers.", ["method", "status"], registry=registry)
        self._uploaded = Counter("chatsrv_media_received_bytes", "Bytes of uploads that arrived.", registry=registry)
        self._downloaded = Counter("chatsrv_media_sent_bytes", "Bytes of media that were sent.", registry=registry)
        self._uploads = Counter(
            "chatsrv_media_uploads", "Uploads that ended, by outcome.", ["outcome"], registry=registry
        )
        self.received: Final = self._uploaded.inc
        self.sent: Final = self._downloaded.inc

    def batch(self, commands: int, refused: int, seconds: float) -> None:
        """Count a batch of one group that was committed."""
        batches = self._batches
        batches.commands += commands
        batches.refused += refused
        batches.seconds.observe(seconds)
        batches.sizes.observe(commands)

    @property
    def commands(self) -> int:
        """How many commands of groups were taken."""
        return self._batches.commands

    @property
    def mean_commit_seconds(self) -> float:
        """What a batch took to be stored, on the average; 0 before the first."""
        seconds = self._batches.seconds
        return seconds.total / max(1, sum(seconds.counts))

    def upload(self, outcome: str) -> None:
        """Count an upload that ended: 'ok', or the code of its refusal."""
        self._uploads.labels(outcome).inc()

    def answered(self, method: str, status: int) -> None:
        """Count an HTTP request that was answered. The labels are bounded: methods that are known, and numbers."""
        known = method if method in _METHODS else "other"
        self._http.labels(known, str(status)).inc()

    def watch(self, name: str, what: str, ask: Callable[[], float]) -> None:
        """Add a gauge whose value is asked for when the metrics are read."""
        Gauge(f"chatsrv_{name}", what, registry=self.registry).set_function(ask)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS"})

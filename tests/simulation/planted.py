"""Ten bugs on purpose, each of which some seed has to find: a simulation that finds none of them proves nothing.

`python -m simulation.planted [SEEDS]` plants one after the other and counts the seeds that find it.
"""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final

from chatsrv.bus.local import LocalBus
from chatsrv.client.requester import Requester
from chatsrv.groups import channel
from chatsrv_redpack import Packet
from chatsrv_storage import batch, idempotency, ledger, packets, rights, turn
from chatsrv_storage.connection import Synchronous
from simulation.story import tell


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Generator[None]:
    """Another attribute for a while."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)

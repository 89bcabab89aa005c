"""Opens the storage that a configuration names: a data folder, a database, or a temporary one."""

import os
import socket
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Final

from chatsrv.config import Config
from chatsrv_storage.engine.connection import Synchronous
from chatsrv_storage.engine.folder import hold_folder, note_elsewhere
from chatsrv_storage.errors import FolderDamaged
from chatsrv_storage.interface import BatchTrigger, Storage, open_memory_storage, open_storage
from chatsrv_storage.money import ledger

_SYNCHRONOUS: Final[dict[str, Synchronous]] = {"full": "FULL", "normal": "NORMAL", "off": "OFF"}


def open_configured_storage(
    config: Config, opened: AbstractAsyncContextManager[Storage] | None, trigger: BatchTrigger
) -> AbstractAsyncContextManager[Storage]:
    """Open the storage of a server; `opened` is one that its caller chose. Entering raises FolderError."""
    if opened is not None:
        return opened
    if config.database:
        return _database(config, trigger)
    if config.data is None:
        return open_memory_storage(inline=False, trigger=trigger)
    return open_storage(config.data, synchronous=_SYNCHRONOUS[config.durability], trigger=trigger)


def node_name(config: Config) -> str:
    """Return the name of this server in a cluster."""
    return config.node_name or f"{socket.gethostname()}:{os.getpid()}"


@asynccontextmanager
async def _database(config: Config, trigger: BatchTrigger) -> AsyncGenerator[Storage]:
    """Open the storage in PostgreSQL, and the node's own folder: media that are in no bucket, backups, the operators' socket."""
    with nullcontext() if config.data is None else hold_folder(config.data) as folder:
        alone = not config.bus  # without one, servers would not tell each other what they store
        async with open_storage(config.database, trigger=trigger, exclusive=alone, node=node_name(config)) as storage:
            if folder is not None:
                note_elsewhere(folder)
            yield storage


async def audit_books(storage: Storage) -> None:
    """Recompute every balance before money can move. Raises FolderDamaged."""
    wrong = await storage.read(ledger.wrong_balances)
    if wrong:
        raise FolderDamaged(
            f"The books do not balance: {'; '.join(wrong)}. Nothing was changed. "
            "`chatsrv audit DIR` names everything; then start on a backup."
        )

"""A server: everything put together, running in a nursery of its own, and stopped in the right order.

    async with chatsrv.open_server(Config(tcp="127.0.0.1:0")) as server:
        print(server.urls)

Stopping goes from the outside in: no new connections, a word to the clients, the channels finish what they have, the
connections get to read their answers, the storage closes. Nothing acked is lost, and all of it is bounded in time.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import cast

import httpx
import trio

from chatsrv.app.bot import open_bot
from chatsrv.app.cluster import OWN_PATIENCE_SECONDS, PATIENCE_SECONDS, bus_of, make_cluster, outgoing_of
from chatsrv.app.configured_storage import audit_books, open_configured_storage
from chatsrv.app.housekeeping import load_logins, run_housekeeping
from chatsrv.app.http_side import SCHEMES as HTTP_SCHEMES
from chatsrv.app.http_side import HttpSide, open_library, sweep_media
from chatsrv.app.listening import listening
from chatsrv.app.money import PAY_TIMEOUT, expire_packets, pay_out
from chatsrv.app.operator_socket import serve_operators
from chatsrv.app.pushes import make_notifier, run_notifier
from chatsrv.app.tls import tls_context
from chatsrv.auth.address_counter import AddressCounter
from chatsrv.auth.passwords import PasswordHasher
from chatsrv.auth.rates import Rate, Rates
from chatsrv.auth.shared_attempts import REGISTRATIONS_PER_MINUTE, SharedAttempts
from chatsrv.auth.throttle import Throttle
from chatsrv.bus import LocalBus
from chatsrv.client import Client
from chatsrv.clock import Clock, Randomness, SystemClock, SystemRandomness
from chatsrv.cluster import NodeBus
from chatsrv.commands.context import Services
from chatsrv.commands.errands import errand_runner
from chatsrv.commands.hooks import Hooks
from chatsrv.config import Config
from chatsrv.face_to_face.attempts import Attempts
from chatsrv.face_to_face.waiting_room import WaitingRoom
from chatsrv.groups import Channels
from chatsrv.groups.deliveries import Deliveries
from chatsrv.groups.indexer import Indexer
from chatsrv.groups.repair import Repair
from chatsrv.log import Log, quiet_log, reporter
from chatsrv.metrics import Metrics
from chatsrv.net.listeners import Acceptor, Listener
from chatsrv.payments import WebhookProvider
from chatsrv.presence.typing_notices import TypingNotices
from chatsrv.presence.visibility import Visibility
from chatsrv.presence.watches import PresenceWatches
from chatsrv.push import PushGateway
from chatsrv.transport.interface import Transport
from chatsrv.transport.outbox import Flusher
from chatsrv_storage.engine.folder import folder_risk
from chatsrv_storage.errors import StorageFailed
from chatsrv_storage.groups.models import MembershipLimits
from chatsrv_storage.interface import BatchTrigger, Storage


class Server:
    """A running server. `open_server` makes it and stops it."""

    def __init__(
        self,
        services: Services,
        listeners: list[Listener],
        acceptor: Acceptor,
        http: HttpSide,
        accepting: trio.CancelScope,
        connections: trio.Nursery,
    ) -> None:
        self.services = services
        self._listeners = listeners
        self._acceptor = acceptor
        self._http = http
        self._accepting = accepting
        self._connections = connections

    @property
    def urls(self) -> tuple[str, ...]:
        """Where the server listens, with the ports it was given: `tcp://127.0.0.1:54321`, …"""
        return tuple(listener.url for listener in self._listeners)

    @property
    def connections(self) -> int:
        """How many chat connections there are now."""
        return len(self._acceptor.connections)

    def connect(self, transport: Transport, *, may_register: bool = True) -> None:
        """Serve a connection on any transport, for example one end of a memory stream. The server closes it."""

        self._connections.start_soon(partial(self._acceptor.serve_transport, transport, may_register=may_register))

    def open_bot(self, name: str) -> AbstractAsyncContextManager[Client]:
        """Open a client in this process that acts as the account of this name, without a socket and a password.

        The account is made where there is none; no password opens it. The bot is a user like others: it sees and may do what its
        groups let it, the rates count, and hooks are asked about what it sends. Entering raises chatsrv_storage.errors.Refusal
        for a name that cannot be one, and for a disabled account. Leaving ends the bot's session.
        """
        return open_bot(self.services, self._acceptor, self._connections, name)

    async def wait_stopping(self) -> None:
        """Return when the server was told to stop, or must stop because its storage failed."""
        await self.services.stopping.wait()

    def stop(self) -> None:
        """Begin to stop, so that `open_server`'s block may end. May be called from a signal handler or any task."""
        self.services.stopping.set()

    async def drain(self) -> None:
        """Stop gracefully within `stop_timeout`: finish and answer what is under way, then close the connections.

        A cancel cuts it short and loses nothing that was acknowledged.
        """
        services = self.services
        services.stopping.set()
        self._accepting.cancel()
        timeout = services.config.stop_timeout
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._http.drain, timeout)
            with trio.move_on_after(timeout):
                for connection in list(self._acceptor.connections):
                    connection.drain(round(timeout * 1000))
                await services.channels.drained()
                await _until_written(self._acceptor)
            for connection in list(self._acceptor.connections):
                connection.end("server_stopping")
            with trio.move_on_after(timeout):
                while self._acceptor.connections:
                    await trio.sleep(0.01)


async def _until_written(acceptor: Acceptor) -> None:
    """Wait until every connection that reads has been handed what waits for it."""
    for connection in list(acceptor.connections):
        await connection.written()


def open_server(
    config: Config | None = None,
    *,
    hooks: Hooks | None = None,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
    log: Log | None = None,
    storage: AbstractAsyncContextManager[Storage] | None = None,
    node_bus: NodeBus | None = None,
    push_gateway: PushGateway | None = None,
) -> AbstractAsyncContextManager[Server]:
    """Open a server that runs while the block does, any number of them in one Trio program.

    `config` says where to listen and keep data (default: nowhere, and in memory). `storage` replaces what the configuration
    would open, `node_bus` its bus to other servers on the same storage, `push_gateway` its way to push services. Entering
    raises ConfigError (an address, a certificate) and the storage's FolderInUse, SchemaTooNew or FolderDamaged. Leaving stops
    gracefully within the configured times; a cancel stops at once, and still loses nothing that was acknowledged. If the storage
    fails, the block is cancelled and StorageFailed is raised.

    A program that is nothing else should call `tuning.tune_interpreter` before, as `chatsrv serve` does: else on CPython
    3.11 the storage thread may starve for seconds, and the garbage collector takes a third of the time.
    """
    return _open_server(
        config or Config(),
        hooks or Hooks(),
        clock or SystemClock(),
        randomness or SystemRandomness(),
        log or quiet_log(),
        storage,
        node_bus,
        push_gateway,
    )


@asynccontextmanager
async def _open_server(
    config: Config,
    hooks: Hooks,
    clock: Clock,
    randomness: Randomness,
    log: Log,
    opened: AbstractAsyncContextManager[Storage] | None,
    node_bus: NodeBus | None,
    push_gateway: PushGateway | None,
) -> AsyncGenerator[Server]:
    tls = tls_context(config)
    trigger = BatchTrigger()
    flusher = Flusher(config.outbox_budget, trigger)
    async with (
        open_configured_storage(config, opened, trigger) as storage,
        listening(config) as listeners,
        AsyncExitStack() as stack,
        _one_error() as of_block,
        trio.open_nursery() as background,
    ):
        storage.report_to(reporter(log))
        if config.data is not None and opened is None and (risk := folder_risk(config.data)):
            log.warning("the rights of the data folder are not as they should be", folder=str(config.data), risk=risk)
        await audit_books(storage)
        ids = await storage.open_ids(config.node)
        outgoing = outgoing_of(config, node_bus, clock)
        bus = LocalBus(outgoing)
        patience = (0.0, 0.0) if outgoing is None else (PATIENCE_SECONDS, OWN_PATIENCE_SECONDS)
        repair = Repair(bus, storage, log, *patience)
        visibility = Visibility(bus, storage)
        typing_notices = TypingNotices(bus, visibility)
        indexer = Indexer(storage, log)
        metrics = Metrics()
        push = make_notifier(config, storage, bus, clock, randomness, metrics, log)
        library = await stack.enter_async_context(
            open_library(config, listeners, storage, clock, randomness, metrics, log, has_nodes=outgoing is not None)
        )
        cluster = None
        if outgoing is not None:
            between = await bus_of(config, node_bus, storage, log)
            cluster = make_cluster(
                config, outgoing, between, bus, storage, repair, visibility, typing_notices, metrics, log
            )
        attempts = SharedAttempts(None if cluster is None else storage, config.login_attempts)
        services = Services(
            config=config,
            storage=storage,
            bus=bus,
            channels=Channels(
                storage,
                bus,
                clock,
                ids,
                log,
                background,
                MembershipLimits(config.max_groups_per_user, config.max_added_per_day, config.max_opened_per_day),
                change_listeners=[indexer.changed] if push is None else [indexer.changed, push.changed],
                metrics=metrics,
            ),
            deliveries=Deliveries(storage, log),
            passwords=PasswordHasher(config.password_time, config.password_memory, config.password_workers),
            logins=await load_logins(storage, config.login_attempts),
            registrations=Throttle(REGISTRATIONS_PER_MINUTE / 60, REGISTRATIONS_PER_MINUTE),
            shared_attempts=attempts,
            rates=_rates(config),
            visibility=visibility,
            watches=PresenceWatches(bus, visibility, storage, clock),
            typing_notices=typing_notices,
            waiting_room=WaitingRoom(
                bus,
                storage,
                clock,
                capacity=config.max_group_members,
                without=config.codes_without_position,
                attempts=Attempts(),
            ),
            clock=clock,
            randomness=randomness,
            ids=ids,
            hooks=hooks,
            log=log,
            stopping=trio.Event(),
            cluster=cluster,
            library=library,
            push=push,
        )
        addresses = AddressCounter(config.max_connections_per_address, config.trusted_proxies)
        acceptor = Acceptor(services, flusher, tls, addresses)
        http = HttpSide(services, metrics, listeners, tls, addresses, acceptor)
        metrics.watch("connections", "Connections of the chat.", lambda: float(len(acceptor.connections)))
        metrics.watch("outbox_bytes", "Bytes that wait for slow readers.", lambda: float(flusher.waiting))
        refused_logins = "Logins and password changes refused for too many attempts, since the start."
        metrics.watch("logins_refused", refused_logins, lambda: float(services.logins.refused))
        metrics.watch(
            "storage_full", "1 while the disk is full and changes are refused.", lambda: float(services.is_full())
        )
        metrics.watch("channels", "Groups in which something happens.", lambda: float(len(services.channels)))
        if library is not None:
            background.start_soon(sweep_media, library, log, cluster)
        background.start_soon(trigger.run, flusher)
        background.start_soon(acceptor.sweep)
        background.start_soon(repair.run)
        background.start_soon(services.channels.sweep)
        background.start_soon(indexer.run)
        background.start_soon(indexer.purge)
        background.start_soon(services.deliveries.run)
        await services.visibility.load()
        background.start_soon(run_notifier, push, push_gateway, config, clock)
        if cluster is None:
            await services.waiting_room.load()
        else:
            cluster.errands.run_with(errand_runner(services))
            cluster.held.hold_while(services.channels.is_writing)
            if library is not None:
                cluster.share_ticket_key(library.tickets.key, library.tickets.accept)
                background.start_soon(library.uploads.keep_arriving)
            cluster.load_lobbies_with(services.waiting_room.load)
            cluster.take_over_with(indexer.look_again)
            await background.start(cluster.run)
        for run in (services.watches.run, services.typing_notices.run, services.waiting_room.run):
            background.start_soon(run)
        background.start_soon(_watch_storage, services)
        background.start_soon(expire_packets, services)
        background.start_soon(_pay_out, services)
        await background.start(run_housekeeping, storage, clock, ids, acceptor, services.logins, log, cluster, attempts)
        if config.data is not None and opened is None:
            await background.start(serve_operators, services, config.data)
        async with trio.open_nursery() as connections:
            accepting = await connections.start(_accept, acceptor, http, listeners, connections)
            server = Server(services, listeners, acceptor, http, accepting, connections)
            log.info("server ready", listening=server.urls)
            try:
                yield server
            except BaseException as error:
                of_block.append(error)
                raise
            finally:
                await server.drain()
                connections.cancel_scope.cancel()
        background.cancel_scope.cancel()


async def _pay_out(services: Services) -> None:
    """Feed the payment provider that the configuration names; without one, withdrawals wait."""
    config = services.config
    if config.payout_url:
        async with httpx.AsyncClient(timeout=PAY_TIMEOUT) as client:
            provider = WebhookProvider(client, config.payout_url, config.payout_secret, services.clock, services.log)
            await pay_out(services, provider)


async def _accept(
    acceptor: Acceptor,
    http: HttpSide,
    listeners: list[Listener],
    connections: trio.Nursery,
    task_status: trio.TaskStatus[trio.CancelScope] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Accept on all listeners until the scope that it starts with is cancelled.

    A task of its own: within the nursery that stopping cancels, stopping would cancel itself.
    """
    async with trio.open_nursery() as accepting:
        for listener in listeners:
            serve = http.serve if listener.scheme in HTTP_SCHEMES else acceptor.serve
            await accepting.start(serve, listener, connections)
        task_status.started(accepting.cancel_scope)
        await trio.sleep_forever()


@asynccontextmanager
async def _one_error() -> AsyncGenerator[list[BaseException]]:
    """Raise what the nurseries within wrapped as it is, if it is one: an embedding program knows of no nurseries of ours.

    The list takes what the program's own block raised, which may be a group and stays one.
    """
    of_block: list[BaseException] = []
    failure: BaseException | None = None
    try:
        yield of_block
    except BaseExceptionGroup as group:
        failure = group
    if failure is None:
        return
    for error in of_block:
        if _leaves(error) == _leaves(failure):
            raise error
    leaves = _leaves(failure)
    # A storage that fails tells everybody who waits for it, each with an error of their own.
    if len(leaves) == 1 or all(isinstance(leaf, StorageFailed) for leaf in leaves):
        raise leaves[0]
    raise failure


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, at any depth: a nursery raises copies of the groups it gets."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    group = cast("BaseExceptionGroup[BaseException]", error)
    return [leaf for each in group.exceptions for leaf in _leaves(each)]


async def _watch_storage(services: Services) -> None:
    """Stop the server when its storage fails: nothing is acknowledged that may not be stored."""
    await services.storage.failed.wait()
    services.log.error("the storage failed: the server stops", exc_info=services.storage.failure)
    failure = services.storage.failure
    assert failure is not None
    raise failure


def _rates(config: Config) -> Rates:
    return Rates(
        Rate(config.messages_per_second, config.message_burst),
        Rate(config.changes_per_second, config.change_burst),
        Rate(config.hints_per_second, config.hint_burst),
        Rate(config.address_per_second, config.address_burst),
        searches=Rate(config.searches_per_second, config.search_burst),
        lookups=Rate(config.lookups_per_second, config.lookup_burst),
        bytes_per_second=Rate(config.bytes_per_second, config.byte_burst),
        bytes_per_day=Rate(config.bytes_per_day / 86_400, config.bytes_per_day),
    )

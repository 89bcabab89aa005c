"""Puts a node of a cluster together: what it publishes, what it receives, and how it reads what it missed."""

from functools import partial

from chatsrv.app.configured_storage import node_name
from chatsrv.bus import LocalBus
from chatsrv.clock import Clock
from chatsrv.cluster import Cluster, NodeBus
from chatsrv.cluster.database_look import DatabaseLook
from chatsrv.cluster.outgoing import Outgoing
from chatsrv.cluster.redis_bus import RedisBus, channel_of
from chatsrv.config import Config, ConfigError
from chatsrv.groups.repair import Repair
from chatsrv.log import Log
from chatsrv.metrics import Metrics
from chatsrv.presence.typing_notices import TypingNotices
from chatsrv.presence.visibility import Visibility
from chatsrv_storage.interface import SqlConnection, Storage
from chatsrv_storage.postgres.identity import database_id

PATIENCE_SECONDS = 0.1
"""In which what is missing of a group may still come over the bus, before it is read from the database."""

OWN_PATIENCE_SECONDS = 0.02
"""The same before a commit of this node. Most of it is on its way then: read at once, it costs more and is no sooner here."""


def outgoing_of(config: Config, node_bus: NodeBus | None, clock: Clock) -> Outgoing | None:
    """Return the queue of what this node publishes to others; None where there is one node."""
    return Outgoing(node_name(config), clock.now_ms()) if config.bus or node_bus is not None else None


async def bus_of(config: Config, node_bus: NodeBus | None, storage: Storage, log: Log) -> NodeBus:
    """Return the bus that carries blobs between the nodes. Raises ConfigError where its URLs are none."""
    if node_bus is not None:
        return node_bus
    try:
        return RedisBus(config.bus, channel_of(await storage.read(database_id)), log)
    except ValueError as error:
        raise ConfigError(f"bus: {error}") from error


def _names_of_living_nodes(conn: SqlConnection) -> list[str]:
    from chatsrv_storage.postgres.nodes import living_nodes  # needs psycopg, which only a database does

    return [each.name for each in living_nodes(conn)]


def make_cluster(
    config: Config,
    outgoing: Outgoing,
    node_bus: NodeBus,
    bus: LocalBus,
    storage: Storage,
    repair: Repair,
    visibility: Visibility,
    typing_notices: TypingNotices,
    metrics: Metrics,
    log: Log,
) -> Cluster:
    """Put together this node's part of the cluster, with its metrics."""
    look = DatabaseLook(bus, storage, repair, visibility, log)
    cluster = Cluster(outgoing, node_bus, bus, visibility, typing_notices, look, log)
    watch = metrics.watch
    if config.database:
        unheard = cluster.look_for_unheard_with(partial(storage.read, _names_of_living_nodes))
        watch(
            "nodes_unheard", "Nodes of the database that are not heard on the bus.", lambda: float(len(unheard.names))
        )
    watch("cluster_nodes", "Nodes that this one hears, itself included.", lambda: float(len(cluster.peers.names())))
    watch("bus_deaf", "1 while the node hears nothing of the others.", lambda: float(cluster.is_deaf))
    watch("bus_holes", "Times that something from another node was missing.", lambda: float(cluster.holes))
    watch("bus_unsent", "Blobs that no bus took.", lambda: float(outgoing.unsent))
    watch("bus_dropped", "What was not said since too much waited.", lambda: float(outgoing.dropped))
    watch("groups_behind", "Groups of which something was missing at the last look.", lambda: float(look.behind))
    watch("events_repaired", "Events that were read from the database.", lambda: float(repair.read))
    return cluster

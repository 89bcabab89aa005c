"""Puts a node of a cluster together: what it publishes, what it receives, and how it reads what it missed."""

from chatsrv.app.configured_storage import node_name
from chatsrv.bus import LocalBus
from chatsrv.clock import Clock
from chatsrv.cluster import Cluster, NodeBus
from chatsrv.cluster.database_look import DatabaseLook
from chatsrv.cluster.outgoing import Outgoing
from chatsrv.cluster.redis_bus import RedisBus
from chatsrv.config import Config, ConfigError
from chatsrv.groups.repair import Repair
from chatsrv.log import Log
from chatsrv.metrics import Metrics
from chatsrv.presence.typing_notices import TypingNotices
from chatsrv.presence.visibility import Visibility
from chatsrv_storage.interface import SqlConnection, Storage

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
        return RedisBus(config.bus, f"chatsrv/{await storage.read(_database_id)}", log)
    except ValueError as error:
        raise ConfigError(f"bus: {error}") from error


def _database_id(conn: SqlConnection) -> str:
    """Return an id that the databases of no two servers share, and that one keeps when another machine takes it over.

    A physical copy (pg_basebackup, a snapshot of the disk) keeps its original's: servers on both need two buses.
    """
    (identifier,) = conn.execute(
        "select (select system_identifier from pg_control_system())::text || '/' || oid::text from pg_database"
        " where datname = current_database()"
    ).fetchone()
    return identifier


def make_cluster(
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
    watch("cluster_nodes", "Nodes that this one hears, itself included.", lambda: float(len(cluster.peers.names())))
    watch("bus_deaf", "1 while the node hears nothing of the others.", lambda: float(cluster.is_deaf))
    watch("bus_holes", "Times that something from another node was missing.", lambda: float(cluster.holes))
    watch("bus_unsent", "Blobs that no bus took.", lambda: float(outgoing.unsent))
    watch("bus_dropped", "What was not said since too much waited.", lambda: float(outgoing.dropped))
    watch("groups_behind", "Groups of which something was missing at the last look.", lambda: float(look.behind))
    watch("events_repaired", "Events that were read from the database.", lambda: float(repair.read))
    return cluster

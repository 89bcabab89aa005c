"""How a cluster's database stands: which node writes on which lane, which standbys follow, and how far behind they are."""

from typing import NamedTuple

import psycopg

from chatsrv_storage.postgres.check import require_version
from chatsrv_storage.postgres.driver import PostgresConnection
from chatsrv_storage.postgres.errors import unusable
from chatsrv_storage.postgres.identity import database_id
from chatsrv_storage.postgres.nodes import LivingNode, living_nodes


class Standby(NamedTuple):
    """A server that follows the primary. What the role may not see, for want of pg_monitor, is empty and None."""

    name: str
    state: str
    sync: str
    """`sync` and `quorum`: an ack waits for it; `async`: not."""
    lag_bytes: int | None


class DatabaseStatus(NamedTuple):
    """What the database says of itself."""

    server: str
    """The host that answered, of those that the DSN names."""
    version: str
    is_primary: bool
    now_ms: int
    identifier: str
    """See database_id."""
    nodes: list[LivingNode]
    standbys: list[Standby]


_STANDBYS = (
    "select coalesce(application_name, ''), coalesce(state, ''), coalesce(sync_state, ''),"
    " pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint from pg_stat_replication order by 1"
)


def read_status(dsn: str) -> DatabaseStatus:
    """Ask a database. Raises DatabaseUnusable, SchemaTooNew."""
    try:
        connection = PostgresConnection(dsn)
        try:
            require_version(connection, dsn)
            version, standby, now_ms = connection.execute(
                "select current_setting('server_version'), pg_is_in_recovery(),"
                " (extract(epoch from now()) * 1000)::bigint"
            ).fetchone()
            standbys = [] if standby else [Standby(*row) for row in connection.execute(_STANDBYS).fetchall()]
            info = connection.raw.info
            server = info.host if info.host.startswith("/") else f"{info.host}:{info.port}"
            nodes = living_nodes(connection)
            return DatabaseStatus(server, version, not standby, now_ms, database_id(connection), nodes, standbys)
        finally:
            connection.close()
    except psycopg.Error as error:
        raise unusable(dsn, error) from error

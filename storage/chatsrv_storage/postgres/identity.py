"""What tells one database from another."""

from chatsrv_storage.engine.jobs import SqlConnection


def database_id(conn: SqlConnection) -> str:
    """Return an id that the databases of no two servers share, and that one keeps when another machine takes it over.

    A physical copy (pg_basebackup, a snapshot of the disk) keeps its original's: servers on both need two buses.
    """
    (identifier,) = conn.execute(
        "select (select system_identifier from pg_control_system())::text || '/' || oid::text from pg_database"
        " where datname = current_database()"
    ).fetchone()
    return identifier

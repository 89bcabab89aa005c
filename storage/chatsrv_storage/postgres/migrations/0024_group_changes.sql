-- Which groups each transaction changed, and up to which event: what a node asks for that the bus did not tell it
-- (groups/cluster_look.py). By the number of the transaction: a place in this order is known before the COMMIT, and every
-- snapshot says below which number nothing is under way any more.
create table group_change (
  xact xid8 not null default pg_current_xact_id(),
  group_ids bigint[] not null,
  heads bigint[] not null
);
create index group_change_by_xact on group_change (xact);

-- As migrations/0017_own_above.sql.
alter table group_member add column own_above bigint not null default 0;
alter table mention add column sender_id bigint not null default 0;
update mention set sender_id = coalesce(
  (select m.sender_id from message m where m.group_id = mention.group_id and m.seq = mention.seq), 0);

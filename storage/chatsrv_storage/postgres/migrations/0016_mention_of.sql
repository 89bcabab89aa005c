-- As migrations/0016_mention_of.sql.
alter table mention add column message_seq bigint not null default 0;
update mention set message_seq = coalesce(
  (select (m.data::json ->> 'of')::bigint from message m
   where m.group_id = mention.group_id and m.seq = mention.seq and m.kind = 'edited'), 0);

-- How many of a member's own messages stand above their cursor: sending does not move it, and these are not unread.
alter table group_member add column own_above integer not null default 0;
-- Who calls: a mention of everybody does not call whoever wrote it.
alter table mention add column sender_id integer not null default 0;
update mention set sender_id = coalesce(
  (select m.sender_id from message m where m.group_id = mention.group_id and m.seq = mention.seq), 0);

-- A mention that an edit made stands at the edit, and calls nobody who may not read the message: `message_seq` says which
-- message that is. 0: the mention stands at the message itself.
alter table mention add column message_seq integer not null default 0;
update mention set message_seq = coalesce(
  (select json_extract(m.data, '$.of') from message m
   where m.group_id = mention.group_id and m.seq = mention.seq and m.kind = 'edited'), 0);

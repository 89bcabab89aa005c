-- The latest id along a group's sequence, and of an account's transfers. With several nodes whoever holds the lock of the row
-- gives out ids above it, whatever its clock says: search and audits rest on ids that rise.
alter table chat_group add column last_id integer not null default 0;
alter table account add column last_id integer not null default 0;

update chat_group set last_id = coalesce(
  (select e.id from message e where e.group_id = chat_group.id and e.seq = chat_group.seq), 0);

-- Above all that there are so far: those of one account alone would take an index that nothing else needs.
update account set last_id = coalesce((select max(t.id) from transfer t), 0);

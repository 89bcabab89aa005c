-- Results by the time in their client id, and no longer user by user: those of one transaction share a few pages at the
-- end of the table, where each user's had a page of its own to be written, and sweeping follows the key.
create table idempotency_by_time (
  user_id integer not null,
  client_id blob not null,
  payload_hash blob not null,
  result text not null,
  primary key (client_id, user_id)
) strict, without rowid;
insert into idempotency_by_time select user_id, client_id, payload_hash, result from idempotency order by client_id, user_id;
drop table idempotency;
alter table idempotency_by_time rename to idempotency;

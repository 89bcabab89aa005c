-- What people tell the operators about a message, or (no group, seq 0) about a person.
create table report (
  id integer primary key,                        -- 1, 2, 3, … in the order they came
  made_at integer not null,
  reporter_id integer not null references person (id),
  user_id integer not null references person (id),   -- who is reported
  group_id integer not null,
  seq integer not null,
  text text not null,                            -- the beginning of the message as it was then: it may be recalled since
  reason text not null,
  closed_at integer not null default 0,          -- 0: it is open
  closed_by integer not null default 0,
  note text not null default ''
) strict;
create unique index report_open on report (reporter_id, user_id, group_id, seq) where closed_at = 0;
create index report_to_answer on report (id) where closed_at = 0;

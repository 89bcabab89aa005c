-- See SQLite's migration of the same number.
create table report (
  id bigint primary key,                         -- 1, 2, 3, … in the order they came
  made_at bigint not null,
  reporter_id bigint not null references person (id),
  user_id bigint not null references person (id),    -- who is reported
  group_id bigint not null,
  seq bigint not null,
  text text not null,                            -- the beginning of the message as it was then: it may be recalled since
  reason text not null,
  closed_at bigint not null default 0,           -- 0: it is open
  closed_by bigint not null default 0,
  note text not null default ''
);
create unique index report_open on report (reporter_id, user_id, group_id, seq) where closed_at = 0;
create index report_to_answer on report (id) where closed_at = 0;

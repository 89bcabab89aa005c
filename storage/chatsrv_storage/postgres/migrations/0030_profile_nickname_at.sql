-- See SQLite's migration of the same number.
alter table person add column nickname_at bigint not null default 0;

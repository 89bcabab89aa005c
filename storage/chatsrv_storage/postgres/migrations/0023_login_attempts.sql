-- See SQLite's migration of the same number. Unlogged: a crash, or a standby that takes over, forgives.
create unlogged table login_attempt (
  key text primary key,
  due bigint not null
);

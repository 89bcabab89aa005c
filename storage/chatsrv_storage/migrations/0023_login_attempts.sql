-- Attempts to log in, counted over all nodes of a cluster (accounts/login_attempts.py): nothing of it is missed after a crash.
create table login_attempt (
  key text primary key,
  due integer not null                           -- ms since 1970 at which all that was taken is given back
) strict, without rowid;

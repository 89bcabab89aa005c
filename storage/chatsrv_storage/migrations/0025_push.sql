-- Web Push: where a session's device gets notifications while it is not connected.
create table push_subscription (
  session_id integer primary key references session (id) on delete cascade,  -- it ends with the session, however that ends
  user_id integer not null references person (id),
  endpoint text not null unique,                 -- whoever knows it can post there: it is in no log
  p256dh blob not null,                          -- the device's public key
  auth blob not null,                            -- the secret that the device shared
  show_text integer not null,
  made_at integer not null
) strict;
create index push_subscription_of_user on push_subscription (user_id, made_at);

-- The last notification of a group to a device: the next one waits, twice as long each time, until the person has read.
create table push_sent (
  session_id integer not null references push_subscription (session_id) on delete cascade,
  group_id integer not null,
  seq integer not null,                          -- the head of the group it was about
  mentions integer not null,
  streak integer not null,                       -- how many since the person read
  next_at integer not null,
  retry integer not null default 0,            -- 1: the push service did not take it
  primary key (session_id, group_id)
) strict, without rowid;

-- The server's private key for push services (RFC 8292): all nodes have the same, or subscriptions would be of one node.
create table push_key (
  one integer primary key check (one = 1),
  scalar blob not null
) strict;

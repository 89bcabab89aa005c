-- See SQLite's migration of the same number.
create table push_subscription (
  session_id bigint primary key references session (id) on delete cascade,  -- it ends with the session, however that ends
  user_id bigint not null references person (id),
  endpoint text not null unique,                 -- whoever knows it can post there: it is in no log
  p256dh bytea not null,                          -- the device's public key
  auth bytea not null,                            -- the secret that the device shared
  show_text bigint not null,
  made_at bigint not null
);
create index push_subscription_of_user on push_subscription (user_id, made_at);

-- The last notification of a group to a device: the next one waits, twice as long each time, until the person has read.
create table push_sent (
  session_id bigint not null references push_subscription (session_id) on delete cascade,
  group_id bigint not null,
  seq bigint not null,                          -- the head of the group it was about
  mentions bigint not null,
  streak bigint not null,                       -- how many since the person read
  next_at bigint not null,
  retry bigint not null default 0,            -- 1: the push service did not take it
  primary key (session_id, group_id)
);

-- The server's private key for push services (RFC 8292): all nodes have the same, or subscriptions would be of one node.
create table push_key (
  one bigint primary key check (one = 1),
  scalar bytea not null
);

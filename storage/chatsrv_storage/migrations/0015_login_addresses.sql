-- From where users logged in, so that a restart does not forget whom the limits of guesses let pass. No history: one row for
-- an address, at most 20 of a user, each kept for 90 days after its last use.
create table login_address (
  user_id integer not null references person (id),
  address text not null,                         -- an IPv6 address stands for its /64
  seen_at integer not null,
  primary key (user_id, address)
) strict;
create index login_address_by_time on login_address (seen_at);

-- See SQLite's migration of the same number.
create table login_address (
  user_id bigint not null references person (id),
  address text not null,
  seen_at bigint not null,
  primary key (user_id, address)
);
create index login_address_by_time on login_address (seen_at);

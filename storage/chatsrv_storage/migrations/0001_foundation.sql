-- Accounts, sessions, groups, members, messages, idempotency and audit: what every later subject stands on.
-- Ids are 63-bit snowflakes, times are milliseconds since 1970, booleans are 0 and 1.

create table user (
  id integer primary key,
  name text not null,
  name_key text not null unique,                 -- NFKC and case folded: what makes a name taken
  password_hash text not null,
  version integer not null default 0,            -- counts the changes of this user's list of groups
  operator integer not null default 0,
  disabled integer not null default 0,
  created_at integer not null
) strict;

create table session (
  id integer primary key,
  user_id integer not null references user (id),
  token_hash blob not null unique,               -- SHA-256 of 256 random bits: the token itself is stored nowhere
  device text not null,
  created_at integer not null,
  seen_at integer not null
) strict;
create index session_of_user on session (user_id, id);

create table chat_group (
  id integer primary key,
  name text not null,
  created_by integer not null references user (id),
  created_at integer not null,
  seq integer not null,                          -- the head of the group's sequence
  ordinal integer not null,                      -- how many of its events a person would count
  members integer not null,
  max_members integer not null,
  history integer not null                       -- may who joins later read what was said before?
) strict;

-- The row of who left stays, with role 0: it tells their devices that they are out, and since when.
create table group_member (
  group_id integer not null references chat_group (id),
  user_id integer not null references user (id),
  role integer not null,                         -- 0 gone, 1 member, 2 admin, 3 owner
  joined_at integer not null,
  visible_from integer not null,                 -- may read events with a greater seq
  left_seq integer not null default 0,
  read_seq integer not null,
  read_ordinal integer not null,
  version integer not null,                      -- the user's version when this row last changed membership or role
  primary key (group_id, user_id)
) strict, without rowid;
create index group_of_member on group_member (user_id, group_id);

-- No foreign keys here: two look-ups a row on the hottest insert, for what the transaction script has just read.
create table message (
  group_id integer not null,
  seq integer not null,
  id integer not null,
  ordinal integer not null,
  sender_id integer not null,
  sent_at integer not null,
  kind text not null,
  text text not null,
  data text,                                     -- what else the kind has, as JSON
  checksum integer not null,                     -- SQLite's integrity check does not see a flipped body
  primary key (group_id, seq)
) strict, without rowid;

-- Results of mutations, so that a retry has one effect. Keys are UUIDv7, so inserts stay near the end of each user's range.
create table idempotency (
  user_id integer not null,
  client_id blob not null,
  payload_hash blob not null,
  result text not null,
  primary key (user_id, client_id)
) strict, without rowid;

-- Ids never repeat after a crash with the clock set back: a start begins above what was reserved.
create table clock (
  one integer primary key check (one = 1),
  reserved_until integer not null
) strict;
insert into clock values (1, 0);

create table audit (
  id integer primary key,
  at integer not null,
  actor text not null,
  action text not null,
  subject text not null,
  detail text not null,
  chain blob not null                            -- SHA-256 over the row before and this one
) strict;
create trigger audit_is_final before update on audit begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_stays before delete on audit begin select raise(abort, 'the audit log is append-only'); end;

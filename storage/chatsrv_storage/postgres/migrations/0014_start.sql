-- The schema of SQLite's migrations 1 to 14 (../../migrations), where the comments of tables and columns are; what
-- differs is said here. The numbers go on together.

-- The few functions of SQLite that the scripts use, so that a statement is one text for both databases (and ../statements.py).
-- All of them are made without rights that the owner of a database lacks.
create function max(bigint, bigint) returns bigint language sql immutable parallel safe return greatest($1, $2);
create function min(bigint, bigint) returns bigint language sql immutable parallel safe return least($1, $2);
create function max(bigint, bigint, bigint, bigint, bigint) returns bigint language sql immutable parallel safe
  return greatest($1, $2, $3, $4, $5);
create function min(bigint, bigint, bigint, bigint, bigint, bigint) returns bigint language sql immutable parallel safe
  return least($1, $2, $3, $4, $5, $6);
create function instr(text, text) returns bigint language sql immutable parallel safe return strpos($1, $2);
create function substr(text, bigint) returns text language sql immutable parallel safe return substr($1, $2::int);
create function substr(text, bigint, bigint) returns text language sql immutable parallel safe return substr($1, $2::int, $3::int);
create function hex(bytea) returns text language sql immutable parallel safe return upper(encode($1, 'hex'));

create table person (
  id bigint primary key,
  name text not null,
  name_key text not null unique,
  password_hash text not null,
  version bigint not null default 0,
  operator bigint not null default 0,
  disabled bigint not null default 0,
  created_at bigint not null,
  nickname text not null default '',
  avatar bigint not null default 0,
  hidden bigint not null default 0,
  checksum bigint,
  group_count bigint not null default 0,
  added_day bigint not null default 0,
  added_count bigint not null default 0
);
create index person_hidden on person (id) where hidden = 1;
create index person_by_avatar on person (avatar) where avatar <> 0;

create table session (
  id bigint primary key,
  user_id bigint not null references person (id),
  token_hash bytea not null unique,
  device text not null,
  created_at bigint not null,
  seen_at bigint not null
);
create index session_of_user on session (user_id, id);

create table chat_group (
  id bigint primary key,
  name text not null,
  created_by bigint not null references person (id),
  created_at bigint not null,
  seq bigint not null,
  ordinal bigint not null,
  members bigint not null,
  max_members bigint not null,
  history bigint not null,
  kind bigint not null default 1,
  dissolved_at bigint not null default 0,
  who_invites bigint not null default 1,
  approval bigint not null default 0,
  mute_all bigint not null default 0,
  slow_mode bigint not null default 0,
  who_pins bigint not null default 2,
  who_mentions_all bigint not null default 2,
  keep_edits bigint not null default 1,
  notice text not null default '',
  notice_by text not null default '',
  notice_at bigint not null default 0,
  last_seq bigint not null default 0,
  avatar bigint not null default 0
) with (fillfactor = 70);                        -- room for updates of its head in the same page, without touching an index
create index group_by_avatar on chat_group (avatar) where avatar <> 0;

create table group_member (
  group_id bigint not null references chat_group (id),
  user_id bigint not null references person (id),
  role bigint not null,
  joined_at bigint not null,
  visible_from bigint not null,
  left_seq bigint not null default 0,
  read_seq bigint not null,
  read_ordinal bigint not null,
  version bigint not null,
  nickname text not null default '',
  muted_until bigint not null default 0,
  sent_at bigint not null default 0,
  left_name text not null default '',
  quiet bigint not null default 0,
  delivered_seq bigint not null default 0,
  joined_seq bigint not null default 0,
  primary key (group_id, user_id)
) with (fillfactor = 70);
create index group_of_member on group_member (user_id, group_id);

create function count_groups() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    if new.role > 0 then
      update person set group_count = group_count + 1 where id = new.user_id;
    end if;
  elsif (old.role > 0) <> (new.role > 0) then
    update person set group_count = group_count + (new.role > 0)::int - (old.role > 0)::int where id = new.user_id;
  end if;
  return null;
end $$;
create trigger group_count_of_new after insert on group_member for each row execute function count_groups();
create trigger group_count_of_changed after update of role on group_member for each row execute function count_groups();

create table message (
  group_id bigint not null,
  seq bigint not null,
  id bigint not null,
  ordinal bigint not null,
  sender_id bigint not null,
  sent_at bigint not null,
  kind text not null,
  text text not null,
  data text,
  checksum bigint not null,
  primary key (group_id, seq)
);

create table idempotency (
  user_id bigint not null,
  client_id bytea not null,
  payload_hash bytea not null,
  result text not null,
  checksum bigint,
  primary key (client_id, user_id)
);

create table clock (
  one bigint primary key check (one = 1),
  reserved_until bigint not null
);
insert into clock values (1, 0);

create table clock_reading (
  number bigint generated by default as identity primary key,
  at bigint not null
);

create function is_final() returns trigger language plpgsql as $$ begin raise exception '%', tg_argv[0]; end $$;

create table audit (
  id bigint primary key,
  at bigint not null,
  actor text not null,
  action text not null,
  subject text not null,
  detail text not null,
  chain bytea not null
);
create trigger audit_is_final before update on audit for each row execute function is_final('the audit log is append-only');
create trigger audit_stays before delete on audit for each row execute function is_final('the audit log is append-only');

create table account (
  kind text not null check (kind in ('issuer', 'wallet', 'escrow', 'pending')),
  id bigint not null,
  balance bigint not null check (kind = 'issuer' or balance >= 0) check (abs(balance) <= 9007199254740991),
  primary key (kind, id)
) with (fillfactor = 70);

create table transfer (
  id bigint primary key,
  kind text not null,
  giver_kind text not null,
  giver_id bigint not null,
  receiver_kind text not null,
  receiver_id bigint not null,
  cents bigint not null check (cents > 0),
  at bigint not null,
  checksum bigint not null
);
create index transfer_from_wallet on transfer (giver_id, id) where giver_kind = 'wallet';
create index transfer_to_wallet on transfer (receiver_id, id) where receiver_kind = 'wallet';
create trigger transfer_is_final before update on transfer for each row execute function is_final('the ledger is append-only');
create trigger transfer_stays before delete on transfer for each row execute function is_final('the ledger is append-only');

create table redpack_prepared (
  id bigint primary key,
  group_id bigint not null references chat_group (id),
  sender_id bigint not null references person (id),
  total bigint not null,
  count bigint not null,
  mode text not null,
  receiver_id bigint,
  server_seed bytea not null,
  lapses_at bigint not null
);
create index redpack_prepared_by on redpack_prepared (sender_id);

create table redpack (
  id bigint primary key,
  group_id bigint not null references chat_group (id),
  seq bigint not null,
  sender_id bigint not null references person (id),
  greeting text not null,
  total bigint not null,
  count bigint not null,
  mode text not null,
  receiver_id bigint,
  server_seed bytea not null,
  client_seed bytea not null,
  key bytea not null,
  shares bytea not null,
  sent_at bigint not null,
  expires_at bigint not null,
  state text not null,
  next_draw bigint not null,
  remaining_cents bigint not null,
  remaining_count bigint not null,
  refunded_cents bigint not null
) with (fillfactor = 70);
create index redpack_due on redpack (expires_at) where state = 'live';

create table redpack_record (
  packet_id bigint not null references redpack (id),
  user_id bigint not null references person (id),
  number bigint not null,
  cents bigint not null,
  opened_at bigint not null,
  transfer_id bigint not null references transfer (id),
  primary key (packet_id, user_id),
  unique (packet_id, number)
);

create table payout (
  id bigint primary key references transfer (id),
  user_id bigint not null references person (id),
  cents bigint not null,
  state text not null,
  attempts bigint not null default 0,
  next_try_at bigint not null
);
create index payout_due on payout (next_try_at) where state = 'pending';

create table ban (
  group_id bigint not null references chat_group (id),
  user_id bigint not null references person (id),
  until bigint not null,
  banned_by bigint not null references person (id),
  primary key (group_id, user_id)
);

create table invite (
  code text primary key,
  group_id bigint not null references chat_group (id),
  made_by bigint not null references person (id),
  made_at bigint not null,
  expires_at bigint not null,
  max_uses bigint not null,
  uses bigint not null default 0
);
create index invite_of_group on invite (group_id, made_at);

create table join_request (
  group_id bigint not null references chat_group (id),
  user_id bigint not null references person (id),
  note text not null,
  made_at bigint not null,
  primary key (group_id, user_id)
);

create table direct (
  low bigint not null references person (id),
  high bigint not null references person (id),
  group_id bigint not null unique,
  primary key (low, high),
  check (low < high)
);

create table mention (
  user_id bigint not null,
  group_id bigint not null,
  seq bigint not null,
  primary key (user_id, group_id, seq)
);

create table message_edit (
  group_id bigint not null,
  seq bigint not null,
  edited_seq bigint not null,
  replaced_at bigint not null,
  text text not null,
  checksum bigint,
  primary key (group_id, seq, edited_seq)
);

create table reaction (
  group_id bigint not null,
  seq bigint not null,
  user_id bigint not null,
  emoji text not null,
  event_seq bigint not null,
  primary key (group_id, seq, user_id, emoji)
);

create table pin (
  group_id bigint not null,
  seq bigint not null,
  user_id bigint not null,
  event_seq bigint not null,
  primary key (group_id, seq)
);

create table search_group (
  number bigint generated by default as identity primary key,
  group_id bigint not null unique,
  indexed_seq bigint not null
);

-- In the place of SQLite's full-text table: a message's words, found by GIN (search.py). GIN takes the group as well.
create extension if not exists btree_gin;
create table search (
  group_id bigint not null,
  seq bigint not null,
  words tsvector not null,
  primary key (group_id, seq)
);
create index search_words on search using gin (group_id, words);

create table block (
  user_id bigint not null references person (id),
  blocked_id bigint not null references person (id),
  primary key (user_id, blocked_id)
);

create table random_code (
  group_id bigint primary key references chat_group (id),
  code text not null,
  place text not null,
  expires_at bigint not null
);

create table media (
  id bigint primary key,
  uploader_id bigint not null references person (id),
  sha256 text not null,
  size bigint not null,
  kind text not null check (kind in ('image', 'audio', 'video', 'file')),
  mime text not null,
  name text not null,
  facts text not null,
  created_at bigint not null
);
create index media_of_user on media (uploader_id, size);
create index media_content on media (sha256);

create table media_thumbnail (
  sha256 text primary key,
  webp bytea not null
);

create table media_use (
  media_id bigint not null references media (id),
  group_id bigint not null,
  seq bigint not null,
  primary key (media_id, group_id, seq)
);
create index media_of_group on media_use (group_id, seq);

create table media_upload (
  id text primary key,
  user_id bigint not null references person (id),
  key text,
  store_id text not null,
  size bigint not null,
  kind text not null,
  name text not null,
  expires_at bigint not null,
  media_id bigint,
  sha256 text not null default ''
);
create unique index upload_by_key on media_upload (user_id, key) where key is not null;
create index upload_expiry on media_upload (expires_at);

create table name_look (
  skeleton text not null,
  user_id bigint not null references person (id),
  primary key (skeleton, user_id)
);

create table name_look_version (
  one bigint primary key check (one = 1),
  version bigint not null
);
insert into name_look_version values (1, 0);

-- One row per connection that writes (lane.py): who holds it, what it has committed, and up to when its ids are reserved.
create table lane (
  number bigint primary key,
  epoch bigint not null,
  batch bigint not null,
  reserved_until bigint not null,                -- milliseconds since 1970
  node text not null,
  seen_at timestamptz not null
);

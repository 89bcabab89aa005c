-- Wallets, the ledger, red packets and payouts. Amounts are integer cents.

-- The balances, which an audit recomputes from the transfers. Only the issuer's is below zero: it is minus all money.
create table account (
  kind text not null check (kind in ('issuer', 'wallet', 'escrow', 'pending')),
  id integer not null,                            -- the user, packet or withdrawal; 0 for the issuer
  balance integer not null check (kind = 'issuer' or balance >= 0) check (abs(balance) <= 9007199254740991),
  primary key (kind, id)
) strict, without rowid;

-- Both postings of a transfer in one row: what the giver loses the receiver gains, so each sums to zero by its shape.
create table transfer (
  id integer primary key,
  kind text not null,
  giver_kind text not null,
  giver_id integer not null,
  receiver_kind text not null,
  receiver_id integer not null,
  cents integer not null check (cents > 0),
  at integer not null,
  checksum integer not null
) strict;
create index transfer_from_wallet on transfer (giver_id, id) where giver_kind = 'wallet';
create index transfer_to_wallet on transfer (receiver_id, id) where receiver_kind = 'wallet';
create trigger transfer_is_final before update on transfer begin select raise(abort, 'the ledger is append-only'); end;
create trigger transfer_stays before delete on transfer begin select raise(abort, 'the ledger is append-only'); end;

-- A promise: the seed is fixed, nobody has paid. The row goes when the packet is sent, or lapses.
create table redpack_prepared (
  id integer primary key,
  group_id integer not null references chat_group (id),
  sender_id integer not null references user (id),
  total integer not null,
  count integer not null,
  mode text not null,
  receiver_id integer,
  server_seed blob not null,
  lapses_at integer not null
) strict;
create index redpack_prepared_by on redpack_prepared (sender_id);

create table redpack (
  id integer primary key,
  group_id integer not null references chat_group (id),
  seq integer not null,                           -- of its message
  sender_id integer not null references user (id),
  greeting text not null,
  total integer not null,                         -- total_amount of the article
  count integer not null,
  mode text not null,
  receiver_id integer,
  server_seed blob not null,
  client_seed blob not null,
  key blob not null,
  shares blob not null,                           -- of a shuffled packet, drawn when it was sent; else empty
  sent_at integer not null,
  expires_at integer not null,
  state text not null,                            -- live, exhausted, expired
  next_draw integer not null,
  remaining_cents integer not null,               -- surplus_amount
  remaining_count integer not null,               -- surplus_total
  refunded_cents integer not null
) strict;
create index redpack_due on redpack (expires_at) where state = 'live';

create table redpack_record (
  packet_id integer not null references redpack (id),
  user_id integer not null references user (id),
  number integer not null,
  cents integer not null,
  opened_at integer not null,
  transfer_id integer not null references transfer (id),
  primary key (packet_id, user_id),
  unique (packet_id, number)
) strict, without rowid;

-- The outbox of the payment provider: one row per withdrawal, named by its transfer.
create table payout (
  id integer primary key references transfer (id),
  user_id integer not null references user (id),
  cents integer not null,
  state text not null,                            -- pending, settled, reversed
  attempts integer not null default 0,
  next_try_at integer not null
) strict;
create index payout_due on payout (next_try_at) where state = 'pending';

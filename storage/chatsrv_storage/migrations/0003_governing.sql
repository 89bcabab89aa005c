-- Rules, roles, mutes, bans, nicknames, the notice, invites, requests to join, and conversations of two.

alter table chat_group add column kind integer not null default 1;            -- 1 a group, 2 a conversation of two
alter table chat_group add column dissolved_at integer not null default 0;
alter table chat_group add column who_invites integer not null default 1;     -- the least role that may
alter table chat_group add column approval integer not null default 0;
alter table chat_group add column mute_all integer not null default 0;
alter table chat_group add column slow_mode integer not null default 0;       -- seconds
alter table chat_group add column who_pins integer not null default 2;
alter table chat_group add column who_mentions_all integer not null default 2;
alter table chat_group add column keep_edits integer not null default 1;
alter table chat_group add column notice text not null default '';
alter table chat_group add column notice_by text not null default '';
alter table chat_group add column notice_at integer not null default 0;

alter table group_member add column nickname text not null default '';
alter table group_member add column muted_until integer not null default 0;
alter table group_member add column sent_at integer not null default 0;       -- of the last message in slow mode
alter table group_member add column left_name text not null default '';       -- what the group was called when they left

-- Apart from the members: whoever never was in the group can be kept out of it too.
create table ban (
  group_id integer not null references chat_group (id),
  user_id integer not null references user (id),
  until integer not null,
  banned_by integer not null references user (id),
  primary key (group_id, user_id)
) strict, without rowid;

create table invite (
  code text primary key,                         -- random, 96 bits
  group_id integer not null references chat_group (id),
  made_by integer not null references user (id),
  made_at integer not null,
  expires_at integer not null,
  max_uses integer not null,                     -- 0: any number
  uses integer not null default 0
) strict, without rowid;
create index invite_of_group on invite (group_id, made_at);

create table join_request (
  group_id integer not null references chat_group (id),
  user_id integer not null references user (id),
  note text not null,
  made_at integer not null,
  primary key (group_id, user_id)
) strict, without rowid;

-- One conversation for each pair, whoever starts it. The id is reserved here; the group is made in its own channel.
create table direct (
  low integer not null references user (id),
  high integer not null references user (id),
  group_id integer not null unique,
  primary key (low, high),
  check (low < high)
) strict, without rowid;

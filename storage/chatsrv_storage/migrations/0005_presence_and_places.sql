-- Profiles, whom one blocks, and the face-to-face codes whose groups exist.

alter table user add column nickname text not null default '';
alter table user add column avatar integer not null default 0;    -- a medium's id, 0 for none
alter table user add column hidden integer not null default 0;    -- shown to nobody as present or typing
create index user_hidden on user (id) where hidden = 1;           -- read whole when a server starts

create table block (
  user_id integer not null references user (id),                  -- who blocks
  blocked_id integer not null references user (id),
  primary key (user_id, blocked_id)
) strict, without rowid;

-- A code and place, from the moment its group is made until its time is over: what a restart must not forget.
create table random_code (
  group_id integer primary key references chat_group (id),
  code text not null,
  place text not null,                                            -- at:LAT,LON in millionths of a degree, or net:NETWORK
  expires_at integer not null
) strict;

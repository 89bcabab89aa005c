-- Media: what was uploaded, the messages and avatars it stands in, and uploads on their way in. The bytes are elsewhere.

-- One row per upload; rows of equal content share one blob, named by its digest, and one thumbnail.
create table media (
  id integer primary key,
  uploader_id integer not null references user (id),
  sha256 text not null,
  size integer not null,
  kind text not null check (kind in ('image', 'audio', 'video', 'file')),
  mime text not null,
  name text not null,
  facts text not null,                           -- what the probe found, as JSON: see chatsrv_storage/media.py
  created_at integer not null
) strict;
create index media_of_user on media (uploader_id, size);
create index media_content on media (sha256);

create table media_thumbnail (
  sha256 text primary key,
  webp blob not null
) strict, without rowid;

-- Where a medium stands: who may read the message may fetch it. A recall takes the row away.
create table media_use (
  media_id integer not null references media (id),
  group_id integer not null,
  seq integer not null,
  primary key (media_id, group_id, seq)
) strict, without rowid;
create index media_of_group on media_use (group_id, seq);

alter table chat_group add column avatar integer not null default 0;           -- a medium's id, 0 for none
create index user_by_avatar on user (avatar) where avatar <> 0;
create index group_by_avatar on chat_group (avatar) where avatar <> 0;

-- Uploads: those that go on piece by piece, and what became of those that ended, so that a repeated one gets the same.
create table media_upload (
  id text primary key,                           -- 128 random bits, in the upload's URL
  user_id integer not null references user (id),
  key text,                                      -- the client's own name for it: one effect per key
  store_id text not null,                        -- what the store of bytes calls it: a secret of the server
  size integer not null,
  kind text not null,                            -- what it was declared to be, or ''
  name text not null,
  expires_at integer not null,
  media_id integer,                              -- once it is whole
  sha256 text not null default ''
) strict, without rowid;
create unique index upload_by_key on media_upload (user_id, key) where key is not null;
create index upload_expiry on media_upload (expires_at);

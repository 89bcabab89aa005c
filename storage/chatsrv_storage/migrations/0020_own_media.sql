-- Users delete their uploads: the row stays while messages refer to it, with nothing of the file but what it counts.
alter table media add column deleted_at integer not null default 0;

-- The quota reads what counts, and the list of one's uploads the largest first; a deletion forgets its upload.
drop index media_of_user;
create index media_of_user on media (uploader_id, sha256, size, deleted_at, created_at);
create index media_by_size on media (uploader_id, size, id) where deleted_at = 0;
create index upload_of_medium on media_upload (media_id) where media_id is not null;

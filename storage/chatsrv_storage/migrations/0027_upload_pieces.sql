-- Resumable uploads that any node goes on with: which objects of the bucket hold the bytes that arrived so far.
create table media_upload_piece (
  upload_id text not null references media_upload (id) on delete cascade,  -- the sweep of the bucket finds the object
  start integer not null,                        -- the first byte; where the piece before it ends
  stop integer not null,                         -- the byte after the last
  name text not null unique,                     -- of the object: 128 random bits
  primary key (upload_id, start)
) strict, without rowid;

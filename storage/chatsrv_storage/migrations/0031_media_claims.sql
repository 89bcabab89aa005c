-- With several nodes: who stores or removes the bytes of a medium in the bucket at this moment, so that a sweep of one node
-- does not remove what another one stores again.
create table media_claim (
  sha256 text not null,
  media_id integer not null,     -- the medium that is to have them; 0: a sweep removes them, and nobody stores them then
  claimed_at integer not null,
  primary key (sha256, media_id)
) strict, without rowid;

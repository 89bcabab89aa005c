-- See SQLite's migration of the same number.
create table media_claim (
  sha256 text not null,
  media_id bigint not null,      -- the medium that is to have them; 0: a sweep removes them, and nobody stores them then
  claimed_at bigint not null,
  primary key (sha256, media_id)
);

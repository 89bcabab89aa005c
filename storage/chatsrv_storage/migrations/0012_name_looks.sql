-- What the names of accounts look like (UTS 39's skeletons), filled at the first use: Unicode's data decide, not SQL. Two
-- accounts from before may look alike, so it is not unique.
create table name_look (
  skeleton text not null,
  user_id integer not null references person (id),
  primary key (skeleton, user_id)
) strict, without rowid;

create table name_look_version (
  one integer primary key check (one = 1),
  version integer not null                       -- of the data that the skeletons were made with
) strict;
insert into name_look_version values (1, 0);

-- What the wall clock said, an hour of running apart: what is dropped for its age must be that old by all of them.
create table clock_reading (
  number integer primary key,
  at integer not null
) strict;

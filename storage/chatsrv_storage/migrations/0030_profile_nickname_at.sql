-- When each user last chose a nickname for their profile: once a minute at most, as in a group.
alter table person add column nickname_at integer not null default 0;

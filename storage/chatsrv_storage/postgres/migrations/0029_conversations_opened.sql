-- See SQLite's migration of the same number.
alter table person add column opened_day bigint not null default 0;
alter table person add column opened_count bigint not null default 0;
alter table person add column contact_count bigint not null default 0;
update person set contact_count =
  (select count(*) from group_member m join chat_group g on g.id = m.group_id and g.kind = 2
   where m.user_id = person.id and m.role > 0 and m.added_by > 0);

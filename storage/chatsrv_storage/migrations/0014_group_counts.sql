-- How many groups each user is in, and into how many others put them on the last day on which somebody did (days since
-- 1970): counted here, since 500 people in 2,000 groups each would be a million rows to count for one new group.
alter table person add column group_count integer not null default 0;
alter table person add column added_day integer not null default 0;
alter table person add column added_count integer not null default 0;
update person set group_count =
  (select count(*) from group_member m where m.user_id = person.id and m.role > 0);

create trigger group_count_of_new after insert on group_member when new.role > 0 begin
  update person set group_count = group_count + 1 where id = new.user_id;
end;

create trigger group_count_of_changed after update of role on group_member when (old.role > 0) <> (new.role > 0) begin
  update person set group_count = group_count + (new.role > 0) - (old.role > 0) where id = new.user_id;
end;

-- Conversations of two count for who opened them: how many each user opened on the last day on which they opened one (days
-- since 1970), and how many of those that others opened they are in. `group_count` has both kinds.
alter table person add column opened_day integer not null default 0;
alter table person add column opened_count integer not null default 0;
alter table person add column contact_count integer not null default 0;
update person set contact_count =
  (select count(*) from group_member m join chat_group g on g.id = m.group_id and g.kind = 2
   where m.user_id = person.id and m.role > 0 and m.added_by > 0);

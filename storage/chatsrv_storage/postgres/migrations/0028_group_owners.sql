-- The owners, apart from the members: for operators' lists of groups, and the groups of owners whose accounts are disabled.
create index group_owner on group_member (group_id, user_id) where role = 3;

-- Groups one is in, apart from those one left: whoever makes and leaves groups makes no list, login or look-up dearer.
drop index group_of_member;
create index group_of_member on group_member (user_id, group_id) where role > 0;
create index group_left on group_member (user_id, version) where role = 0;

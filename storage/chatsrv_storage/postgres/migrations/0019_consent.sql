-- Who may add a user to groups, who put a member in, invitations to groups, and by which code somebody asks to join.

alter table person add column who_adds bigint not null default 1;           -- 1 everybody, 2 who shares a group or conversation, 3 nobody
alter table group_member add column added_by bigint not null default 0;     -- who put them in; 0: they came by themselves
alter table group_member add column nickname_at bigint not null default 0;  -- of the last change of the nickname
alter table join_request add column code text not null default '';           -- gets its use back when the request is rejected

update group_member set added_by = coalesce(
  (select e.sender_id from message e where e.group_id = group_member.group_id and e.seq = group_member.joined_seq
   and e.kind in ('added', 'created') and e.sender_id <> group_member.user_id), 0)
where joined_seq > 0;

-- Somebody who is not added without their consent is asked. An ignored invitation stays, so that it is not made again.
create table invitation (
  user_id bigint not null references person (id),
  group_id bigint not null references chat_group (id),
  invited_by bigint not null references person (id),
  made_at bigint not null,
  ignored bigint not null default 0,
  primary key (user_id, group_id)
);
create index invitation_to_group on invitation (group_id);

-- An avatar is one of the user's own uploads: a picture of somebody else stays where its message let it be seen, however
-- it was recalled. Avatars that were chosen from others' uploads go; so do groups' pictures whose uploader is not who
-- chose them.
update person set avatar = 0 where avatar <> 0
  and not exists (select 1 from media d where d.id = person.avatar and d.uploader_id = person.id);
update chat_group set avatar = 0 where avatar <> 0
  and exists (select 1 from message m join media d on d.id = chat_group.avatar
    where m.group_id = chat_group.id and m.kind = 'avatar' and m.sender_id <> d.uploader_id
    and json_extract(m.data, '$.media_id') = chat_group.avatar);

-- The same bytes of the same user count once towards their quota.
drop index media_of_user;
create index media_of_user on media (uploader_id, sha256, size);

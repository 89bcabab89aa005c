-- The index held texts as they were typed; now it holds them in NFKC, with scripts without spaces taken apart. It is made
-- again by the background job, from the start of each group: until then older messages are not found.
drop table search;
create virtual table search using fts5 (body, columnsize = 0, tokenize = 'unicode61 remove_diacritics 2');
insert into search (search, rank) values ('automerge', 2);
update search_group set indexed_seq = 0;
update search_garbage set removed = 0, merging = 0;

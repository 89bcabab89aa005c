-- Checksums of rows that no event repeats. A step in Python fills them in (row_checksums.py).
alter table person add column checksum integer;
alter table message_edit add column checksum integer;
alter table idempotency add column checksum integer;

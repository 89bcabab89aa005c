-- `user` is a reserved word of SQL: PostgreSQL answers `select … from user` with the current role. So the table is called person.
alter table user rename to person;

-- Version 3: people who are to be forgotten.

-- offset: of the delete that asks for it. people, ids, digests: JSON; people and ids are emptied as
-- soon as nothing has to be found by them.
create table erasures (
  offset integer primary key,
  at integer not null,
  people text not null,
  ids text not null,
  digests text not null,
  until integer not null,
  events integer not null,
  dead_letters integer not null,
  rejections integer not null,
  erased_at integer not null,
  done_at integer not null
);
create index erasures_under_way on erasures (offset) where done_at = 0;

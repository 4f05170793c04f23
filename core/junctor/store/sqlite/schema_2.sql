-- Version 2: behavior over time.

-- behavior: states and memberships of a person; due: when time alone changes something.
alter table profiles add column behavior blob not null default x'';
alter table profiles add column due integer;
create index profiles_by_due on profiles (due) where due is not null;
-- The same for subjects that are no people: accounts and the like, as "KIND:VALUE".
create table subjects (
  key text primary key,
  record blob not null,
  behavior blob not null,
  due integer
) without rowid;
create index subjects_by_due on subjects (due) where due is not null;
-- Whose a session is; newest last.
create table sessions (
  id text not null,
  profile integer not null,
  seen_at integer not null,
  primary key (id, profile)
) without rowid;
create index sessions_by_profile on sessions (profile);
create index sessions_by_id on sessions (id, seen_at);
create index sessions_by_time on sessions (seen_at);
-- Who is in which audience now. subject: a profile's number, "NUMBER/SESSION", or "KIND:VALUE".
create table members (
  audience text not null,
  subject text not null,
  since integer not null,
  version text not null,
  primary key (audience, subject)
) without rowid;
create index members_by_subject on members (subject);
create index members_told_by_others on members (audience) where version = 'told';
-- Every entry and exit. Of who was deleted: profile 0, and subject "gone/NUMBER". No id is given
-- twice, also when the newest are gone: streams go on from them.
create table transitions (
  id integer primary key autoincrement,
  audience text not null,
  version text not null,
  subject text not null,
  profile integer not null,
  at integer not null,
  entered integer not null,
  reason text not null
);
create index transitions_by_audience on transitions (audience, at);
create index transitions_by_subject on transitions (profile, subject);
-- Events that are the goal of an audience, whoever did them.
create table goals (
  audience text not null,
  profile integer not null,
  offset integer not null,
  at integer not null,
  value real,
  primary key (audience, profile, offset)
) without rowid;
create index merges_by_absorbed on merges (absorbed);
create index transitions_by_time on transitions (at);
create index goals_by_time on goals (at);
create index goals_by_profile on goals (profile);

-- Version 1 of the store. Times are epoch milliseconds. Offsets are those of the log.
-- autoincrement: an id that somebody outside may still hold is never given to another row.

create table meta (key text primary key, value) without rowid;

-- What was accepted, as it was sent.
create table log (
  offset integer primary key,
  source text not null,
  message_id text not null,
  received_at integer not null,
  corrects_clock integer not null,
  json blob not null
);
create table rejections (
  id integer primary key autoincrement,
  source text not null,
  received_at integer not null,
  reason text not null,
  json blob not null
);
create table source_cursors (source text primary key, cursor text not null) without rowid;
-- User ids whose events are not to be stored, since when.
create table suppressed (user_id text primary key, since integer not null) without rowid;
-- Digests of (source, message id) by time: tables seen_N, made and dropped as time goes on.
create table seen_generations (n integer primary key, started_at integer not null);

-- What the fold knows.
create table identifiers (
  kind text not null,
  value text not null,
  profile integer not null,
  primary key (kind, value)
) without rowid;
create table profiles (id integer primary key, record blob not null);
create table merges (
  id integer primary key,
  offset integer not null,
  at integer not null,
  survivor integer not null,
  absorbed integer not null,
  survivor_record blob not null,
  absorbed_record blob not null
);
create index merges_by_survivor on merges (survivor);
create table conflicts (
  id integer primary key,
  offset integer not null,
  at integer not null,
  profile integer not null,
  reason text not null
);
-- Where each event goes; equal decisions share a row of routings.
create table routings (id integer primary key, decision text not null unique);
create table routed (
  offset integer primary key,
  profile integer not null,
  routing integer not null
);

-- The delivery ledger.
create table destinations (
  id text primary key,
  cursor integer not null,
  paused text not null default '',
  paused_by text not null default '',
  paused_code text not null default '',
  hold_until integer not null default 0,
  fingerprint text not null default ''
) without rowid;
create table counters (
  destination text not null,
  name text not null,
  value integer not null,
  primary key (destination, name)
) without rowid;
-- One row a request and outcome, append-only. gaps: null for a plain run of offsets.
create table attempts (
  id integer primary key,
  destination text not null,
  at integer not null,
  duration integer not null,
  number integer not null,
  outcome text not null,
  code text not null,
  status integer,
  message text not null,
  first integer not null,
  last integer not null,
  count integer not null,
  gaps blob
);
create index attempts_by_offset on attempts (destination, last);
create table parked (
  id integer primary key autoincrement,
  destination text not null,
  retry_at integer not null,
  attempts integer not null,
  started_at integer not null,
  code text not null,
  message text not null,
  behind integer not null,
  first integer not null,
  last integer not null,
  count integer not null,
  gaps blob
);
create index parked_by_destination on parked (destination);
create table dead_letters (
  id integer primary key autoincrement,
  destination text not null,
  offset integer not null,
  at integer not null,
  code text not null,
  message text not null,
  attempts integer not null,
  source text not null,
  message_id text not null,
  type text not null,
  json blob not null
);
create index dead_letters_by_destination on dead_letters (destination, id);
create table replays (
  id integer primary key autoincrement,
  destination text not null,
  position integer not null,
  until integer not null,
  count integer not null default 0
);

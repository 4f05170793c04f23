BEGIN TRANSACTION;
CREATE TABLE attempts (
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
INSERT INTO "attempts" VALUES(1,'works',1790000000148,3,1,'delivered','',NULL,'',1,1,1,NULL);
INSERT INTO "attempts" VALUES(2,'down',1790000000149,2,1,'retry','destination_unavailable',503,'HTTP 503: ok',1,1,1,NULL);
INSERT INTO "attempts" VALUES(3,'works',1790000000153,1,1,'delivered','',NULL,'',2,2,1,NULL);
INSERT INTO "attempts" VALUES(4,'down',1790000000153,1,1,'retry','destination_unavailable',503,'HTTP 503: ok',2,2,1,NULL);
INSERT INTO "attempts" VALUES(5,'works',1790000000158,1,1,'delivered','',NULL,'',3,3,1,NULL);
INSERT INTO "attempts" VALUES(6,'down',1790000000158,1,1,'retry','destination_unavailable',503,'HTTP 503: ok',3,3,1,NULL);
INSERT INTO "attempts" VALUES(7,'works',1790000000162,1,1,'delivered','',NULL,'',4,4,1,NULL);
INSERT INTO "attempts" VALUES(8,'down',1790000000162,1,1,'retry','destination_unavailable',503,'HTTP 503: ok',4,4,1,NULL);
INSERT INTO "attempts" VALUES(9,'works',1790000000167,1,1,'delivered','',NULL,'',5,5,1,NULL);
INSERT INTO "attempts" VALUES(10,'works',1790000000171,1,1,'delivered','',NULL,'',6,6,1,NULL);
INSERT INTO "attempts" VALUES(11,'works',1790000000176,1,1,'delivered','',NULL,'',7,7,1,NULL);
INSERT INTO "attempts" VALUES(12,'works',1790000000180,1,1,'delivered','',NULL,'',8,8,1,NULL);
INSERT INTO "attempts" VALUES(13,'works',1790000000185,1,1,'delivered','',NULL,'',9,9,1,NULL);
INSERT INTO "attempts" VALUES(14,'works',1790000000190,1,1,'delivered','',NULL,'',10,10,1,NULL);
INSERT INTO "attempts" VALUES(15,'down',1790000000190,1,1,'retry','destination_unavailable',503,'HTTP 503: ok',10,10,1,NULL);
INSERT INTO "attempts" VALUES(16,'works',1790000000194,1,1,'delivered','',NULL,'',11,11,1,NULL);
INSERT INTO "attempts" VALUES(17,'works',1790000000200,1,1,'delivered','',NULL,'',12,12,1,NULL);
INSERT INTO "attempts" VALUES(18,'refuses',1790000000201,1,1,'dead_letter','invalid_payload',400,'HTTP 400: ok',12,12,1,NULL);
CREATE TABLE conflicts (
  id integer primary key,
  offset integer not null,
  at integer not null,
  profile integer not null,
  reason text not null
);
CREATE TABLE counters (
  destination text not null,
  name text not null,
  value integer not null,
  primary key (destination, name)
) without rowid;
INSERT INTO "counters" VALUES('down','accepted',12);
INSERT INTO "counters" VALUES('refuses','accepted',12);
INSERT INTO "counters" VALUES('refuses','dead',1);
INSERT INTO "counters" VALUES('refuses','filtered',11);
INSERT INTO "counters" VALUES('works','accepted',12);
INSERT INTO "counters" VALUES('works','delivered',12);
CREATE TABLE dead_letters (
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
INSERT INTO "dead_letters" VALUES(1,'refuses',12,1790000000201,'invalid_payload','HTTP 400: ok',1,'web','m-11','track',X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D3131222C22757365724964223A22752D33222C226576656E74223A224F7264657220436F6D706C65746564222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30302E3030305A222C2270726F70657274696573223A7B22726576656E7565223A31322E357D2C226F726967696E616C54696D657374616D70223A22323032362D30392D32315431323A30303A30305A222C2272656365697665644174223A22323032362D30392D32315431343A31333A32302E3139305A227D');
CREATE TABLE destinations (
  id text primary key,
  cursor integer not null,
  paused text not null default '',
  paused_by text not null default '',
  paused_code text not null default '',
  hold_until integer not null default 0,
  fingerprint text not null default ''
) without rowid;
INSERT INTO "destinations" VALUES('down',4,'','','',0,'fd3f9d44cc2b36fc15e178480d9a963d');
INSERT INTO "destinations" VALUES('refuses',12,'','','',0,'077352c7f001a961fd2d3b661888bce2');
INSERT INTO "destinations" VALUES('works',12,'','','',0,'7d05335a5ee908b0aea2319bcb3df916');
CREATE TABLE goals (
  audience text not null,
  profile integer not null,
  offset integer not null,
  at integer not null,
  value real,
  primary key (audience, profile, offset)
) without rowid;
CREATE TABLE identifiers (
  kind text not null,
  value text not null,
  profile integer not null,
  primary key (kind, value)
) without rowid;
INSERT INTO "identifiers" VALUES('anonymous_id','a-0',1);
INSERT INTO "identifiers" VALUES('anonymous_id','a-1',2);
INSERT INTO "identifiers" VALUES('email','u0@example.com',1);
INSERT INTO "identifiers" VALUES('user_id','u-0',1);
INSERT INTO "identifiers" VALUES('user_id','u-1',2);
INSERT INTO "identifiers" VALUES('user_id','u-2',3);
INSERT INTO "identifiers" VALUES('user_id','u-3',4);
CREATE TABLE log (
  offset integer primary key,
  source text not null,
  message_id text not null,
  received_at integer not null,
  corrects_clock integer not null,
  json blob not null
);
INSERT INTO "log" VALUES(1,'web','m-0',1790000000141,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D30222C22757365724964223A22752D30222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(2,'web','m-1',1790000000143,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D31222C22757365724964223A22752D31222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(3,'web','m-2',1790000000150,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D32222C22757365724964223A22752D32222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(4,'web','m-3',1790000000154,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D33222C22757365724964223A22752D33222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(5,'web','m-4',1790000000159,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D34222C22757365724964223A22752D30222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(6,'web','m-5',1790000000163,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D35222C22757365724964223A22752D31222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(7,'web','m-6',1790000000167,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D36222C22757365724964223A22752D32222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(8,'web','m-7',1790000000172,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D37222C22757365724964223A22752D33222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A227D');
INSERT INTO "log" VALUES(9,'web','m-8',1790000000176,1,X'7B2274797065223A226964656E74696679222C226D6573736167654964223A226D2D38222C22757365724964223A22752D30222C22616E6F6E796D6F75734964223A22612D30222C22747261697473223A7B22656D61696C223A227530406578616D706C652E636F6D222C22706C616E223A2266726565227D7D');
INSERT INTO "log" VALUES(10,'web','m-9',1790000000181,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D39222C226576656E74223A225365656E222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A222C22616E6F6E796D6F75734964223A22612D31227D');
INSERT INTO "log" VALUES(11,'web','m-10',1790000000185,1,X'7B2274797065223A226964656E74696679222C226D6573736167654964223A226D2D3130222C22757365724964223A22752D31222C22616E6F6E796D6F75734964223A22612D31227D');
INSERT INTO "log" VALUES(12,'web','m-11',1790000000190,1,X'7B2274797065223A22747261636B222C226D6573736167654964223A226D2D3131222C22757365724964223A22752D33222C226576656E74223A224F7264657220436F6D706C65746564222C2274696D657374616D70223A22323032362D30392D32315431323A30303A30305A222C2270726F70657274696573223A7B22726576656E7565223A31322E357D7D');
CREATE TABLE members (
  audience text not null,
  subject text not null,
  since integer not null,
  version text not null,
  primary key (audience, subject)
) without rowid;
CREATE TABLE merges (
  id integer primary key,
  offset integer not null,
  at integer not null,
  survivor integer not null,
  absorbed integer not null,
  survivor_record blob not null,
  absorbed_record blob not null
);
INSERT INTO "merges" VALUES(1,11,1790000000185,2,10,X'5B7B22757365725F6964223A5B22752D31225D7D2C7B7D2C7B7D2C313738393939323030303030302C313738393939323030303030302C302C7B7D5D',X'5B7B22616E6F6E796D6F75735F6964223A5B22612D31225D7D2C7B7D2C7B7D2C313738393939323030303030302C313738393939323030303030302C302C7B7D5D');
CREATE TABLE meta (key text primary key, value) without rowid;
INSERT INTO "meta" VALUES('audience history','{}');
INSERT INTO "meta" VALUES('audience kinds','{}');
INSERT INTO "meta" VALUES('audience leftovers','[]');
INSERT INTO "meta" VALUES('audience outcomes','{}');
INSERT INTO "meta" VALUES('audiences revised','643d54371042');
INSERT INTO "meta" VALUES('audiences served','{"audiences":{},"signals":{},"states":{},"scores":{},"attributes":{},"services":{}}');
INSERT INTO "meta" VALUES('position',12);
CREATE TABLE parked (
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
INSERT INTO "parked" VALUES(1,'down',1790002915448,1,1790000000149,'destination_unavailable','HTTP 503: ok',0,1,1,1,NULL);
INSERT INTO "parked" VALUES(2,'down',1790003443433,1,1790000000153,'destination_unavailable','HTTP 503: ok',0,2,2,1,NULL);
INSERT INTO "parked" VALUES(3,'down',1790003479803,1,1790000000158,'destination_unavailable','HTTP 503: ok',0,3,3,1,NULL);
INSERT INTO "parked" VALUES(4,'down',1790002612110,1,1790000000162,'destination_unavailable','HTTP 503: ok',0,4,4,1,NULL);
INSERT INTO "parked" VALUES(5,'down',1790002764655,1,1790000000190,'destination_unavailable','HTTP 503: ok',0,10,10,1,NULL);
CREATE TABLE profiles (id integer primary key, record blob not null, behavior blob not null default x'', due integer);
INSERT INTO "profiles" VALUES(1,X'5B7B22757365725F6964223A5B22752D30225D2C22656D61696C223A5B227530406578616D706C652E636F6D225D2C22616E6F6E796D6F75735F6964223A5B22612D30225D7D2C7B22656D61696C223A5B227530406578616D706C652E636F6D222C313739303030303030303137365D2C22706C616E223A5B2266726565222C313739303030303030303137365D7D2C7B7D2C313738393939323030303030302C313739303030303030303137362C302C7B7D5D',X'',NULL);
INSERT INTO "profiles" VALUES(2,X'5B7B22757365725F6964223A5B22752D31225D2C22616E6F6E796D6F75735F6964223A5B22612D31225D7D2C7B7D2C7B7D2C313738393939323030303030302C313739303030303030303138352C312C7B7D5D',X'',NULL);
INSERT INTO "profiles" VALUES(3,X'5B7B22757365725F6964223A5B22752D32225D7D2C7B7D2C7B7D2C313738393939323030303030302C313738393939323030303030302C302C7B7D5D',X'',NULL);
INSERT INTO "profiles" VALUES(4,X'5B7B22757365725F6964223A5B22752D33225D7D2C7B7D2C7B7D2C313738393939323030303030302C313738393939323030303030302C302C7B7D5D',X'',NULL);
CREATE TABLE rejections (
  id integer primary key autoincrement,
  source text not null,
  received_at integer not null,
  reason text not null,
  json blob not null
);
INSERT INTO "rejections" VALUES(1,'web',1790000000195,'type: must be one of alias, delete, group, identify, page, screen, track',X'7B2274797065223A226E6F6E73656E7365227D');
CREATE TABLE replays (
  id integer primary key autoincrement,
  destination text not null,
  position integer not null,
  until integer not null,
  count integer not null default 0
);
CREATE TABLE routed (
  offset integer primary key,
  profile integer not null,
  routing integer not null
);
INSERT INTO "routed" VALUES(1,1,1);
INSERT INTO "routed" VALUES(2,2,1);
INSERT INTO "routed" VALUES(3,3,1);
INSERT INTO "routed" VALUES(4,4,1);
INSERT INTO "routed" VALUES(5,1,1);
INSERT INTO "routed" VALUES(6,2,1);
INSERT INTO "routed" VALUES(7,3,1);
INSERT INTO "routed" VALUES(8,4,1);
INSERT INTO "routed" VALUES(9,1,1);
INSERT INTO "routed" VALUES(10,10,1);
INSERT INTO "routed" VALUES(11,2,1);
INSERT INTO "routed" VALUES(12,4,2);
CREATE TABLE routings (id integer primary key, decision text not null unique);
INSERT INTO "routings" VALUES(1,'[["works",""],["refuses","condition not met"],["down",""]]');
INSERT INTO "routings" VALUES(2,'[["works",""],["refuses",""],["down",""]]');
CREATE TABLE seen_1 (key integer primary key, offset integer);
INSERT INTO "seen_1" VALUES(-6297037288591283839,7);
INSERT INTO "seen_1" VALUES(-5954952737544720806,9);
INSERT INTO "seen_1" VALUES(-5516681375664875912,8);
INSERT INTO "seen_1" VALUES(-4756822853496106100,1);
INSERT INTO "seen_1" VALUES(-2224149326986014712,4);
INSERT INTO "seen_1" VALUES(49600548236945833,6);
INSERT INTO "seen_1" VALUES(199339199073303536,3);
INSERT INTO "seen_1" VALUES(438058806029154554,12);
INSERT INTO "seen_1" VALUES(2315083049716366932,2);
INSERT INTO "seen_1" VALUES(2786840362573928854,11);
INSERT INTO "seen_1" VALUES(4652872292719955938,5);
INSERT INTO "seen_1" VALUES(7519075977615688272,10);
CREATE TABLE seen_generations (n integer primary key, started_at integer not null);
INSERT INTO "seen_generations" VALUES(1,1790000000138);
CREATE TABLE sessions (
  id text not null,
  profile integer not null,
  seen_at integer not null,
  primary key (id, profile)
) without rowid;
CREATE TABLE source_cursors (source text primary key, cursor text not null) without rowid;
CREATE TABLE subjects (
  key text primary key,
  record blob not null,
  behavior blob not null,
  due integer
) without rowid;
CREATE TABLE suppressed (user_id text primary key, since integer not null) without rowid;
CREATE TABLE transitions (
  id integer primary key autoincrement,
  audience text not null,
  version text not null,
  subject text not null,
  profile integer not null,
  at integer not null,
  entered integer not null,
  reason text not null
);
CREATE INDEX merges_by_survivor on merges (survivor);
CREATE INDEX attempts_by_offset on attempts (destination, last);
CREATE INDEX parked_by_destination on parked (destination);
CREATE INDEX dead_letters_by_destination on dead_letters (destination, id);
CREATE INDEX profiles_by_due on profiles (due) where due is not null;
CREATE INDEX subjects_by_due on subjects (due) where due is not null;
CREATE INDEX sessions_by_profile on sessions (profile);
CREATE INDEX sessions_by_id on sessions (id, seen_at);
CREATE INDEX sessions_by_time on sessions (seen_at);
CREATE INDEX members_by_subject on members (subject);
CREATE INDEX members_told_by_others on members (audience) where version = 'told';
CREATE INDEX transitions_by_audience on transitions (audience, at);
CREATE INDEX transitions_by_subject on transitions (profile, subject);
CREATE INDEX merges_by_absorbed on merges (absorbed);
CREATE INDEX transitions_by_time on transitions (at);
CREATE INDEX goals_by_time on goals (at);
CREATE INDEX goals_by_profile on goals (profile);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('parked',5);
INSERT INTO "sqlite_sequence" VALUES('rejections',1);
INSERT INTO "sqlite_sequence" VALUES('dead_letters',1);
COMMIT;
pragma user_version = 2;

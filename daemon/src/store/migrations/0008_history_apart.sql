-- What goes on is apart from what is history, so that an alarm costs the same however many there were.
-- History is kept by day: rows of one day lie together, at the end of their table, and go together.
-- The words WITHOUT ROWID (the key is the row) are left out for PostgreSQL, which has no such tables.

-- An alarm that goes on a row.
ALTER TABLE alarms RENAME TO earlier_alarms;
CREATE TABLE alarms (
    id TEXT NOT NULL PRIMARY KEY,
    -- What it looks like and what the engine goes on from: JSON.
    standing TEXT NOT NULL
);
INSERT INTO alarms (id, standing) SELECT id, standing FROM earlier_alarms WHERE condition <> 'ended';

-- One that has ended, under the day of its end.
CREATE TABLE ended_alarms (
    day BIGINT NOT NULL,
    id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    occurrence BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    standing TEXT NOT NULL,
    PRIMARY KEY (day, id)
);
INSERT INTO ended_alarms (day, id, fingerprint, occurrence, updated, standing)
    SELECT updated / 86400000, id, fingerprint, occurrence, updated, standing
    FROM earlier_alarms WHERE condition = 'ended' ORDER BY updated;
CREATE INDEX ended_alarms_newest ON ended_alarms (updated);

-- Numbers that only grow: no occurrence of an alarm is beyond `occurrence`; `pruned` is the last day
-- of which ended alarms were pruned.
CREATE TABLE marks (
    name TEXT NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
) WITHOUT ROWID;
INSERT INTO marks (name, value)
    SELECT 'occurrence', CAST(coalesce(max(occurrence), 0) AS BIGINT) FROM earlier_alarms;
INSERT INTO marks (name, value) VALUES ('pruned', 0);
DROP TABLE earlier_alarms;

-- Who writes, and how many transactions of theirs are durable: what became of a commit that nobody
-- answered for, and whether this is the store that they knew.
CREATE TABLE writers (
    owner TEXT NOT NULL PRIMARY KEY,
    commits BIGINT NOT NULL
) WITHOUT ROWID;

ALTER TABLE journal RENAME TO earlier_journal;
CREATE TABLE journal (
    day BIGINT NOT NULL,
    alarm TEXT NOT NULL,
    id TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    detail TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    PRIMARY KEY (day, alarm, id)
) WITHOUT ROWID;
INSERT INTO journal (day, alarm, id, at, actor, act, detail, before, after)
    SELECT at / 86400000, alarm, id, at, actor, act, detail, before, after
    FROM earlier_journal ORDER BY at / 86400000, alarm, id;
DROP TABLE earlier_journal;

-- Whom a sink told of what goes on, or can't tell the end of.
ALTER TABLE told RENAME TO earlier_told;
CREATE TABLE told (
    alarm TEXT NOT NULL,
    sink TEXT NOT NULL,
    owes BIGINT NOT NULL,
    state TEXT NOT NULL,
    opened BIGINT NOT NULL,
    repeats BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    reason TEXT NOT NULL,
    -- The idempotency key of the notification that began it: later ones answer it.
    root TEXT NOT NULL,
    PRIMARY KEY (alarm, sink)
) WITHOUT ROWID;
-- What was told to its end, under the day of that.
CREATE TABLE told_ended (
    day BIGINT NOT NULL,
    alarm TEXT NOT NULL,
    sink TEXT NOT NULL,
    owes BIGINT NOT NULL,
    state TEXT NOT NULL,
    opened BIGINT NOT NULL,
    repeats BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (day, alarm, sink)
) WITHOUT ROWID;
INSERT INTO told (alarm, sink, owes, state, opened, repeats, ended, reason, root)
    SELECT alarm, sink, owes, state, opened, repeats, ended, reason, root FROM earlier_told
    WHERE state <> 'closed' OR alarm IN (SELECT id FROM alarms);
INSERT INTO told_ended (day, alarm, sink, owes, state, opened, repeats, ended, reason)
    SELECT ended / 86400000, alarm, sink, owes, state, opened, repeats, ended, reason
    FROM earlier_told WHERE state = 'closed' AND alarm NOT IN (SELECT id FROM alarms);
DROP TABLE earlier_told;

-- Groups, and alarms in them under the key of the group, `#`, and their id.
ALTER TABLE groups RENAME TO earlier_groups;
CREATE TABLE groups (
    sink TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (sink, key)
) WITHOUT ROWID;
CREATE TABLE group_alarms (
    alarm TEXT NOT NULL,
    sink TEXT NOT NULL,
    key TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (alarm, sink, key)
) WITHOUT ROWID;
INSERT INTO groups (sink, key, state)
    SELECT sink, key, state FROM earlier_groups WHERE alarm = '';
INSERT INTO group_alarms (alarm, sink, key, state)
    SELECT alarm, sink, key, state FROM earlier_groups WHERE alarm <> '';
DROP TABLE earlier_groups;

ALTER TABLE notice_alarms RENAME TO earlier_notice_alarms;
CREATE TABLE notice_alarms (
    notice TEXT NOT NULL,
    alarm TEXT NOT NULL,
    sink TEXT NOT NULL,
    ends BIGINT NOT NULL,
    PRIMARY KEY (notice, alarm)
) WITHOUT ROWID;
INSERT INTO notice_alarms (notice, alarm, sink, ends)
    SELECT notice, alarm, sink, ends FROM earlier_notice_alarms;
DROP TABLE earlier_notice_alarms;
CREATE INDEX notice_alarms_by_alarm ON notice_alarms (alarm, sink, ends);

-- Dead letters are on no index of what waits.
DROP INDEX outbox_order;
DROP INDEX outbox_thread;
CREATE INDEX outbox_waiting ON outbox (sink, id) WHERE dead = 0;
CREATE INDEX outbox_threads ON outbox (sink, thread, id) WHERE dead = 0;
CREATE INDEX outbox_dead ON outbox (sink, created) WHERE dead = 1;

-- One text for SQLite and PostgreSQL: TEXT and BIGINT only, times are UTC milliseconds, 0 is never.

-- An occurrence of an alarm a row; it stays when the alarm has ended.
CREATE TABLE alarms (
    id TEXT NOT NULL PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    occurrence BIGINT NOT NULL,
    evaluator TEXT NOT NULL,
    condition TEXT NOT NULL,
    updated BIGINT NOT NULL,
    -- What it looks like and what the engine goes on from: JSON.
    standing TEXT NOT NULL
);
CREATE INDEX alarms_condition ON alarms (condition, updated);

-- What happened to alarms, and who did it. Rows are only added.
CREATE TABLE journal (
    id TEXT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    alarm TEXT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX journal_alarm ON journal (alarm, id);

-- Notifications that wait for their sink; with dead = 1, those that were given up or rejected.
CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    sink TEXT NOT NULL,
    -- Rows of one thread are delivered one after the other.
    thread TEXT NOT NULL,
    alarm TEXT NOT NULL,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    created BIGINT NOT NULL,
    due BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Until then the row is its owner's alone; the fence tells a late owner that it is not any more.
    lease BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    owner TEXT NOT NULL,
    dead BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX outbox_due ON outbox (sink, dead, due);
CREATE INDEX outbox_thread ON outbox (sink, thread, dead, id);
CREATE INDEX outbox_alarm ON outbox (alarm);

-- Whom a sink told of what. One that owes is an obligation: it is to be told of the end.
CREATE TABLE told (
    sink TEXT NOT NULL,
    alarm TEXT NOT NULL,
    owes BIGINT NOT NULL,
    state TEXT NOT NULL,
    opened BIGINT NOT NULL,
    repeats BIGINT NOT NULL,
    repeat_at BIGINT NOT NULL,
    ended BIGINT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (sink, alarm)
);
CREATE INDEX told_state ON told (state, sink, repeat_at);
CREATE INDEX told_alarm ON told (alarm);

-- Notices are about groups of alarms, and groups outlive the process.

-- What the engine goes on from: of groups, and of alarms in them. What is over has no row.
CREATE TABLE groups (
    sink TEXT NOT NULL,
    key TEXT NOT NULL,
    -- Of the row of an alarm in a group: when the alarm ends, the engine tells this sink of it.
    alarm TEXT NOT NULL,
    -- Only the engine reads it: JSON.
    state TEXT NOT NULL,
    updated BIGINT NOT NULL,
    PRIMARY KEY (sink, key)
);
CREATE INDEX groups_of_alarm ON groups (alarm, sink);

-- The alarms that a row of the outbox is about; ends = 1: it says that the alarm is over. The
-- column `alarm` of the outbox names the worst of them, for lists.
CREATE TABLE notice_alarms (
    notice TEXT NOT NULL,
    sink TEXT NOT NULL,
    alarm TEXT NOT NULL,
    ends BIGINT NOT NULL,
    PRIMARY KEY (notice, alarm)
);
-- Forwarded rows do not say by their kind whether they are about an end.
INSERT INTO notice_alarms (notice, sink, alarm, ends)
    SELECT id, sink, alarm, CASE WHEN kind = 'closing'
        OR (kind = 'forwarded' AND payload LIKE '%"status":"resolved"%') THEN 1 ELSE 0 END
    FROM outbox;
CREATE INDEX notice_alarms_of_alarm ON notice_alarms (alarm, sink, ends);
-- Nothing looks for an alarm in the outbox any more.
DROP INDEX outbox_of_alarm;

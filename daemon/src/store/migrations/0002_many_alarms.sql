-- What a hundred thousand alarms need: no statement of the alarm path looks at all of them.

-- A claim takes rows in this order and stops.
CREATE INDEX outbox_order ON outbox (sink, dead, id);
DROP INDEX outbox_due;
-- So that none looks for an alarm's rows there.
CREATE INDEX outbox_of_alarm ON outbox (alarm, sink, dead, id);
DROP INDEX outbox_alarm;
-- Without the state, SQLite would rather go through all that are open.
CREATE INDEX told_of_alarm ON told (alarm, state);
DROP INDEX told_alarm;
-- The last occurrence of each is read at the start, and nothing else of the rows.
CREATE INDEX alarms_occurrence ON alarms (fingerprint, occurrence, updated);
-- What goes on is read in pages, past all that has ended.
CREATE INDEX alarms_live ON alarms (id, condition) WHERE condition <> 'ended';

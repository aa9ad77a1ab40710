//! Every statement of the store, in the subset of SQL that SQLite and PostgreSQL share.
//!
//! Integers are bound as i64, text as text, nothing as NULL. A test prepares each of them on both.

/// Names the statements, and lists them for the test that runs them all.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)*) => {
        $($(#[$doc])* pub(super) const $name: &str = $sql;)*
        /// All of them.
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}

statements! {
    SAVE_ALARM = "INSERT INTO alarms (id, fingerprint, occurrence, evaluator, condition, updated,
        standing) VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (id) DO UPDATE SET condition = excluded.condition, updated = excluded.updated,
        standing = excluded.standing";
    FORGET_ALARM = "DELETE FROM alarms WHERE id IN (VALUES ($1))";
    /// A page of them; an index leaves out what has ended, which is most.
    LIVE_ALARMS = "SELECT standing, id FROM alarms WHERE condition <> 'ended' AND id > $1
        ORDER BY id LIMIT $2";
    ALARM = "SELECT standing FROM alarms WHERE id = $1";
    /// The last occurrence of each fingerprint, the newest first, so that ids go on from them.
    OCCURRENCES = "SELECT fingerprint, CAST(max(occurrence) AS BIGINT) FROM alarms
        WHERE condition = 'ended' GROUP BY fingerprint ORDER BY max(updated) DESC LIMIT $1";
    GREATEST_OCCURRENCE = "SELECT CAST(coalesce(max(occurrence), 0) AS BIGINT) FROM alarms";

    LAST_ID = "SELECT max(id) FROM (SELECT coalesce(max(id), '') AS id FROM journal
        UNION ALL SELECT coalesce(max(id), '') AS id FROM thresholds_history
        UNION ALL SELECT coalesce(max(id), '') AS id FROM outbox) AS ids";
    RECORD = "INSERT INTO journal (id, at, alarm, actor, act, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    HISTORY = "SELECT at, actor, act, detail FROM journal WHERE alarm = $1 ORDER BY id LIMIT $2";

    ENQUEUE = "INSERT INTO outbox (id, sink, thread, alarm, kind, payload, created, due, expires,
        attempts, lease, fence, owner, dead, reason)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $9, $11, 0, '')";
    /// The first row of each thread that is due: the predicate stands in both places, so that
    /// no row is claimed twice.
    CLAIM = "UPDATE outbox SET lease = $1, fence = fence + 1, owner = $2, attempts = attempts + 1
        WHERE id IN (SELECT o.id FROM outbox o WHERE o.sink = $3 AND o.dead = 0 AND o.due <= $4
            AND o.lease < $4 AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.sink = o.sink
                AND e.thread = o.thread AND e.dead = 0 AND e.id < o.id)
            ORDER BY o.id LIMIT $5)
        AND lease < $4
        RETURNING id, alarm, kind, payload, expires, attempts, fence";
    /// When the next row of a sink is due: of rows that nobody holds.
    NEXT_DUE = "SELECT CAST(coalesce(min(CASE WHEN lease > due THEN lease ELSE due END), 0) AS BIGINT)
        FROM outbox WHERE sink = $1 AND dead = 0";
    DELIVERED = "WITH held (id, fence) AS (VALUES ($1, CAST($2 AS BIGINT)))
        DELETE FROM outbox WHERE id IN (SELECT id FROM held)
        AND (id, fence) IN (SELECT id, fence FROM held) RETURNING id";
    /// Rows that were claimed and not tried.
    PUT_BACK = "WITH held (id, fence) AS (VALUES ($1, CAST($2 AS BIGINT)))
        UPDATE outbox SET lease = 0, attempts = attempts - 1 WHERE id IN (SELECT id FROM held)
        AND (id, fence) IN (SELECT id, fence FROM held)";
    RETRY = "UPDATE outbox SET due = $3, lease = 0, payload = $4, reason = $5 WHERE id = $1 AND fence = $2";
    BURY = "UPDATE outbox SET dead = 1, lease = 0, payload = $3, reason = $4 WHERE id = $1 AND fence = $2";
    /// A part of a notification that was rejected, beside the part that was delivered.
    BURY_PART = "INSERT INTO outbox (id, sink, thread, alarm, kind, payload, created, due, expires,
        attempts, lease, fence, owner, dead, reason)
        SELECT $1, sink, thread, alarm, 'forwarded', $2, created, due, expires, attempts, 0, 0, '', 1, $3
        FROM outbox WHERE id = $4";
    FORWARD = "INSERT INTO outbox (id, sink, thread, alarm, kind, payload, created, due, expires,
        attempts, lease, fence, owner, dead, reason)
        SELECT $1, $2, thread, alarm, 'forwarded', $3, $4, $4, $5, 0, 0, 0, '', 0, ''
        FROM outbox WHERE id = $6";
    RELEASE = "UPDATE outbox SET lease = 0, due = CASE WHEN due > $1 THEN $1 ELSE due END
        WHERE dead = 0 AND (owner = $2 OR owner = '')";
    WAITING = "SELECT id, sink, alarm, kind, created, due, attempts, dead, reason, payload
        FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
    ONE_WAITING = "SELECT id, sink, alarm, kind, created, due, attempts, dead, reason, payload
        FROM outbox WHERE id = $1";
    COUNT_WAITING = "SELECT sink, dead, CAST(count(*) AS BIGINT), CAST(min(created) AS BIGINT)
        FROM outbox GROUP BY sink, dead ORDER BY sink, dead";
    REDRIVE = "UPDATE outbox SET dead = 0, due = $2, attempts = 0, expires = $2 + (expires - created),
        created = $2, reason = '' WHERE id = $1 AND dead = 1";
    DROP = "DELETE FROM outbox WHERE id = $1";
    SINKS_OF_OUTBOX = "SELECT DISTINCT sink FROM outbox WHERE dead = 0";
    BURY_ALL_OF_SINK = "UPDATE outbox SET dead = 1, lease = 0, reason = $2 WHERE sink = $1 AND dead = 0";
    /// Ends that nobody needs to be told of: the beginning never arrived and will not.
    WITHDRAW = "DELETE FROM outbox WHERE sink = $1 AND kind = 'closing' AND dead = 0
        AND NOT EXISTS (SELECT 1 FROM told t WHERE t.sink = outbox.sink AND t.alarm = outbox.alarm
            AND t.state = 'open')
        AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.sink = outbox.sink
            AND e.alarm = outbox.alarm AND e.dead = 0 AND e.id < outbox.id)";

    TELL = "INSERT INTO told (sink, alarm, owes, state, opened, repeats, repeat_at, ended, reason)
        VALUES ($1, $2, $3, 'open', $4, 0, $5, 0, '')
        ON CONFLICT (sink, alarm) DO UPDATE SET repeats = told.repeats + 1,
        repeat_at = excluded.repeat_at";
    CLOSE = "UPDATE told SET state = 'closed', ended = $1, reason = $2
        WHERE (sink, alarm) IN (VALUES ($3, $4)) AND state <> 'closed'";
    LOSE = "UPDATE told SET state = 'unreachable', ended = $3, reason = $4
        WHERE sink = $1 AND alarm = $2 AND state = 'open'";
    LOSE_ALL_OF_SINK = "UPDATE told SET state = 'unreachable', ended = $2, reason = $3
        WHERE sink = $1 AND state = 'open' AND owes = 1";
    /// Sinks that know of an alarm, or will: a notice of its beginning waits for them.
    KNOWING = "WITH these (alarm) AS (VALUES ($1))
        SELECT alarm, sink FROM told WHERE alarm IN (SELECT alarm FROM these)
            AND state = 'open' AND owes = 1
        UNION SELECT alarm, sink FROM outbox WHERE alarm IN (SELECT alarm FROM these)
            AND dead = 0 AND kind <> 'closing'";
    /// The end is due to them, and nothing that waits says so.
    UNSETTLED = "SELECT a.standing FROM told t JOIN alarms a ON a.id = t.alarm
        WHERE t.sink = $1 AND t.state = 'open' AND t.owes = 1
        AND t.alarm NOT IN (SELECT l.id FROM alarms l WHERE l.condition <> 'ended')
        AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.sink = t.sink AND o.alarm = t.alarm
            AND o.kind = 'closing') LIMIT $2";
    /// The same, of alarms that a sink was just told of.
    UNSETTLED_OF = "WITH these (sink, alarm) AS (VALUES ($1, $2))
        SELECT a.standing FROM these JOIN alarms a ON a.id = these.alarm AND a.condition = 'ended'
        JOIN told t ON t.sink = these.sink AND t.alarm = these.alarm
        WHERE t.state = 'open' AND t.owes = 1 AND NOT EXISTS (SELECT 1 FROM outbox o
            WHERE o.sink = t.sink AND o.alarm = t.alarm AND o.kind = 'closing')";
    /// Those who owe nothing are done when the alarm is.
    FORGET_TOLD = "DELETE FROM told WHERE alarm IN (VALUES ($1)) AND owes = 0";
    REPEATS = "SELECT alarm FROM told WHERE sink = $1 AND state = 'open' AND repeat_at > 0
        AND repeat_at <= $2 ORDER BY repeat_at LIMIT $3";
    /// Alarms of which something waits for a sink: it is not to be told of them again as well.
    PENDING = "SELECT DISTINCT alarm FROM outbox WHERE sink = $1 AND dead = 0";
    NEXT_REPEAT = "SELECT CAST(coalesce(min(repeat_at), 0) AS BIGINT) FROM told
        WHERE sink = $1 AND state = 'open' AND repeat_at > 0";
    POSTPONE = "UPDATE told SET repeat_at = $3 WHERE sink = $1 AND alarm = $2";
    OBLIGATIONS = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        WHERE owes = 1 AND (state <> 'closed' OR $1 = 1) ORDER BY opened, sink, alarm LIMIT $2";
    SINKS_TOLD = "SELECT DISTINCT sink FROM told WHERE state = 'open'";
    COUNT_OBLIGATIONS = "SELECT state, CAST(count(*) AS BIGINT) FROM told WHERE owes = 1
        AND state <> 'closed' GROUP BY state";

    THRESHOLDS = "SELECT id, evaluator, matchers, levels, author, reason, created, updated, version
        FROM thresholds WHERE removed = 0 ORDER BY id LIMIT $1";
    ADD_THRESHOLD = "INSERT INTO thresholds (id, evaluator, matchers, levels, author, reason, created,
        updated, version, removed) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 1, 0)";
    CHANGE_THRESHOLD = "UPDATE thresholds SET evaluator = $3, matchers = $4, levels = $5, author = $6,
        reason = $7, updated = $8, version = version + 1
        WHERE id = $1 AND version = $2 AND removed = 0";
    REMOVE_THRESHOLD = "UPDATE thresholds SET removed = $3, updated = $3, version = version + 1
        WHERE id = $1 AND version = $2 AND removed = 0";
    NOTE_THRESHOLD = "INSERT INTO thresholds_history (id, threshold, at, actor, act, before, after)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    THRESHOLD_HISTORY = "SELECT at, actor, act, before, after FROM thresholds_history
        WHERE threshold = $1 ORDER BY id LIMIT $2";
}

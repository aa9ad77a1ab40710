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

    SAVE_LOG_CURSOR = "INSERT INTO log_cursors (evaluator, source, queue, position, state)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (evaluator, source) DO UPDATE SET
        queue = excluded.queue, position = excluded.position, state = excluded.state";
    LOG_CURSORS = "SELECT evaluator, source, queue, position, state FROM log_cursors
        ORDER BY evaluator, source";
    FORGET_LOG_CURSOR = "DELETE FROM log_cursors WHERE evaluator = $1 AND source = $2";

    LAST_ID = "SELECT max(id) FROM (SELECT coalesce(max(id), '') AS id FROM journal
        UNION ALL SELECT coalesce(max(id), '') AS id FROM thresholds_history
        UNION ALL SELECT coalesce(max(id), '') AS id FROM outbox) AS ids";
    RECORD = "INSERT INTO journal (id, at, alarm, actor, act, detail) VALUES ($1, $2, $3, $4, $5, $6)";
    HISTORY = "SELECT at, actor, act, detail, before, after FROM journal WHERE alarm = $1
        ORDER BY id LIMIT $2";
    RECORD_DEED = "INSERT INTO journal (id, at, alarm, actor, act, detail, before, after)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";

    HANDLED = "SELECT alarm, state, note, version, updated FROM handling
        WHERE alarm IN (VALUES ($1))";
    HANDLINGS = "SELECT h.alarm, h.state, h.note, h.version, h.updated
        FROM alarms a JOIN handling h ON h.alarm = a.id WHERE a.condition <> 'ended'";
    /// Of two people who saw the same version, the second changes nothing.
    HANDLE = "INSERT INTO handling (alarm, word, state, note, version, updated)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (alarm) DO UPDATE SET word = excluded.word, state = excluded.state,
        note = excluded.note, version = excluded.version, updated = excluded.updated
        WHERE handling.version = excluded.version - 1 RETURNING alarm";
    /// What ended while nobody had taken it up, newest first.
    UNSEEN = "SELECT a.standing, a.id, coalesce(h.state, ''), coalesce(h.note, ''),
        CAST(coalesce(h.version, 0) AS BIGINT), CAST(coalesce(h.updated, 0) AS BIGINT)
        FROM alarms a LEFT JOIN handling h ON h.alarm = a.id WHERE a.condition = 'ended'
        AND a.updated > $1 AND coalesce(h.word, 'unhandled') = 'unhandled'
        ORDER BY a.updated DESC LIMIT $2";
    /// What ended of late, newest first.
    ENDED = "SELECT a.standing, a.id, coalesce(h.state, ''), coalesce(h.note, ''),
        CAST(coalesce(h.version, 0) AS BIGINT), CAST(coalesce(h.updated, 0) AS BIGINT)
        FROM alarms a LEFT JOIN handling h ON h.alarm = a.id WHERE a.condition = 'ended'
        AND a.updated > $1 ORDER BY a.updated DESC LIMIT $2";

    ADD_SILENCE = "INSERT INTO silences (id, matchers, span, author, reason, created, until, ended,
        version) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 1)";
    END_SILENCE = "UPDATE silences SET ended = $2, version = version + 1
        WHERE id = $1 AND ended = 0 AND (until = 0 OR until > $2)";
    OPEN_SILENCES = "SELECT id, matchers, span, author, reason, created, ended, version
        FROM silences WHERE ended = 0 AND (until = 0 OR until > $1) ORDER BY id LIMIT $2";
    SILENCES = "SELECT id, matchers, span, author, reason, created, ended, version
        FROM silences ORDER BY id DESC LIMIT $1";
    SILENCE = "SELECT id, matchers, span, author, reason, created, ended, version
        FROM silences WHERE id = $1";

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
    /// When the next row of a sink can be claimed: of each thread the first, once nobody holds it.
    NEXT_DUE = "SELECT CAST(coalesce(min(CASE WHEN o.lease > o.due THEN o.lease ELSE o.due END), 0)
        AS BIGINT) FROM outbox o WHERE o.sink = $1 AND o.dead = 0 AND NOT EXISTS (SELECT 1 FROM
        outbox e WHERE e.sink = o.sink AND e.thread = o.thread AND e.dead = 0 AND e.id < o.id)";
    DELIVERED = "WITH held (id, fence) AS (VALUES ($1, CAST($2 AS BIGINT)))
        DELETE FROM outbox WHERE id IN (SELECT id FROM held)
        AND (id, fence) IN (SELECT id, fence FROM held) RETURNING id";
    /// Rows that were claimed and not tried.
    PUT_BACK = "WITH held (id, fence) AS (VALUES ($1, CAST($2 AS BIGINT)))
        UPDATE outbox SET lease = 0, attempts = attempts - 1 WHERE id IN (SELECT id FROM held)
        AND (id, fence) IN (SELECT id, fence FROM held)";
    RETRY = "UPDATE outbox SET due = $3, lease = 0, payload = $4, reason = $5 WHERE id = $1 AND fence = $2";
    /// Once: what follows must not follow again where nobody knows whether a commit arrived.
    BURY = "UPDATE outbox SET dead = 1, lease = 0, payload = $3, reason = $4
        WHERE id = $1 AND fence = $2 AND dead = 0";
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
    /// What waits, or is dead, about an alarm.
    WAITING_ABOUT = "SELECT o.id, o.sink, o.alarm, o.kind, o.created, o.due, o.attempts, o.dead,
        o.reason, o.payload FROM notice_alarms n JOIN outbox o ON o.id = n.notice
        WHERE n.alarm = $1 ORDER BY o.id LIMIT $2";
    COUNT_WAITING = "SELECT sink, dead, CAST(count(*) AS BIGINT), CAST(min(created) AS BIGINT)
        FROM outbox GROUP BY sink, dead ORDER BY sink, dead";
    REDRIVE = "UPDATE outbox SET dead = 0, due = $2, attempts = 0, expires = $2 + (expires - created),
        created = $2, reason = '' WHERE id = $1 AND dead = 1";
    DROP = "DELETE FROM outbox WHERE id = $1";
    SINKS_OF_OUTBOX = "SELECT DISTINCT sink FROM outbox WHERE dead = 0";
    BURY_ALL_OF_SINK = "UPDATE outbox SET dead = 1, lease = 0, reason = $2 WHERE sink = $1 AND dead = 0";
    /// Ends that nobody needs to be told of: no beginning of theirs arrived, and none will.
    WITHDRAW = "DELETE FROM outbox WHERE sink = $1 AND kind = 'closing' AND dead = 0
        AND NOT EXISTS (SELECT 1 FROM notice_alarms n WHERE n.notice = outbox.id AND (n.ends = 0
            OR EXISTS (SELECT 1 FROM told t WHERE t.sink = n.sink AND t.alarm = n.alarm
                AND t.state = 'open')
            OR EXISTS (SELECT 1 FROM notice_alarms e JOIN outbox f ON f.id = e.notice
                WHERE e.alarm = n.alarm AND e.sink = n.sink AND e.ends = 0 AND f.dead = 0
                AND e.notice < outbox.id)))
        RETURNING id";
    /// Of sinks and groups, those where something of the group waits for the sink.
    PENDING = "WITH these (sink, thread) AS (VALUES ($1, $2)) SELECT sink, thread FROM these WHERE
        EXISTS (SELECT 1 FROM outbox o WHERE o.sink = these.sink AND o.thread = these.thread
            AND o.dead = 0)";

    NAME_ALARM = "INSERT INTO notice_alarms (notice, sink, alarm, ends) VALUES ($1, $2, $3, $4)";
    /// Another row is about the same alarms.
    NAME_THE_SAME = "INSERT INTO notice_alarms (notice, sink, alarm, ends)
        SELECT $1, $2, alarm, ends FROM notice_alarms WHERE notice = $3";
    ALARMS_OF_NOTICE = "SELECT alarm, ends FROM notice_alarms WHERE notice = $1 ORDER BY alarm";
    FORGET_NAMES = "DELETE FROM notice_alarms WHERE notice IN (VALUES ($1))";

    SAVE_GROUP = "INSERT INTO groups (sink, key, alarm, state, updated) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (sink, key) DO UPDATE SET state = excluded.state, updated = excluded.updated";
    FORGET_GROUP = "DELETE FROM groups WHERE (sink, key) IN (VALUES ($1, $2))";
    GROUPS = "SELECT sink, key, state FROM groups ORDER BY sink, key";

    /// Who is told again after the end is to be told of another one.
    TELL = "INSERT INTO told (sink, alarm, owes, state, opened, repeats, repeat_at, ended, reason, root)
        VALUES ($1, $2, $3, 'open', $4, 0, 0, 0, '', $5)
        ON CONFLICT (sink, alarm) DO UPDATE SET
            repeats = CASE WHEN told.state = 'open' THEN told.repeats + 1 ELSE 0 END,
            opened = CASE WHEN told.state = 'open' THEN told.opened ELSE excluded.opened END,
            owes = CASE WHEN told.state = 'open' AND told.owes = 1 THEN 1 ELSE excluded.owes END,
            root = CASE WHEN told.root = '' THEN excluded.root ELSE told.root END,
            state = 'open', ended = 0, reason = ''";
    /// What began the telling of the alarms of notices, with how many alarms; empty: nothing yet.
    ROOTS = "WITH these (id) AS (VALUES ($1))
        SELECT n.notice, coalesce(t.root, ''), CAST(count(*) AS BIGINT) FROM these
            JOIN notice_alarms n ON n.notice = these.id
            LEFT JOIN told t ON t.sink = n.sink AND t.alarm = n.alarm
            GROUP BY n.notice, coalesce(t.root, '')";
    CLOSE = "UPDATE told SET state = 'closed', ended = $1, reason = $2
        WHERE (sink, alarm) IN (VALUES ($3, $4)) AND state <> 'closed'";
    LOSE = "UPDATE told SET state = 'unreachable', ended = $1, reason = $2
        WHERE (sink, alarm) IN (VALUES ($3, $4)) AND state = 'open'";
    LOSE_ALL_OF_SINK = "UPDATE told SET state = 'unreachable', ended = $2, reason = $3
        WHERE sink = $1 AND state = 'open' AND owes = 1";
    /// Of pairs, those that know: the beginning was told, or a notice of it waits.
    KNOWN = "WITH these (sink, alarm) AS (VALUES ($1, $2))
        SELECT t.sink, t.alarm FROM these JOIN told t ON t.alarm = these.alarm
            AND t.sink = these.sink WHERE t.state = 'open'
        UNION SELECT n.sink, n.alarm FROM these JOIN notice_alarms n ON n.alarm = these.alarm
            AND n.sink = these.sink AND n.ends = 0 JOIN outbox o ON o.id = n.notice AND o.dead = 0";
    /// Sinks that know of an alarm, or will, and that nobody else tells of its end: no group that
    /// it is in, and nothing that waits.
    KNOWING = "WITH these (alarm) AS (VALUES ($1))
        SELECT t.alarm, t.sink, '' FROM these JOIN told t ON t.alarm = these.alarm
            WHERE t.state = 'open' AND t.owes = 1
            AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.alarm = t.alarm AND g.sink = t.sink)
            AND NOT EXISTS (SELECT 1 FROM notice_alarms e WHERE e.alarm = t.alarm
                AND e.sink = t.sink AND e.ends = 1)
        UNION SELECT n.alarm, n.sink, o.thread FROM these JOIN notice_alarms n
            ON n.alarm = these.alarm AND n.ends = 0 JOIN outbox o ON o.id = n.notice AND o.dead = 0
            WHERE NOT EXISTS (SELECT 1 FROM groups g WHERE g.alarm = n.alarm AND g.sink = n.sink)
            AND NOT EXISTS (SELECT 1 FROM notice_alarms e WHERE e.alarm = n.alarm
                AND e.sink = n.sink AND e.ends = 1)";
    /// The end is due to them, no group tells it, and nothing that waits says so.
    UNSETTLED = "SELECT a.standing FROM told t JOIN alarms a ON a.id = t.alarm
        WHERE t.sink = $1 AND t.state = 'open' AND t.owes = 1
        AND t.alarm NOT IN (SELECT l.id FROM alarms l WHERE l.condition <> 'ended')
        AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.alarm = t.alarm AND g.sink = t.sink)
        AND NOT EXISTS (SELECT 1 FROM notice_alarms n WHERE n.alarm = t.alarm AND n.sink = t.sink
            AND n.ends = 1) LIMIT $2";
    /// The same, of alarms that a sink was just told of.
    UNSETTLED_OF = "WITH these (sink, alarm) AS (VALUES ($1, $2))
        SELECT a.standing FROM these JOIN alarms a ON a.id = these.alarm AND a.condition = 'ended'
        JOIN told t ON t.sink = these.sink AND t.alarm = these.alarm
        WHERE t.state = 'open' AND t.owes = 1
        AND NOT EXISTS (SELECT 1 FROM groups g WHERE g.alarm = t.alarm AND g.sink = t.sink)
        AND NOT EXISTS (SELECT 1 FROM notice_alarms n WHERE n.alarm = t.alarm AND n.sink = t.sink
            AND n.ends = 1)";
    /// Those who owe nothing are done when the alarm is.
    FORGET_TOLD = "DELETE FROM told WHERE alarm IN (VALUES ($1)) AND owes = 0";
    OBLIGATIONS = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        WHERE owes = 1 AND (state <> 'closed' OR $1 = 1) ORDER BY opened, sink, alarm LIMIT $2";
    /// Who was told of an alarm, and owes it an end or not.
    DEBTS_OF_ALARM = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        WHERE alarm = $1 ORDER BY sink";
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

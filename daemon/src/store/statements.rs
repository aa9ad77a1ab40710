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
    COMMITS = "SELECT commits FROM writers WHERE owner = $1";
    ADD_WRITER = "INSERT INTO writers (owner, commits) VALUES ($1, 0)";
    COUNT_COMMIT = "UPDATE writers SET commits = $2 WHERE owner = $1";

    SAVE_ALARM = "INSERT INTO alarms (id, standing) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET standing = excluded.standing";
    FORGET_ALARM = "DELETE FROM alarms WHERE id = $1";
    END_ALARM = "INSERT INTO ended_alarms (day, id, fingerprint, occurrence, updated, standing)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (day, id) DO UPDATE SET
        updated = excluded.updated, standing = excluded.standing";
    /// A page of those that go on.
    ALARMS = "SELECT id, standing FROM alarms WHERE id > $1 ORDER BY id LIMIT $2";
    ALARM = "SELECT standing FROM alarms WHERE id = $1";
    /// History is by day: the days that there are, then the row of each.
    ENDED_ALARM = "WITH RECURSIVE days (day) AS (SELECT max(day) FROM ended_alarms UNION ALL
            SELECT (SELECT max(e.day) FROM ended_alarms e WHERE e.day < days.day) FROM days
            WHERE days.day IS NOT NULL)
        SELECT a.standing FROM days CROSS JOIN ended_alarms a WHERE a.day = days.day AND a.id = $1
        ORDER BY a.day DESC LIMIT 1";
    /// The same for ids from one to before another.
    ENDED_ALARMS_FROM = "WITH RECURSIVE days (day) AS (SELECT max(day) FROM ended_alarms UNION ALL
            SELECT (SELECT max(e.day) FROM ended_alarms e WHERE e.day < days.day) FROM days
            WHERE days.day IS NOT NULL)
        SELECT a.standing FROM days CROSS JOIN ended_alarms a
        WHERE a.day = days.day AND a.id >= $1 AND a.id < $2 ORDER BY a.day DESC, a.id LIMIT $3";
    /// Of what ended last, so that occurrences are counted on.
    OCCURRENCES = "SELECT fingerprint, occurrence FROM ended_alarms ORDER BY updated DESC LIMIT $1";
    /// Numbers that only grow.
    MARK = "SELECT value FROM marks WHERE name = $1";
    RAISE_MARK = "UPDATE marks SET value = $2 WHERE name = $1 AND value < $2";

    SAVE_LOG_CURSOR = "INSERT INTO log_cursors (evaluator, source, queue, position, state)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (evaluator, source) DO UPDATE SET
        queue = excluded.queue, position = excluded.position, state = excluded.state";
    LOG_CURSORS = "SELECT evaluator, source, queue, position, state FROM log_cursors
        ORDER BY evaluator, source";
    FORGET_LOG_CURSOR = "DELETE FROM log_cursors WHERE evaluator = $1 AND source = $2";

    LAST_ID = "SELECT max(id) FROM (SELECT coalesce(max(id), '') AS id FROM journal
            WHERE day = (SELECT max(day) FROM journal)
        UNION ALL SELECT coalesce(max(id), '') AS id FROM thresholds_history
        UNION ALL SELECT coalesce(max(id), '') AS id FROM silences
        UNION ALL SELECT coalesce(max(id), '') AS id FROM outbox) AS ids";
    RECORD = "INSERT INTO journal (day, alarm, id, at, actor, act, detail, before, after)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    HISTORY = "WITH RECURSIVE days (day) AS (SELECT max(day) FROM journal UNION ALL
            SELECT (SELECT max(e.day) FROM journal e WHERE e.day < days.day) FROM days
            WHERE days.day IS NOT NULL)
        SELECT j.at, j.actor, j.act, j.detail, j.before, j.after
        FROM days CROSS JOIN journal j WHERE j.day = days.day AND j.alarm = $1
        ORDER BY j.id LIMIT $2";

    HANDLED = "SELECT alarm, state, note, version, updated FROM handling
        WHERE alarm = $1";
    HANDLINGS = "SELECT h.alarm, h.state, h.note, h.version, h.updated
        FROM handling h WHERE EXISTS (SELECT 1 FROM alarms a WHERE a.id = h.alarm)";
    /// Of two people who saw the same version, the second changes nothing.
    HANDLE = "INSERT INTO handling (alarm, word, state, note, version, updated)
        VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (alarm) DO UPDATE SET word = excluded.word, state = excluded.state,
        note = excluded.note, version = excluded.version, updated = excluded.updated
        WHERE handling.version = excluded.version - 1 RETURNING alarm";
    /// What ended while nobody had taken it up, newest first.
    UNSEEN = "SELECT a.standing, a.id, coalesce(h.state, ''), coalesce(h.note, ''),
        CAST(coalesce(h.version, 0) AS BIGINT), CAST(coalesce(h.updated, 0) AS BIGINT)
        FROM ended_alarms a LEFT JOIN handling h ON h.alarm = a.id
        WHERE a.updated > $1 AND coalesce(h.word, 'unhandled') = 'unhandled'
        ORDER BY a.updated DESC LIMIT $2";
    /// What ended of late, newest first.
    ENDED = "SELECT a.standing, a.id, coalesce(h.state, ''), coalesce(h.note, ''),
        CAST(coalesce(h.version, 0) AS BIGINT), CAST(coalesce(h.updated, 0) AS BIGINT)
        FROM ended_alarms a LEFT JOIN handling h ON h.alarm = a.id
        WHERE a.updated > $1 ORDER BY a.updated DESC LIMIT $2";

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
    /// The same of those that are to be given up, whenever they are due.
    CLAIM_EXPIRED = "UPDATE outbox SET lease = $1, fence = fence + 1, owner = $2, attempts = attempts + 1
        WHERE id IN (SELECT o.id FROM outbox o WHERE o.sink = $3 AND o.dead = 0 AND o.expires <= $4
            AND o.lease < $4 AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.sink = o.sink
                AND e.thread = o.thread AND e.dead = 0 AND e.id < o.id)
            ORDER BY o.id LIMIT $5)
        AND lease < $4
        RETURNING id, alarm, kind, payload, expires, attempts, fence";
    HAS_EXPIRED = "SELECT id FROM outbox WHERE sink = $1 AND dead = 0 AND expires <= $2 LIMIT 1";
    /// When the next row of a sink can be claimed: of each thread the first, once nobody holds it.
    NEXT_DUE = "SELECT CAST(coalesce(min(CASE WHEN o.lease > o.due THEN o.lease ELSE o.due END), 0)
        AS BIGINT) FROM outbox o WHERE o.sink = $1 AND o.dead = 0 AND NOT EXISTS (SELECT 1 FROM
        outbox e WHERE e.sink = o.sink AND e.thread = o.thread AND e.dead = 0 AND e.id < o.id)";
    DELIVERED = "DELETE FROM outbox WHERE id = $1 AND fence = $2 RETURNING id";
    /// A row that was claimed and not tried.
    PUT_BACK = "UPDATE outbox SET lease = 0, attempts = attempts - 1 WHERE id = $1 AND fence = $2";
    RETRY = "UPDATE outbox SET due = $3, lease = 0, payload = $4, reason = $5 WHERE id = $1 AND fence = $2";
    /// Once: what follows must not follow again where nobody knows whether a commit arrived.
    BURY = "UPDATE outbox SET dead = 1, lease = 0, payload = $3, reason = $4
        WHERE id = $1 AND fence = $2 AND dead = 0";
    /// One that can't be read: its text is left as it is.
    BURY_UNREAD = "UPDATE outbox SET dead = 1, lease = 0, reason = $3
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
    /// What a clock that went back has dated into the future; it is given up as late as it was to be.
    HASTEN = "UPDATE outbox SET due = CASE WHEN due > $2 THEN $2 ELSE due END,
        expires = CASE WHEN created > $2 THEN $2 + (expires - created) ELSE expires END,
        created = CASE WHEN created > $2 THEN $2 ELSE created END
        WHERE sink = $1 AND dead = 0 AND (due > $2 OR created > $2)";
    WAITING = "SELECT id, sink, alarm, kind, created, due, attempts, dead, reason, payload
        FROM outbox WHERE id > $1 ORDER BY id LIMIT $2";
    ONE_WAITING = "SELECT id, sink, alarm, kind, created, due, attempts, dead, reason, payload
        FROM outbox WHERE id = $1";
    /// What waits, or is dead, about an alarm.
    WAITING_ABOUT = "SELECT o.id, o.sink, o.alarm, o.kind, o.created, o.due, o.attempts, o.dead,
        o.reason, o.payload FROM notice_alarms n JOIN outbox o ON o.id = n.notice
        WHERE n.alarm = $1 ORDER BY o.id LIMIT $2";
    COUNT_WAITING = "SELECT o.sink, CAST(count(*) AS BIGINT), CAST((SELECT f.created FROM outbox f
        WHERE f.sink = o.sink AND f.dead = 0 ORDER BY f.id LIMIT 1) AS BIGINT)
        FROM outbox o WHERE o.dead = 0 GROUP BY o.sink ORDER BY o.sink";
    COUNT_DEAD = "SELECT sink, CAST(count(*) AS BIGINT), CAST(min(created) AS BIGINT)
        FROM outbox WHERE dead = 1 GROUP BY sink ORDER BY sink";
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
    /// A sink and a group, if something of the group waits for the sink.
    PENDING = "SELECT sink, thread FROM outbox WHERE sink = $1 AND thread = $2 AND dead = 0 LIMIT 1";

    NAME_ALARM = "INSERT INTO notice_alarms (notice, sink, alarm, ends) VALUES ($1, $2, $3, $4)";
    /// Another row is about the same alarms.
    NAME_THE_SAME = "INSERT INTO notice_alarms (notice, sink, alarm, ends)
        SELECT $1, $2, alarm, ends FROM notice_alarms WHERE notice = $3";
    ALARMS_OF_NOTICE = "SELECT alarm, ends FROM notice_alarms WHERE notice = $1 ORDER BY alarm";
    FORGET_NAMES = "DELETE FROM notice_alarms WHERE notice = $1";

    SAVE_GROUP = "INSERT INTO groups (sink, key, state) VALUES ($1, $2, $3)
        ON CONFLICT (sink, key) DO UPDATE SET state = excluded.state";
    SAVE_GROUP_ALARM = "INSERT INTO group_alarms (alarm, sink, key, state) VALUES ($1, $2, $3, $4)
        ON CONFLICT (alarm, sink, key) DO UPDATE SET state = excluded.state";
    FORGET_GROUP = "DELETE FROM groups WHERE sink = $1 AND key = $2";
    FORGET_GROUP_ALARM = "DELETE FROM group_alarms WHERE alarm = $1 AND sink = $2 AND key = $3";
    /// A page of groups, and of alarms in them.
    GROUPS = "SELECT sink, key, state FROM groups WHERE (sink, key) > ($1, $2)
        ORDER BY sink, key LIMIT $3";
    GROUP_ALARMS = "SELECT sink, key, state, alarm FROM group_alarms
        WHERE (alarm, sink, key) > ($1, $2, $3) ORDER BY alarm, sink, key LIMIT $4";

    /// Who is told again after the end is to be told of another one.
    TELL = "INSERT INTO told (sink, alarm, owes, state, opened, repeats, ended, reason, root)
        VALUES ($1, $2, $3, 'open', $4, 0, 0, '', $5)
        ON CONFLICT (alarm, sink) DO UPDATE SET
            repeats = CASE WHEN told.state = 'open' THEN told.repeats + 1 ELSE 0 END,
            opened = CASE WHEN told.state = 'open' THEN told.opened ELSE excluded.opened END,
            owes = CASE WHEN told.state = 'open' AND told.owes = 1 THEN 1 ELSE excluded.owes END,
            root = CASE WHEN told.root = '' THEN excluded.root ELSE told.root END,
            state = 'open', ended = 0, reason = ''";
    /// What began the telling of the alarms of a notice, with how many alarms; empty: nothing yet.
    ROOTS = "SELECT n.notice, coalesce(t.root, ''), CAST(count(*) AS BIGINT) FROM notice_alarms n
        LEFT JOIN told t ON t.alarm = n.alarm AND t.sink = n.sink
        WHERE n.notice = $1 GROUP BY n.notice, coalesce(t.root, '')";
    CLOSE = "UPDATE told SET state = 'closed', ended = $1, reason = $2
        WHERE alarm = $4 AND sink = $3 AND state <> 'closed'";
    /// Of an alarm that has ended, what was told to its end is history.
    ARCHIVE_TOLD = "INSERT INTO told_ended (day, alarm, sink, owes, state, opened, repeats, ended,
            reason)
        SELECT ended / 86400000, alarm, sink, owes, state, opened, repeats, ended, reason FROM told
        WHERE alarm = $1 AND state = 'closed' AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = $1)
        ON CONFLICT (day, alarm, sink) DO UPDATE SET owes = excluded.owes, opened = excluded.opened,
            repeats = excluded.repeats, ended = excluded.ended, reason = excluded.reason";
    FORGET_ARCHIVED = "DELETE FROM told WHERE alarm = $1 AND state = 'closed'
        AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = $1)";
    LOSE = "UPDATE told SET state = 'unreachable', ended = $1, reason = $2
        WHERE alarm = $4 AND sink = $3 AND state = 'open'";
    LOSE_ALL_OF_ALARM = "UPDATE told SET state = 'unreachable', ended = $2, reason = $3
        WHERE alarm = $1 AND state = 'open'";
    LOSE_ALL_OF_SINK = "UPDATE told SET state = 'unreachable', ended = $2, reason = $3
        WHERE sink = $1 AND state = 'open' AND owes = 1";
    /// A sink and an alarm, if the sink knows: the beginning was told, or a notice of it waits.
    KNOWN = "SELECT t.sink, t.alarm FROM told t
            WHERE t.alarm = $2 AND t.sink = $1 AND t.state = 'open'
        UNION SELECT n.sink, n.alarm FROM notice_alarms n JOIN outbox o
            ON o.id = n.notice AND o.dead = 0 WHERE n.alarm = $2 AND n.sink = $1 AND n.ends = 0";
    /// Sinks that know of an alarm, or will, and that nobody else tells of its end: no group that
    /// it is in, and nothing that waits.
    KNOWING = "SELECT t.alarm, t.sink, '' FROM told t
            WHERE t.alarm = $1 AND t.state = 'open' AND t.owes = 1
            AND NOT EXISTS (SELECT 1 FROM group_alarms g WHERE g.alarm = t.alarm AND g.sink = t.sink)
            AND NOT EXISTS (SELECT 1 FROM notice_alarms e WHERE e.alarm = t.alarm
                AND e.sink = t.sink AND e.ends = 1)
        UNION SELECT n.alarm, n.sink, o.thread FROM notice_alarms n JOIN outbox o
            ON o.id = n.notice AND o.dead = 0 WHERE n.alarm = $1 AND n.ends = 0
            AND NOT EXISTS (SELECT 1 FROM group_alarms g WHERE g.alarm = n.alarm AND g.sink = n.sink)
            AND NOT EXISTS (SELECT 1 FROM notice_alarms e WHERE e.alarm = n.alarm
                AND e.sink = n.sink AND e.ends = 1)";
    /// Alarms whose end is due to a sink, no group tells it, and nothing that waits says so.
    UNSETTLED = "SELECT t.alarm FROM told t WHERE t.sink = $1 AND t.state = 'open' AND t.owes = 1
        AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = t.alarm)
        AND NOT EXISTS (SELECT 1 FROM group_alarms g WHERE g.alarm = t.alarm AND g.sink = t.sink)
        AND NOT EXISTS (SELECT 1 FROM notice_alarms n WHERE n.alarm = t.alarm AND n.sink = t.sink
            AND n.ends = 1) LIMIT $2";
    /// The same, of an alarm that a sink was just told of.
    UNSETTLED_OF = "SELECT t.alarm FROM told t WHERE t.alarm = $2 AND t.sink = $1
        AND t.state = 'open' AND t.owes = 1
        AND NOT EXISTS (SELECT 1 FROM alarms a WHERE a.id = t.alarm)
        AND NOT EXISTS (SELECT 1 FROM group_alarms g WHERE g.alarm = t.alarm AND g.sink = t.sink)
        AND NOT EXISTS (SELECT 1 FROM notice_alarms n WHERE n.alarm = t.alarm AND n.sink = t.sink
            AND n.ends = 1)";
    /// Those who owe nothing are done when the alarm is.
    FORGET_TOLD = "DELETE FROM told WHERE alarm = $1 AND owes = 0";
    OBLIGATIONS = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        WHERE owes = 1 AND (state <> 'closed' OR CAST($1 AS BIGINT) = 1) ORDER BY opened, sink, alarm LIMIT $2";
    ENDED_OBLIGATIONS = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told_ended
        WHERE owes = 1 ORDER BY day DESC, alarm, sink LIMIT $1";
    /// Who was told of an alarm, and owes it an end or not.
    DEBTS_OF_ALARM = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        WHERE alarm = $1 ORDER BY sink";
    ENDED_DEBTS_OF_ALARM = "WITH RECURSIVE days (day) AS (SELECT max(day) FROM told_ended UNION ALL
            SELECT (SELECT max(e.day) FROM told_ended e WHERE e.day < days.day) FROM days
            WHERE days.day IS NOT NULL)
        SELECT t.sink, t.alarm, t.state, t.opened, t.repeats, t.ended, t.reason
        FROM days CROSS JOIN told_ended t WHERE t.day = days.day AND t.alarm = $1
        ORDER BY t.day, t.sink";
    SINKS_TOLD = "SELECT DISTINCT sink FROM told WHERE state = 'open'";
    /// In one pass, without sorting: how many there are, and how many of them are lost.
    COUNT_OBLIGATIONS = "SELECT CAST(count(*) AS BIGINT), CAST(coalesce(sum(CASE state
        WHEN 'unreachable' THEN 1 ELSE 0 END), 0) AS BIGINT) FROM told WHERE owes = 1
        AND state <> 'closed'";

    /// Alarms of which nobody is owed the end, and nothing waits or is dead that would be told of
    /// them: whoever hears late that they began is told that they ended. Written so that PostgreSQL
    /// goes by the key and stops, whatever it believes of the tables' sizes.
    OLD_ENDED = "SELECT e.day, e.id FROM ended_alarms e WHERE e.day < $1
        AND (SELECT count(*) FROM told t
            WHERE t.alarm = e.id AND t.state = 'open' AND t.owes = 1) = 0
        AND (SELECT count(*) FROM notice_alarms n WHERE n.alarm = e.id) = 0
        ORDER BY e.day, e.id LIMIT $2";
    OLD_JOURNAL = "SELECT day, alarm, id FROM journal WHERE day < $1
        ORDER BY day, alarm, id LIMIT $2";
    OLD_TOLD = "SELECT day, alarm, sink FROM told_ended WHERE day < $1
        ORDER BY day, alarm, sink LIMIT $2";
    /// Of alarms that have ended: ends that can't be told, and beginnings that oblige to none.
    OLD_UNREACHABLE = "SELECT t.alarm, t.sink FROM told t WHERE ((t.state = 'unreachable'
            AND t.ended < $1) OR (t.owes = 0 AND t.opened < $1))
        AND (SELECT count(*) FROM alarms a WHERE a.id = t.alarm) = 0
        AND (SELECT count(*) FROM notice_alarms n WHERE n.alarm = t.alarm AND n.sink = t.sink) = 0
        LIMIT $2";
    /// With how many alarms they name.
    OLD_LETTERS = "SELECT o.id, CAST((SELECT count(*) FROM notice_alarms n WHERE n.notice = o.id)
        AS BIGINT) FROM outbox o WHERE o.dead = 1 AND o.created < $1 LIMIT $2";
    PRUNE_ENDED = "DELETE FROM ended_alarms WHERE day = $1 AND id = $2";
    PRUNE_HANDLING = "DELETE FROM handling WHERE alarm = $1";
    PRUNE_JOURNAL = "DELETE FROM journal WHERE day = $1 AND alarm = $2 AND id = $3";
    PRUNE_TOLD = "DELETE FROM told_ended WHERE day = $1 AND alarm = $2 AND sink = $3";
    PRUNE_UNREACHABLE = "DELETE FROM told WHERE alarm = $1 AND sink = $2
        AND (state = 'unreachable' OR owes = 0)";
    /// Not one that is tried again meanwhile.
    PRUNE_LETTER = "DELETE FROM outbox WHERE id = $1 AND dead = 1 AND created < $2 RETURNING id";

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

    /// A look through all that there is.
    COUNT_ALARMS = "SELECT CAST(count(*) AS BIGINT) FROM alarms";
    COUNT_ENDED = "SELECT CAST(count(*) AS BIGINT) FROM ended_alarms";
    COUNT_JOURNAL = "SELECT CAST(count(*) AS BIGINT) FROM journal";
    COUNT_OUTBOX = "SELECT CAST(count(*) AS BIGINT) FROM outbox";
    COUNT_NOTICE_ALARMS = "SELECT CAST(count(*) AS BIGINT) FROM notice_alarms";
    COUNT_GROUPS = "SELECT CAST(count(*) AS BIGINT) FROM groups";
    COUNT_GROUP_ALARMS = "SELECT CAST(count(*) AS BIGINT) FROM group_alarms";
    COUNT_TOLD = "SELECT CAST(count(*) AS BIGINT) FROM told";
    COUNT_TOLD_ENDED = "SELECT CAST(count(*) AS BIGINT) FROM told_ended";
    COUNT_HANDLING = "SELECT CAST(count(*) AS BIGINT) FROM handling";
    COUNT_SILENCES = "SELECT CAST(count(*) AS BIGINT) FROM silences";
    COUNT_THRESHOLDS = "SELECT CAST(count(*) AS BIGINT) FROM thresholds";
    COUNT_THRESHOLDS_HISTORY = "SELECT CAST(count(*) AS BIGINT) FROM thresholds_history";
    COUNT_LOG_CURSORS = "SELECT CAST(count(*) AS BIGINT) FROM log_cursors";
    CHECK_ALARMS = "SELECT standing FROM alarms ORDER BY id";
    CHECK_ENDED = "SELECT standing FROM ended_alarms ORDER BY day, id";
    CHECK_OUTBOX = "SELECT id, sink, alarm, kind, created, due, attempts, dead, reason, payload
        FROM outbox ORDER BY id";
    CHECK_GROUPS = "SELECT state FROM groups ORDER BY sink, key";
    CHECK_GROUP_ALARMS = "SELECT state FROM group_alarms ORDER BY alarm, sink, key";
    CHECK_TOLD = "SELECT sink, alarm, state, opened, repeats, ended, reason FROM told
        ORDER BY alarm, sink";
    CHECK_HANDLING = "SELECT alarm, state, note, version, updated FROM handling ORDER BY alarm";
    CHECK_SILENCES = "SELECT id, matchers, span, author, reason, created, ended, version
        FROM silences ORDER BY id";
    CHECK_THRESHOLDS = "SELECT id, evaluator, matchers, levels, author, reason, created, updated,
        version FROM thresholds ORDER BY id";
}

-- Numbers that people set for a scope, in the place of an evaluator's own.
CREATE TABLE thresholds (
    id TEXT NOT NULL PRIMARY KEY,
    evaluator TEXT NOT NULL,
    -- JSON: a list of matchers.
    matchers TEXT NOT NULL,
    -- JSON: the levels that it replaces.
    levels TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    created BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    -- Whoever changes it names the version that was seen.
    version BIGINT NOT NULL,
    removed BIGINT NOT NULL
);
CREATE INDEX thresholds_live ON thresholds (removed, id);

-- Who changed what, when. Rows are only added.
CREATE TABLE thresholds_history (
    id TEXT NOT NULL PRIMARY KEY,
    threshold TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    act TEXT NOT NULL,
    -- JSON; empty: there was none.
    before TEXT NOT NULL,
    after TEXT NOT NULL
);
CREATE INDEX thresholds_history_of ON thresholds_history (threshold, id);

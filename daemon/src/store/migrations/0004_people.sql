-- What people do: how alarms are handled, and what is silenced.

-- One row an occurrence that anybody ever did something about.
CREATE TABLE handling (
    alarm TEXT NOT NULL PRIMARY KEY,
    -- Its state in a word, beside the whole of it as JSON.
    word TEXT NOT NULL,
    state TEXT NOT NULL,
    -- The last comment or note.
    note TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL
);

-- Silences; they stay when they are over.
CREATE TABLE silences (
    id TEXT NOT NULL PRIMARY KEY,
    -- A list of matchers, and when it holds: JSON.
    matchers TEXT NOT NULL,
    span TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    created BIGINT NOT NULL,
    -- From then on it holds no more by itself; 0: that is not known.
    until BIGINT NOT NULL,
    -- When somebody ended it.
    ended BIGINT NOT NULL,
    version BIGINT NOT NULL
);
CREATE INDEX silences_open ON silences (ended, until);

-- What it was before an act of a person and after it, as JSON.
ALTER TABLE journal ADD COLUMN before TEXT NOT NULL DEFAULT '';
ALTER TABLE journal ADD COLUMN after TEXT NOT NULL DEFAULT '';

-- Where log evaluators go on in the queues of sources: written with what follows from the batches
-- up to there. What they know of a label set is in its alarm's standing.
CREATE TABLE log_cursors (
    evaluator TEXT NOT NULL,
    source TEXT NOT NULL,
    -- The queue's id: a position in another one means nothing.
    queue TEXT NOT NULL,
    position BIGINT NOT NULL,
    -- How far the source has spoken, and what was counted: JSON.
    state TEXT NOT NULL,
    PRIMARY KEY (evaluator, source)
);

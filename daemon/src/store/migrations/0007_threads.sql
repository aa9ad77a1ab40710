-- The idempotency key of the notification that began what the sink was told of the alarm: later ones
-- answer it, in whatever group they are.
ALTER TABLE told ADD COLUMN root TEXT NOT NULL DEFAULT '';

//! What a running daemon is asked.

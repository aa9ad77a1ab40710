//! The kind `influx`.

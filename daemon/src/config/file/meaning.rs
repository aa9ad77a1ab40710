//! What words of the text mean to the engine.

use super::{Across, Then, Value};
use crate::engine::threshold;

impl From<Across> for threshold::Across {
    fn from(across: Across) -> Self {
        match across {
            Across::Worst => Self::Worst,
            Across::Mean => Self::Mean,
            Across::Sum => Self::Sum,
            Across::Max => Self::Max,
            Across::Min => Self::Min,
            Across::Count => Self::Count,
        }
    }
}

impl From<Value> for threshold::Value {
    fn from(value: Value) -> Self {
        match value {
            Value::Mean => Self::Mean,
            Value::Min => Self::Min,
            Value::Max => Self::Max,
            Value::Sum => Self::Sum,
            Value::Count => Self::Count,
            Value::Last => Self::Last,
            Value::Rate => Self::Rate,
            Value::Delta => Self::Delta,
            Value::P95 => Self::P95,
        }
    }
}

impl From<Then> for threshold::Then {
    fn from(then: Then) -> Self {
        match then {
            Then::Hold => Self::Hold,
            Then::Alarm => Self::Alarm,
            Then::Ok => Self::Ok,
        }
    }
}

//! JSON as people and programs read it: times are RFC 3339 texts in UTC, to the nanosecond.
//!
//! What crosses the boundary to plugins and what is stored has them as integers. Whoever reads, takes
//! either.

use std::fmt::Display;

use haetae_plugin::Timestamp;
use serde::{
    Serialize, Serializer,
    ser::{
        SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

/// The name of the type by which a time is known.
const TIME: &str = "Timestamp";

/// An answer as JSON.
pub fn to_vec(answer: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&Readable(answer))
}

/// The same, indented.
pub fn to_string_pretty(answer: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&Readable(answer))
}

/// A time as text.
pub fn time(time: Timestamp) -> String {
    jiff::Timestamp::from_nanosecond(time.nanos().into())
        .map_or_else(|_| time.nanos().to_string(), |time| time.to_string())
}

/// A value whose times are written as texts.
struct Readable<'a, T: ?Sized>(&'a T);

/// Writes times as texts, and leaves all else to another.
struct Times<S>(S);

impl<T: ?Sized + Serialize> Serialize for Readable<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(Times(serializer))
    }
}

macro_rules! hand_on {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        $(fn $name(self, $($argument: $type),*) -> Result<$answer, S::Error> {
            self.0.$name($($argument),*)
        })*
    };
}

macro_rules! hand_on_within {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ident;)*) => {
        $(fn $name(self, $($argument: $type),*) -> Result<Self::$answer, S::Error> {
            self.0.$name($($argument),*).map(Times)
        })*
    };
}

impl<S: Serializer> Serializer for Times<S> {
    type Error = S::Error;
    type Ok = S::Ok;
    type SerializeMap = Times<S::SerializeMap>;
    type SerializeSeq = Times<S::SerializeSeq>;
    type SerializeStruct = Times<S::SerializeStruct>;
    type SerializeStructVariant = Times<S::SerializeStructVariant>;
    type SerializeTuple = Times<S::SerializeTuple>;
    type SerializeTupleStruct = Times<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Times<S::SerializeTupleVariant>;

    hand_on! {
        serialize_bool(value: bool) -> S::Ok;
        serialize_i8(value: i8) -> S::Ok;
        serialize_i16(value: i16) -> S::Ok;
        serialize_i32(value: i32) -> S::Ok;
        serialize_i64(value: i64) -> S::Ok;
        serialize_i128(value: i128) -> S::Ok;
        serialize_u8(value: u8) -> S::Ok;
        serialize_u16(value: u16) -> S::Ok;
        serialize_u32(value: u32) -> S::Ok;
        serialize_u64(value: u64) -> S::Ok;
        serialize_u128(value: u128) -> S::Ok;
        serialize_f32(value: f32) -> S::Ok;
        serialize_f64(value: f64) -> S::Ok;
        serialize_char(value: char) -> S::Ok;
        serialize_str(value: &str) -> S::Ok;
        serialize_bytes(value: &[u8]) -> S::Ok;
        serialize_none() -> S::Ok;
        serialize_unit() -> S::Ok;
        serialize_unit_struct(name: &'static str) -> S::Ok;
        serialize_unit_variant(name: &'static str, index: u32, variant: &'static str) -> S::Ok;
    }

    hand_on_within! {
        serialize_seq(length: Option<usize>) -> SerializeSeq;
        serialize_tuple(length: usize) -> SerializeTuple;
        serialize_tuple_struct(name: &'static str, length: usize) -> SerializeTupleStruct;
        serialize_tuple_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeTupleVariant;
        serialize_map(length: Option<usize>) -> SerializeMap;
        serialize_struct(name: &'static str, length: usize) -> SerializeStruct;
        serialize_struct_variant(name: &'static str, index: u32, variant: &'static str, length: usize) -> SerializeStructVariant;
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.serialize_some(&Readable(value))
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let nanos = || serde_json::to_value(value).ok()?.as_i64().filter(|nanos| *nanos >= 0);
        match Some(name).filter(|name| *name == TIME).and_then(|_| nanos()) {
            Some(nanos) => self.0.serialize_str(&time(Timestamp::from_nanos(nanos))),
            None => self.0.serialize_newtype_struct(name, &Readable(value)),
        }
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.0.serialize_newtype_variant(name, index, variant, &Readable(value))
    }

    fn collect_str<T: ?Sized + Display>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.0.collect_str(value)
    }
}

macro_rules! parts {
    ($($trait:ident $name:ident($($key:ident: $type:ty)?);)*) => {
        $(impl<S: $trait> $trait for Times<S> {
            type Error = S::Error;
            type Ok = S::Ok;

            fn $name<T: ?Sized + Serialize>(
                &mut self,
                $($key: $type,)?
                value: &T,
            ) -> Result<(), S::Error> {
                self.0.$name($($key,)? &Readable(value))
            }

            fn end(self) -> Result<S::Ok, S::Error> {
                self.0.end()
            }
        })*
    };
}

parts! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeStruct serialize_field(key: &'static str);
    SerializeStructVariant serialize_field(key: &'static str);
}

impl<S: SerializeMap> SerializeMap for Times<S> {
    type Error = S::Error;
    type Ok = S::Ok;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), S::Error> {
        self.0.serialize_key(key)
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), S::Error> {
        self.0.serialize_value(&Readable(value))
    }

    fn end(self) -> Result<S::Ok, S::Error> {
        self.0.end()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Inner {
        at: Timestamp,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Span {
        Between { until: Option<Timestamp> },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Answer {
        #[serde(flatten)]
        inner: Inner,
        ended: Option<Timestamp>,
        told: Option<(Timestamp, u8)>,
        span: Span,
        list: Vec<Timestamp>,
        map: BTreeMap<String, Timestamp>,
        number: i64,
    }

    #[test]
    fn times_are_texts_wherever_they_stand_and_are_read_again() {
        let at = Timestamp::from_nanos(1_764_040_320_000_000_007);
        let until = Timestamp::from_seconds(1_764_040_320);
        let answer = Answer {
            inner: Inner { at },
            ended: Some(until),
            told: Some((until, 7)),
            span: Span::Between { until: Some(until) },
            list: vec![until],
            map: BTreeMap::from([("a".into(), until)]),
            number: 1_764_040_320_000_000_007,
        };
        let text = String::from_utf8(to_vec(&answer).unwrap()).unwrap();
        let time = "\"2025-11-25T03:12:00Z\"";
        assert_eq!(
            text,
            format!(
                "{{\"at\":\"2025-11-25T03:12:00.000000007Z\",\"ended\":{time},\"told\":[{time},7],\
                 \"span\":{{\"kind\":\"Between\",\"until\":{time}}},\"list\":[{time}],\
                 \"map\":{{\"a\":{time}}},\"number\":1764040320000000007}}"
            )
        );
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
        // As it is stored, and as it crosses the boundary.
        let stored = serde_json::to_string(&answer).unwrap();
        assert!(stored.starts_with("{\"at\":1764040320000000007,"), "{stored}");
        assert_eq!(serde_json::from_str::<Answer>(&stored).unwrap(), answer);
    }
}

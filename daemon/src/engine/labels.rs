//! The labels that identify an alarm, in as little memory as they need.

use std::collections::BTreeMap;

/// Names and values, sorted by name, each name once.
///
/// There is one for each alarm: a map would take room for eleven pairs where there are two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Labels(Box<[(Box<str>, Box<str>)]>);

impl Labels {
    /// Each name with its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same as a map.
    pub(super) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, value)| (name.into(), value.into()));
        let mut pairs: Vec<(Box<str>, Box<str>)> = pairs.collect();
        pairs.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.dedup_by(|later, kept| later.0 == kept.0);
        Self(pairs.into())
    }
}

impl From<&BTreeMap<String, String>> for Labels {
    fn from(map: &BTreeMap<String, String>) -> Self {
        map.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_each_name_once_and_the_same_as_a_map() {
        let labels: Labels =
            [("ip", "10.0.0.1"), ("id", "a"), ("ip", "10.0.0.2")].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("id", "a"), ("ip", "10.0.0.1")]);
        assert_eq!(Labels::from(&labels.to_map()), labels);
    }
}

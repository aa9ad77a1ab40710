//! The labels that identify an alarm, in as little memory as they need.

use std::collections::BTreeMap;

/// Names and values, sorted by name, each name once: each part after its length, `2:id1:a`.
///
/// There is one for each alarm: a map would take room for eleven pairs where there are two.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::engine) struct Labels(Box<str>);

impl Labels {
    /// Each name with its value.
    pub(in crate::engine) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((part(&mut rest)?, part(&mut rest)?)))
    }

    /// The value of a name.
    pub(in crate::engine) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// The same as a map.
    pub(in crate::engine) fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Labels {
    /// Pairs that are sorted by name, each name once.
    fn of_sorted<'a>(pairs: &(impl Iterator<Item = (&'a str, &'a str)> + Clone)) -> Self {
        let parts = || pairs.clone().flat_map(|(name, value)| [name, value]);
        // A length has seldom more than three digits.
        let mut text = String::with_capacity(parts().map(|part| part.len() + 4).sum());
        for part in parts() {
            push_number(&mut text, part.len());
            text.push(':');
            text.push_str(part);
        }
        Self(text.into())
    }
}

/// Appends the digits of a number: there are many labels, and `write!` takes as long as all else.
fn push_number(text: &mut String, number: usize) {
    if number > 9 {
        push_number(text, number / 10);
    }
    text.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or_default()));
}

/// Takes the first part off.
fn part<'a>(text: &mut &'a str) -> Option<&'a str> {
    let (length, rest) = text.split_once(':')?;
    let (part, rest) = rest.split_at_checked(length.parse().ok()?)?;
    *text = rest;
    Some(part)
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(name, _)| *name);
        pairs.dedup_by_key(|(name, _)| *name);
        Self::of_sorted(&pairs.into_iter())
    }
}

impl From<&BTreeMap<String, String>> for Labels {
    fn from(map: &BTreeMap<String, String>) -> Self {
        Self::of_sorted(&map.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs = &'static [(&'static str, &'static str)];

    #[test]
    fn labels_are_sorted_each_name_once_and_the_same_as_a_map() {
        let cases: [(Pairs, Pairs); 3] = [
            (&[], &[]),
            (
                &[("ip", "10.0.0.1"), ("id", "a"), ("ip", "10.0.0.2")],
                &[("id", "a"), ("ip", "10.0.0.1")],
            ),
            (&[("각:", "2:é"), ("a", ":")], &[("a", ":"), ("각:", "2:é")]),
        ];
        for (given, sorted) in cases {
            let labels: Labels = given.iter().copied().collect();
            assert_eq!(labels.iter().collect::<Vec<_>>(), sorted);
            assert_eq!(Labels::from(&labels.to_map()), labels);
        }
    }
}

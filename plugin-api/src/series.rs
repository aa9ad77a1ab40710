//! A series: what a value is a value of.

use std::{fmt, iter};

use abi_stable::{
    StableAbi,
    std_types::{RArc, RString, RVec},
};

/// A named stream of values: name, labels sorted by name, unit and kind.
///
/// Identity is name and labels. It is a cheap handle: a source builds each series once, keeps it
/// and pushes clones. Built by [`Series::gauge`], [`Series::counter`] or [`Series::state`].
#[repr(transparent)]
#[derive(StableAbi, Clone)]
pub struct Series(RArc<Identity>);

/// What a series is. One text holds all its parts: there are many series, and a part of its own
/// would take more room than what it says.
#[repr(C)]
#[derive(StableAbi)]
pub struct Identity {
    /// The name, then each label's name and value, then the unit.
    text: RString,
    /// Where each of them ends.
    ends: RVec<u32>,
    kind: Kind,
    reserved: u64,
}

impl Identity {
    fn new<'a>(parts: impl Iterator<Item = &'a str> + Clone, kind: Kind) -> Self {
        let mut text = String::with_capacity(parts.clone().map(str::len).sum());
        let mut ends = Vec::with_capacity(parts.clone().count());
        for part in parts {
            text.push_str(part);
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into(), kind, reserved: 0 }
    }

    /// How many parts stand before the unit.
    fn named(&self) -> usize {
        self.ends.len().saturating_sub(1)
    }

    fn end(&self, part: usize) -> usize {
        self.ends.get(part).map_or(0, |end| usize::try_from(*end).unwrap_or(usize::MAX))
    }

    fn part(&self, part: usize) -> &str {
        let start = part.checked_sub(1).map_or(0, |before| self.end(before));
        self.text.get(start..self.end(part)).unwrap_or_default()
    }

    /// All but the unit and the kind.
    fn identity(&self) -> (Option<&str>, Option<&[u32]>) {
        let named = self.named();
        let text = named.checked_sub(1).and_then(|last| self.text.get(..self.end(last)));
        (text, self.ends.get(..named))
    }
}

/// How the values of a series are to be read. A code: it may grow.
#[repr(transparent)]
#[derive(StableAbi, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind(u32);

impl Kind {
    /// A value that goes up and down.
    pub const GAUGE: Self = Self(0);
    /// A total that only grows and starts again at zero; evaluators make rates of it.
    pub const COUNTER: Self = Self(1);
    /// One of a few values, each with a meaning.
    pub const STATE: Self = Self(2);

    /// Its word in documentation and JSON.
    pub const fn as_str(self) -> &'static str {
        match self.0 {
            0 => "gauge",
            1 => "counter",
            2 => "state",
            _ => "unknown",
        }
    }
}

impl Series {
    /// Starts a gauge. `unit` is UCUM-like short text: `percent`, `bytes`, `seconds`, `1`.
    pub fn gauge(name: impl Into<String>, unit: impl Into<String>) -> SeriesBuilder {
        SeriesBuilder::new(name.into(), unit.into(), Kind::GAUGE)
    }

    /// Starts a counter.
    pub fn counter(name: impl Into<String>, unit: impl Into<String>) -> SeriesBuilder {
        SeriesBuilder::new(name.into(), unit.into(), Kind::COUNTER)
    }

    /// Starts a state.
    pub fn state(name: impl Into<String>) -> SeriesBuilder {
        SeriesBuilder::new(name.into(), "1".into(), Kind::STATE)
    }

    /// Starts a copy of this one, to which labels can be added.
    pub fn to_builder(&self) -> SeriesBuilder {
        SeriesBuilder {
            name: self.name().into(),
            unit: self.unit().into(),
            kind: self.0.kind,
            labels: self.labels().map(|(name, value)| (name.into(), value.into())).collect(),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        self.0.part(0)
    }

    /// The unit.
    pub fn unit(&self) -> &str {
        self.0.part(self.0.named())
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Labels, sorted by name, each name once.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        let labels = self.0.named().saturating_sub(1) / 2;
        (0..labels).map(|label| (self.0.part(2 * label + 1), self.0.part(2 * label + 2)))
    }

    /// The value of the label `name`.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// Whether both are one handle, hence one series; the reverse need not hold.
    pub fn same_handle(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Where the shared identity lies: stable as long as any handle to it lives.
    pub fn address(&self) -> usize {
        std::ptr::from_ref::<Identity>(&self.0).addr()
    }
}

impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.same_handle(other) || self.0.identity() == other.0.identity()
    }
}

impl Eq for Series {}

impl std::hash::Hash for Series {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.identity().hash(state);
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        for (index, (name, value)) in self.labels().enumerate() {
            write!(f, "{}{name}={value:?}", if index == 0 { "{" } else { "," })?;
        }
        if self.labels().len() > 0 { f.write_str("}") } else { Ok(()) }
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A series in the making.
#[derive(Clone, Debug)]
pub struct SeriesBuilder {
    name: String,
    unit: String,
    kind: Kind,
    labels: Vec<(String, String)>,
}

impl SeriesBuilder {
    fn new(name: String, unit: String, kind: Kind) -> Self {
        Self { name, unit, kind, labels: Vec::new() }
    }

    /// Adds a label; one of the same name is replaced. An empty value is no label.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// The finished series.
    pub fn build(mut self) -> Series {
        // Of one name the last one counts: first after the turn, and the sort is stable.
        self.labels.reverse();
        self.labels.sort_by(|(one, _), (other, _)| one.cmp(other));
        self.labels.dedup_by(|(later, _), (kept, _)| later == kept);
        self.labels.retain(|(name, value)| !name.is_empty() && !value.is_empty());
        let labels = self.labels.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        let parts = iter::once(self.name.as_str()).chain(labels).chain([self.unit.as_str()]);
        Series(RArc::new(Identity::new(parts, self.kind)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_unique() {
        let series =
            Series::gauge("cpu", "percent").label("b", "2").label("a", "1").label("b", "3");
        assert_eq!(series.build().to_string(), r#"cpu{a="1",b="3"}"#);
    }

    #[test]
    fn identity_is_name_and_labels() {
        let one = Series::gauge("cpu", "percent").label("a", "1").build();
        let two = Series::counter("cpu", "1").label("a", "1").build();
        assert_eq!(one, two);
        assert!(!one.same_handle(&two));
        assert_eq!(one.label("a"), Some("1"));
        assert_eq!(one.label("b"), None);
        assert_eq!((one.name(), one.unit(), two.unit()), ("cpu", "percent", "1"));
        // The same text with its parts apart elsewhere is another series.
        let other = |name: &str, label: &str, value: &str| {
            Series::gauge(name, "").label(label, value).build()
        };
        let series = other("cpu", "ab", "c");
        assert_eq!(series, other("cpu", "ab", "c"));
        for differs in [other("cp", "uab", "c"), other("cpu", "a", "bc"), other("cpua", "b", "c")] {
            assert_ne!(series, differs);
        }
        assert_eq!(Series::gauge("", "").build().labels().len(), 0);
    }
}

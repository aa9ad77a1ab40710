//! A series: what a value is a value of.

use std::fmt;

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

#[repr(C)]
#[derive(StableAbi)]
pub struct Identity {
    name: RString,
    labels: RVec<Label>,
    unit: RString,
    kind: Kind,
    reserved: u64,
}

#[repr(C)]
#[derive(StableAbi, Clone, PartialEq, Eq)]
struct Label {
    name: RString,
    value: RString,
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
        &self.0.name
    }

    /// The unit.
    pub fn unit(&self) -> &str {
        &self.0.unit
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Labels, sorted by name, each name once.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.labels.iter().map(|label| (label.name.as_str(), label.value.as_str()))
    }

    /// The value of the label `name`.
    pub fn label(&self, name: &str) -> Option<&str> {
        let found = self.0.labels.binary_search_by(|label| label.name.as_str().cmp(name)).ok()?;
        self.0.labels.get(found).map(|label| label.value.as_str())
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
        self.same_handle(other) || (self.0.name == other.0.name && self.0.labels == other.0.labels)
    }
}

impl Eq for Series {}

impl std::hash::Hash for Series {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.name().hash(state);
        for label in self.labels() {
            label.hash(state);
        }
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
        let labels = self
            .labels
            .into_iter()
            .map(|(name, value)| Label { name: name.into(), value: value.into() })
            .collect();
        Series(RArc::new(Identity {
            name: self.name.into(),
            labels,
            unit: self.unit.into(),
            kind: self.kind,
            reserved: 0,
        }))
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
    }
}

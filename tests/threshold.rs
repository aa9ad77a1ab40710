//! A threshold of the engine, by default: each label set is judged by itself, and no data holds what was.

use std::collections::BTreeMap;

use haetae::engine::threshold::rule::{Across, ExpectedIdentities, Flap, NoData, Then, Threshold};

/// Of a metric of a source, for at most so many alarms; its levels are the test's to set.
pub(crate) fn threshold(name: &str, source: &str, metric: &str, limit: usize) -> Threshold {
    Threshold {
        name: name.into(),
        inputs: vec![source.into()],
        metric: metric.into(),
        matchers: Vec::new(),
        by: None,
        across: Across::Worst,
        labels: BTreeMap::new(),
        warning: None,
        critical: None,
        no_data: NoData { after: None, then: Then::Hold },
        over: None,
        limit,
        flap: Some(Flap::default()),
        every: None,
        summary: <_>::default(),
        runbook: None,
        expect: ExpectedIdentities::Nobody,
        judged_by: None,
    }
}

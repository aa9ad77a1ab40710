//! Gates: what a proposal may add before it fails.

use std::{fmt, str::FromStr};

use super::{report::Report, total::What};

/// `alarms>+10%`: the proposal has over a tenth more alarms than there are.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Gate {
    what: What,
    most: u32,
    percent: bool,
}

impl Gate {
    /// Whether the proposal adds too much.
    pub(super) fn holds(&self, report: &Report<'_>) -> bool {
        let Some((current, proposed)) = report.totals(self.what) else { return false };
        let added = u128::from(proposed.saturating_sub(current));
        let most = u128::from(self.most);
        if self.percent { added * 100 > most * u128::from(current) } else { added > most }
    }
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no limit: write alarms>+10%, notices>5 or flaps>0");
        let (what, most) = text.split_once('>').ok_or_else(wrong)?;
        let what = What::ALL.into_iter().find(|one| one.as_str() == what.trim());
        let most = most.trim().trim_start_matches('+');
        let (most, percent) = match most.strip_suffix('%') {
            Some(most) => (most, true),
            None => (most, false),
        };
        let most = most.trim().parse().map_err(|_| wrong())?;
        Ok(Self { what: what.ok_or_else(wrong)?, most, percent })
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = if self.percent { "%" } else { "" };
        write!(f, "{}>+{}{unit}", self.what.as_str(), self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_read_as_it_is_shown() {
        for text in ["alarms>+10%", "notices>+5", "flaps>+0"] {
            assert_eq!(text.parse::<Gate>().unwrap().to_string(), text);
        }
        for text in ["alarms", "alarm>1", "alarms>x", "alarms<1", "alarms>-1"] {
            assert!(text.parse::<Gate>().is_err(), "{text}");
        }
    }
}

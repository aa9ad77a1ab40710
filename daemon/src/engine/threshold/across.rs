//! Across: several series under one identity become one value.

use super::rule::{Across, Side};

impl Across {
    /// Joins values; `None` if there are none.
    pub(super) fn join(self, side: Side, values: impl Iterator<Item = f64>) -> Option<f64> {
        let mut count = 0_u32;
        let (mut sum, mut min, mut max) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
        for value in values {
            count += 1;
            sum += value;
            min = min.min(value);
            max = max.max(value);
        }
        let joined = match (self, side) {
            (Self::Max, _) | (Self::Worst, Side::Above) => max,
            (Self::Min, _) | (Self::Worst, Side::Below) => min,
            (Self::Sum, _) => sum,
            (Self::Mean, _) => sum / f64::from(count),
            (Self::Count, _) => f64::from(count),
        };
        (count > 0).then_some(joined)
    }

    /// Whether one more value could only make the joined one worse, so that some already suffice.
    pub(super) fn only_worsens(self, side: Side) -> bool {
        matches!(
            (self, side),
            (Self::Worst, _) | (Self::Max, Side::Above) | (Self::Min, Side::Below)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_joined_and_some_suffice_where_more_can_only_worsen() {
        let cases = [
            (Across::Worst, Side::Above, 5.0, true),
            (Across::Worst, Side::Below, 1.0, true),
            (Across::Max, Side::Above, 5.0, true),
            (Across::Max, Side::Below, 5.0, false),
            (Across::Min, Side::Above, 1.0, false),
            (Across::Min, Side::Below, 1.0, true),
            (Across::Mean, Side::Above, 3.0, false),
            (Across::Sum, Side::Above, 9.0, false),
            (Across::Count, Side::Above, 3.0, false),
        ];
        for (across, side, joined, suffice) in cases {
            let values = [3.0, 1.0, 5.0].into_iter();
            assert_eq!(across.join(side, values), Some(joined), "{across:?} {side:?}");
            assert_eq!(across.join(side, [].into_iter()), None);
            assert_eq!(across.only_worsens(side), suffice, "{across:?} {side:?}");
        }
    }
}

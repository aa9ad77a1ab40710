//! The condition of one level: ok, pending, firing, recovering.

use std::time::Duration;

use haetae_plugin::Timestamp;
use serde::{Deserialize, Serialize};

use super::rule::{Debounce, Level, Side};

/// The most slots that `of = [n, m]` can look back on.
pub const MOST_SLOTS: usize = 64;

/// Where one level of one alarm stands.
///
/// Time counts toward `for` and `clear_for` only between two judged slots that follow each other:
/// what nobody saw is neither held nor cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Machine {
    state: LevelState,
    /// How long it has held (pending) or been clear (recovering), gaps left out.
    held: Duration,
    /// The slot that was judged last.
    judged: Option<Timestamp>,
    recent: Recent,
}

/// The states of a level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LevelState {
    #[default]
    Ok,
    /// It holds since then, not yet long or often enough.
    Pending(Timestamp),
    Firing,
    /// It fires and is clear, not yet long enough.
    Recovering,
}

/// A value beside a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    /// Beyond `raise`.
    Holds,
    /// In the band between: neither.
    Between,
    /// At or past `clear`.
    Clear,
}

/// What a value does to a state, before `for`, `of` and `clear_for` have their say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// It is ok.
    Rest,
    /// It is pending since this slot.
    Begin,
    /// It stays where it is, and the time since the slot before counts.
    Count,
    /// It fires, or does again.
    Fire,
    /// It is clear since this slot.
    Recover,
}

/// What a value does to each state.
const NEXT: [[Move; 3]; 4] = [
    // holds       between     clear
    [Move::Begin, Move::Rest, Move::Rest],   // ok
    [Move::Count, Move::Rest, Move::Rest],   // pending
    [Move::Fire, Move::Fire, Move::Recover], // firing
    [Move::Fire, Move::Fire, Move::Count],   // recovering
];

impl LevelState {
    /// What a value does to it.
    const fn after(self, judged: Comparison) -> Move {
        let [ok, pending, firing, recovering] = NEXT;
        let [holds, between, clear] = match self {
            Self::Ok => ok,
            Self::Pending(_) => pending,
            Self::Firing => firing,
            Self::Recovering => recovering,
        };
        match judged {
            Comparison::Holds => holds,
            Comparison::Between => between,
            Comparison::Clear => clear,
        }
    }
}

impl Machine {
    /// Judges the slot `at`. `stride` is how far apart two slots are that follow each other.
    pub(super) fn step(
        self,
        judged: Comparison,
        at: Timestamp,
        level: &Level,
        stride: Duration,
    ) -> Self {
        let counted = self.held.saturating_add(self.gap(at, stride));
        let recent = self.recent.with(judged);
        let (state, held) = match self.state.after(judged) {
            Move::Rest => (LevelState::Ok, Duration::ZERO),
            Move::Begin => (LevelState::Pending(at), Duration::ZERO),
            Move::Count => (self.state, counted),
            Move::Fire => (LevelState::Firing, Duration::ZERO),
            Move::Recover => (LevelState::Recovering, Duration::ZERO),
        };
        let judged = Some(at);
        match state {
            LevelState::Pending(_) if recent.suffices(level.debounce, held) => {
                Self { state: LevelState::Firing, held: Duration::ZERO, judged, recent }
            }
            // What is over is over: the next one starts to count anew.
            LevelState::Recovering if held >= level.clear_for => Self { judged, ..Self::default() },
            _ => Self { state, held, judged, recent },
        }
    }

    /// Fires without a value: `no_data.then = "alarm"`.
    pub(super) fn raised(self) -> Self {
        Self { state: LevelState::Firing, held: Duration::ZERO, ..self }
    }

    /// Pending since then, of which nothing counts yet.
    pub(super) fn pending(since: Timestamp) -> Self {
        Self { state: LevelState::Pending(since), ..Self::default() }
    }

    /// What of it a later slot can depend on: it is stored when this changes.
    pub(super) fn kept(self, debounce: Debounce) -> Self {
        let Self { state, held, judged, recent } = self;
        let recent = recent.kept(debounce);
        match state {
            LevelState::Ok => Self { recent, ..Self::default() },
            LevelState::Pending(_) => Self { state, held, judged, recent },
            LevelState::Firing => Self { state, ..Self::default() },
            LevelState::Recovering => Self { state, held, judged, ..Self::default() },
        }
    }

    /// Where it stands.
    pub(super) fn state(&self) -> LevelState {
        self.state
    }

    /// Whether its alarm is on: firing, or recovering.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.state, LevelState::Firing | LevelState::Recovering)
    }

    /// The time since the slot before, if this one follows it.
    fn gap(&self, at: Timestamp, stride: Duration) -> Duration {
        let gap = self.judged.map_or(Duration::ZERO, |judged| at.since(judged));
        if gap <= stride { gap } else { Duration::ZERO }
    }
}

impl Comparison {
    /// Compares; equal to `raise` does not hold, equal to `clear` is clear.
    pub(super) fn of(value: f64, level: &Level) -> Self {
        let (beyond, clear) = match level.side {
            Side::Above => (value > level.raise, value <= level.clear),
            Side::Below => (value < level.raise, value >= level.clear),
        };
        if beyond {
            Self::Holds
        } else if clear {
            Self::Clear
        } else {
            Self::Between
        }
    }
}

/// Whether each of the last slots that had a value held, the newest in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Recent(u64);

impl Recent {
    fn with(self, judged: Comparison) -> Self {
        Self(self.0 << 1 | u64::from(judged == Comparison::Holds))
    }

    /// The slots that the next one is still counted with.
    fn kept(self, debounce: Debounce) -> Self {
        match debounce {
            Debounce::For(_) => Self(0),
            Debounce::Of { slots, .. } => {
                let earlier = u32::try_from(slots.clamp(1, MOST_SLOTS) - 1).unwrap_or(0);
                Self(self.0 & !u64::MAX.unbounded_shl(earlier))
            }
        }
    }

    fn suffices(self, debounce: Debounce, held: Duration) -> bool {
        match debounce {
            Debounce::For(wanted) => held >= wanted,
            Debounce::Of { count, slots } => {
                let slots = u32::try_from(slots.clamp(1, MOST_SLOTS)).unwrap_or(u64::BITS);
                let held = (self.0 & (u64::MAX >> (u64::BITS - slots))).count_ones();
                usize::try_from(held).unwrap_or(MOST_SLOTS) >= count.min(MOST_SLOTS)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn level(debounce: &str) -> Level {
        let words: Vec<_> = debounce.split_whitespace().collect();
        let number = |at: usize| words[at].parse::<u32>().unwrap();
        let (debounce, rest) = if words[0] == "for" {
            (Debounce::For(MINUTE * number(1)), 2)
        } else {
            let (count, slots) = (number(1) as usize, number(2) as usize);
            (Debounce::Of { count, slots }, 3)
        };
        let clear_for = if words.len() > rest { MINUTE * number(rest + 1) } else { Duration::ZERO };
        Level { side: Side::Above, raise: 90.0, clear: 80.0, debounce, clear_for }
    }

    /// A character a minute. In: `#` holds, `~` between, `.` clear, space no evidence.
    /// Out: `-` ok, `p` pending, `F` firing, `R` recovering.
    fn check(debounce: &str, slots: &str, expected: &str) {
        let level = level(debounce);
        let mut machine = Machine::default();
        let mut seen = String::new();
        for (minute, slot) in (0..).zip(slots.chars()) {
            let value = match slot {
                '#' => Some(91.0),
                '~' => Some(85.0),
                '.' => Some(80.0),
                _ => None,
            };
            if let Some(value) = value {
                let at = Timestamp::from_seconds(minute * 60);
                machine = machine.step(Comparison::of(value, &level), at, &level, MINUTE);
            }
            seen.push(shown(machine.state));
        }
        assert_eq!(seen, expected, "{debounce}: {slots}");
    }

    /// Every state x every value x every policy: what comes of it. `+` the slot follows the one
    /// before, so that a minute counts; the state was entered in the slot before.
    const CELLS: &str = "
        policy            ok:#~. pending:#~. firing:#~. recovering:#~.
        for_0                F--         F--        FF-            FF-
        for_0_clear_1        F--         F--        FFR            FFR
        for_0_clear_1+       F--         F--        FFR            FF-
        for_1                p--         p--        FF-            FF-
        for_1+               p--         F--        FF-            FF-
        for_2+               p--         p--        FF-            FF-
        for_1_clear_2+       p--         F--        FFR            FFR
        of_1_3               F--         F--        FF-            FF-
        of_2_3               p--         F--        FF-            FF-
        of_3_3_clear_1+      p--         p--        FFR            FF-
    ";

    #[test]
    fn each_cell_of_state_value_and_policy_is_as_the_table_says() {
        let mut cells = 0;
        let rows = CELLS.lines().map(str::trim).filter(|line| !line.is_empty()).skip(1);
        for row in rows {
            let words: Vec<_> = row.split_whitespace().collect();
            let policy = words[0].trim_end_matches('+').replace('_', " ");
            let level = level(&policy);
            let follows = words[0].ends_with('+');
            let before = Timestamp::from_seconds(60);
            let at = before.after(MINUTE * if follows { 1 } else { 2 });
            let recent = |held| Recent(u64::from(held));
            let states = [
                (LevelState::Ok, recent(false)),
                (LevelState::Pending(before), recent(true)),
                (LevelState::Firing, recent(true)),
                (LevelState::Recovering, recent(false)),
            ];
            for ((state, recent), expected) in states.into_iter().zip(&words[1..]) {
                let judged = [Comparison::Holds, Comparison::Between, Comparison::Clear];
                assert_eq!(expected.len(), judged.len());
                for (judged, expected) in judged.into_iter().zip(expected.chars()) {
                    let held = Duration::ZERO;
                    let machine = Machine { state, held, judged: Some(before), recent };
                    let after = machine.step(judged, at, &level, MINUTE);
                    let why = format!("{} {state:?} {judged:?}", words[0]);
                    assert_eq!(shown(after.state), expected, "{why}");
                    // Pending since the slot that began it; what is over counts anew.
                    let since = if state == LevelState::Ok { at } else { before };
                    assert!(expected != 'p' || after.state == LevelState::Pending(since), "{why}");
                    let stays = shown(state) == shown(after.state);
                    let counts = stays && matches!(expected, 'p' | 'R') && follows;
                    assert_eq!(after.held, if counts { MINUTE } else { held }, "{why}");
                    cells += 1;
                }
            }
        }
        assert_eq!(cells, 10 * 4 * 3);
    }

    fn shown(state: LevelState) -> char {
        match state {
            LevelState::Ok => '-',
            LevelState::Pending(_) => 'p',
            LevelState::Firing => 'F',
            LevelState::Recovering => 'R',
        }
    }

    #[test]
    fn for_zero_fires_in_the_same_evaluation() {
        check("for 0", ".#.", "-F-");
    }

    #[test]
    fn it_fires_when_held_long_enough_and_not_before() {
        check("for 2", "..####..", "--ppFF--");
    }

    #[test]
    fn a_value_that_does_not_hold_ends_pending_at_once() {
        check("for 2", "##.###", "pp-ppF");
        check("for 2", "##~###", "pp-ppF");
    }

    #[test]
    fn in_the_band_it_stays_as_it_is() {
        check("for 0", "~#~~.~", "-FFF--");
    }

    #[test]
    fn it_recovers_for_as_long_as_wanted() {
        check("for 0 clear 2", "#....", "FRR--");
        check("for 0 clear 2", "#..#...", "FRRFRR-");
        check("for 0 clear 2", "#..~...", "FRRFRR-");
    }

    #[test]
    fn time_without_evidence_counts_toward_nothing() {
        check("for 2", "##   ##", "ppppppF");
        check("for 0 clear 2", "#..   ...", "FRRRRRR--");
        check("for 3", "# # # # # # #", "ppppppppppppp");
    }

    #[test]
    fn pending_at_0_without_evidence_from_10_to_40_fires_at_60() {
        let unseen = |from: usize, to: usize| {
            let slots =
                format!("{}{}{}", "#".repeat(from + 1), " ".repeat(to - from - 1), "#".repeat(60));
            let level = level("for 30");
            let mut machine = Machine::default();
            for (minute, slot) in (0..).zip(slots.chars()) {
                if slot == '#' {
                    let at = Timestamp::from_seconds(minute * 60);
                    machine = machine.step(Comparison::Holds, at, &level, MINUTE);
                }
                if machine.is_on() {
                    return minute;
                }
            }
            -1
        };
        assert_eq!(unseen(10, 40), 60);
        assert_eq!(unseen(25, 40), 45);
    }

    #[test]
    fn n_of_the_last_m_slots_with_a_value_fire() {
        check("of 3 5", "#.#.#", "p-p-F");
        check("of 3 5", "#..#..#", "p--p--p");
        check("of 3 5", "# #   #", "ppppppF");
        check("of 2 2", "#.##", "p-pF");
    }

    #[test]
    fn a_resolved_one_counts_anew() {
        check("of 2 5", "##.#", "pF-p");
        check("for 1", "##.#", "pF-p");
    }

    #[test]
    fn a_clock_that_goes_back_adds_nothing() {
        let level = level("for 1");
        let step = |machine: Machine, second| {
            machine.step(Comparison::Holds, Timestamp::from_seconds(second), &level, MINUTE)
        };
        let machine = step(step(Machine::default(), 6000), 60);
        assert!(matches!(machine.state, LevelState::Pending(_)));
        assert!(step(machine, 120).is_on());
    }

    #[test]
    fn below_is_the_mirror_of_above() {
        let level = Level { side: Side::Below, raise: 10.0, clear: 20.0, ..level("for 0") };
        let cases =
            [(9.9, Comparison::Holds), (10.0, Comparison::Between), (20.0, Comparison::Clear)];
        for (value, judged) in cases {
            assert_eq!(Comparison::of(value, &level), judged, "{value}");
        }
    }
}

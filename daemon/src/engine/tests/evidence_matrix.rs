//! Every condition x every evidence x every `no_data.then`, as alarms.md has them.

use super::harness::{Harness, MINUTE, level, threshold};
use crate::engine::{
    SYSTEM,
    threshold::rule::{Level, NoData, Then, Threshold},
};

/// What the slots bring (as in `Trial`), under which `then`, and what comes of an alarm that was
/// ok, pending, firing or recovering: its condition and its evidence.
const CELLS: &str = "
    slots  then            ok pending firing recovering
    #      hold,alarm,ok   F=   p=     F=     F=
    ~      hold,alarm,ok   --   --     F=     F=
    .      hold,alarm,ok   --   --     R=     R=
    x      hold,alarm,ok   --   pl     Fl     Rl
    xx     hold,alarm,ok   --   pl     Fl     Rl
    xxx    hold            --   p0     F0     R0
    xxx    alarm           F0   F0     F0     R0
    xxx    ok              --   --     --     --
    xxxxxx hold            --   p0     F0     R0
    xxxxxx alarm           F0   F0     F0     R0
    xxxxxx ok              --   --     --     --
    xxx.   hold            --   --     R=     R=
    xxx.   alarm           --   --     R=     R=
    xxx.   ok              --   --     --     --
    nnnnnn hold,alarm,ok   --   pE     FE     RE
    dd     hold,alarm,ok   --   pl     Fl     Rl
    !!!!!! hold,alarm,ok   --   p!     F!     R!
    ______ hold,alarm,ok   --   pl     Fl     Rl
    xx!!!! hold,alarm,ok   --   p!     F!     R!
    nnnxxx hold            --   p0     F0     R0
    xxnxx  hold            --   pl     Fl     Rl
    e      hold,alarm,ok   --   --     --     --
    eeee   hold,alarm,ok   --   --     --     --
";

/// How each condition is come by: the slots, `for` and `clear_for`.
const CONDITIONS: [(&str, u32, u32, char); 4] =
    [("..", 0, 0, '-'), ("##", 20, 0, 'p'), ("##", 0, 20, 'F'), ("#..", 0, 20, 'R')];

#[test]
fn each_cell_of_condition_evidence_and_no_data_is_as_the_page_says() {
    let mut cells = 0;
    for row in CELLS.lines().filter(|line| !line.trim().is_empty()).skip(1) {
        let words: Vec<_> = row.split_whitespace().collect();
        for then in words[1].split(',') {
            for ((before, held, clear, condition), expected) in CONDITIONS.iter().zip(&words[2..]) {
                let no_data = NoData {
                    after: None,
                    then: match then {
                        "hold" => Then::Hold,
                        "alarm" => Then::Alarm,
                        _ => Then::Ok,
                    },
                };
                let critical = Level { clear_for: MINUTE * *clear, ..level(90.0, 80.0, *held) };
                let rule = Threshold { no_data, critical: Some(critical), ..threshold(0) };
                let mut harness = Harness::new(vec![rule]);
                harness.slots(before);
                assert_eq!(harness.condition(), *condition);
                let known = harness.changes().len();
                harness.slots(&words[0].replace('_', " "));
                let seen = String::from_iter([harness.condition(), harness.evidence()]);
                let why = format!("{} then {then} after {before}", words[0]);
                assert_eq!(seen, *expected, "{why}");
                // Who is told of what: exactly of alarms that began or ended.
                let (was, is) = (is_on(*condition), is_on(harness.condition()));
                let notified = harness.changes()[known..].len();
                // It began for want of data, and ended with the value.
                let both = words[0] == "xxx." && then == "alarm" && !was;
                let expected = if both { 2 } else { usize::from(was != is) };
                assert_eq!(notified, expected, "{why}: {:?}", harness.changes());
                let down = harness.engine.alarms().iter().any(|one| one.evaluator == SYSTEM);
                assert_eq!(down, words[0].ends_with('!'), "{why}");
                cells += 1;
            }
        }
    }
    assert_eq!(cells, (12 * 3 + 3 * 3 + 2) * 4);
}

fn is_on(condition: char) -> bool {
    matches!(condition, 'F' | 'R')
}

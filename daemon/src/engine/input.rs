//! Input: what the engine is told.

use haetae_plugin::{Samples, Timestamp};

use super::{
    Handling, Override, Problem, Setting, Silence,
    log::LogBatch,
    notify::{Inhibit, Route},
};

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// A source has spoken, up to the batch's watermark. It is not down then.
    Samples {
        /// The source.
        source: String,
        /// What it said; its labels are complete and within the limits.
        samples: Samples,
    },
    /// What a source said before the start, as its reader has it: it fills windows, and is no
    /// word of the source, which may be down.
    History {
        /// The source.
        source: String,
        /// Points of the past; its labels are complete and within the limits.
        samples: Samples,
    },
    /// A batch of a source's queue, for its log evaluators.
    Records(LogBatch),
    /// A source of logs has spoken, and its log evaluators have had all that it had said before.
    Heard {
        /// The source.
        source: String,
        /// Up to when.
        until: Timestamp,
        /// Whether it vouches to have said everything up to then, whatever came between.
        vouched: bool,
    },
    /// Log evaluators are given batches of a source's queue from the oldest on: their place in it
    /// is gone.
    Rewound {
        /// The source.
        source: String,
    },
    /// A source failed: one alarm about it, and none of its evaluators' conditions change.
    SourceDown {
        /// The source.
        source: String,
        /// Why.
        reason: String,
    },
    /// A source is back.
    SourceUp {
        /// The source.
        source: String,
    },
    /// Something is wrong with an instance, or no longer.
    Problem {
        /// The instance.
        instance: String,
        /// What.
        problem: Problem,
        /// More about it; `None` ends it.
        detail: Option<String>,
    },
    /// Numbers that stand in for those of evaluators, all that there are, the newest last. Given
    /// before alarms are restored, they are restored under these.
    Overrides(Vec<Override>),
    /// A person handled an alarm: it stands so now.
    Handled {
        /// The alarm.
        alarm: String,
        /// How it is handled now.
        handling: Handling,
    },
    /// People silence this now, and nothing else.
    Silences(Vec<Silence>),
    /// The configuration says so now of who is told what.
    Routes {
        /// The sinks, in their order.
        routes: Vec<Route>,
        /// Which alarms mute others.
        inhibits: Vec<Inhibit>,
        /// What is worked on.
        maintenance: Vec<Silence>,
    },
    /// The plan is another one from now on; see [`super::Engine::reload`].
    Reload(Box<Setting>),
    /// The clock stood at `from` and stands at the time of this step, without that time having
    /// passed: it was set, or the machine was suspended. Slots in between are missed, which is
    /// nobody's fault, and nothing that counts time counts it.
    Jumped {
        /// Where it stood; later than now if it went back.
        from: Timestamp,
    },
    /// Time has passed.
    Tick,
}

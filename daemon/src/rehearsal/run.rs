//! Playing a scenario: time goes from one thing that happens to the next.

use std::path::PathBuf;

use super::{
    error::RunError,
    notified::{ReportLine, RunReport, judge},
    scenario::{Left, Scenario},
    world::World,
};
use crate::config::Plan;

/// Times at which something happens.
const MOMENTS: usize = 2_000_000;

/// Plays a scenario; `load` reads the plan of a step `reload`.
///
/// The real engine, store, outbox and dispatchers run, with a clock that only goes when nothing
/// is left to do.
pub async fn run_scenario(
    plan: Plan,
    scenario: &Scenario,
    load: impl Fn(&PathBuf) -> Result<Plan, String>,
) -> Result<RunReport, RunError> {
    let mut world = World::new(plan, scenario).await?;
    let mut steps = scenario.steps.iter().peekable();
    let end = scenario.lasts.unwrap_or_else(|| world.longest());
    for _ in 0..MOMENTS {
        while let Some(step) = steps.next_if(|step| step.at <= world.now) {
            world.act(&step.act, &load).await?;
        }
        world.speak().await?;
        world.tick().await?;
        let next = world.next().await?;
        let next = steps.peek().map_or(next, |step| next.min(step.at.max(world.now)));
        if next > end {
            world.now = end;
            return world.judged(scenario).await;
        }
        world.now = next;
        world.set();
    }
    Err(RunError::Endless(world.now))
}

impl World {
    async fn judged(mut self, scenario: &Scenario) -> Result<RunReport, RunError> {
        let mut report = judge(&scenario.expected, &self.heard);
        if let Some(rig) = &self.rig {
            let store = &rig.outbox.store;
            let counts = store.counts().await?;
            let count = |dead| {
                let count =
                    counts.iter().filter(|count| count.dead == dead).map(|count| count.count);
                usize::try_from(count.sum::<i64>()).unwrap_or_default()
            };
            let (open, _) = store.count_obligations().await?;
            let Left { obligations, waiting, dead } = scenario.left;
            let left = [
                ("obligations", obligations, usize::try_from(open).unwrap_or_default()),
                ("waiting", waiting, count(false)),
                ("dead", dead, count(true)),
            ];
            for (name, wanted, is) in left {
                report.lines.extend(wanted.map(|wanted| {
                    if wanted == is {
                        return ReportLine::Met(format!("left: {name} = {is}"));
                    }
                    ReportLine::Missing(
                        format!("left: {name} = {wanted}"),
                        format!("there are {is}"),
                    )
                }));
            }
        }
        self.sleep().await;
        Ok(report)
    }
}

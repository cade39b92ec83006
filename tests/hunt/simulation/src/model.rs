//! The exhaustive small model: one batch of four users, two with an outlier, who are written alone, and two without, who are written
//! together; and every mishap at every effect that the batch has on the world, up to a number of mishaps.
//!
//! A run with a script of mishaps returns the number of effects it had; the script can be extended at each effect after the last
//! scripted one. So every reachable combination is tried, including mishaps in the redeliveries that earlier mishaps caused.

use event_source::kinesis::{KinesisMappingSettings, MemoryStream};
use lambda_kit::Clock;
use serde_json::json;

use super::dice::{Dice, Mishap, Script};
use super::producer::{Payload, Put};
use super::schedule::Pipeline;
use super::trace::Trace;
use super::{Violation, play};

/// Transactions of each user before the batch: enough for verdicts.
const WARM_UP: u32 = 12;
/// One ordinary amount and one outlier for each of two users, interleaved, and an ordinary amount for each of two more.
const BATCH: [(&str, f64); 6] =
    [("user1", 101.0), ("user2", 5_000.0), ("user3", 98.0), ("user1", 7_000.0), ("user2", 99.0), ("user4", 103.0)];

/// Outliers in the batch.
const OUTLIERS: usize = 2;

/// The extent of the search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Explored {
    /// Number of runs of the batch.
    pub schedules: u64,
    /// Number of effects of the batch without any mishap.
    pub effects: usize,
}

/// Tries every script of at most `mishaps_max` mishaps; `progress` is called with the number of schedules so far.
///
/// # Errors
/// [`Violation`] names the promise and the script of mishaps that broke it; its seed has no meaning.
pub fn explore(mishaps_max: usize, progress: &dyn Fn(u64)) -> Result<Explored, Violation> {
    let mut explored = Explored { effects: play(0, one_batch(Script::new()))?, schedules: 0 };
    let mut untried = vec![Script::new()];
    while let Some(script) = untried.pop() {
        let effects = play(0, one_batch(script.clone()))?;
        explored.schedules += 1;
        progress(explored.schedules);
        if script.len() < mishaps_max {
            let first = script.last().map_or(0, |(effect, _)| effect + 1);
            untried.extend((first..effects).flat_map(|effect| extended(&script, effect)));
        }
    }
    Ok(explored)
}

/// The scripts that add one mishap at this effect.
fn extended(script: &Script, effect: usize) -> impl Iterator<Item = Script> {
    Mishap::SCRIPTED.into_iter().map(move |mishap| script.iter().copied().chain([(effect, mishap)]).collect())
}

/// Runs the batch under a script. Returns the number of effects.
async fn one_batch(script: Script) -> Result<usize, Violation> {
    let run = async {
        let dice = Dice::scripted(script.clone());
        let mapping = KinesisMappingSettings::default();
        let mut pipeline = Pipeline::with(dice.clone(), Trace::default(), MemoryStream::new(1), mapping, false)?;
        for round in 0..WARM_UP {
            let puts =
                ["user1", "user2", "user3", "user4"].map(|user| put(user, 95.0 + f64::from(round), &pipeline)).to_vec();
            pipeline.put(puts)?;
        }
        pipeline.drain().await?;
        dice.begin();
        let puts = BATCH.map(|(user, amount)| put(user, amount, &pipeline)).to_vec();
        pipeline.put(puts)?;
        pipeline.drain().await?;
        let effects = dice.effects();
        dice.rest();
        let anomalies = pipeline.check_promises().await?.anomalies;
        if anomalies == OUTLIERS { Ok(effects) } else { Err(format!("the batch has {anomalies} anomalies")) }
    };
    run.await.map_err(|what: String| Violation { seed: 0, what: format!("{what}, after {script:?}") })
}

fn put(user: &str, amount: f64, pipeline: &Pipeline) -> Put {
    let now_ms = pipeline.world.clock.now_ms();
    let record = json!({ "userId": user, "amount": amount, "timestamp": now_ms });
    Put::Lone(Payload { key: user.to_owned(), bytes: record.to_string().into_bytes(), transaction: None })
}

//! What goes wrong: now and then by itself, and when somebody presses a button: a slow SNS, an alerter that dies, records that nobody can
//! read.

use anyhow::Context;
use event_source::kinesis::KinesisMappingSettings;
use event_source::sqs::SqsMappingSettings;
use lambda_kit::Fault;
use testbed::{PipelineOptions, QueueOptions, StreamOptions};

use super::World;
use crate::demo::live::switches::Switches;

const SHARDS: u32 = 2;
/// Every n-th response of the detector is lost, and every n-th message delivered twice.
const RESPONSE_LOST_EVERY: u64 = 50;
const DELIVERED_TWICE_EVERY: u64 = 20;
/// What a call of a slow SNS takes.
const SLOW_CALL_MS: i64 = 8_000;
/// A batch has this many messages, so a call has no more publications.
const PUBLICATIONS_PER_CALL: usize = 10;
/// Records of one press of the button.
const POISONED: u64 = 5;
/// Invocations die after 1 to this many polls: anywhere between their first call and their last.
const DEATH_POLLS_MAX: u64 = 12;
/// A step through these numbers that meets each of them before it repeats one.
const DEATH_POLLS_STEP: u64 = 7;

impl World {
    pub(super) fn poison(&mut self) -> anyhow::Result<()> {
        let last = self.last.as_ref().context("nobody has paid yet: try again in a moment")?;
        let payload = serde_json::to_vec(last).unwrap_or_default();
        for _ in 0..POISONED {
            let (key, record) = self.hostility.next(last, &payload);
            self.pipeline.put(&key, record);
        }
        Ok(())
    }

    /// Plans the faults of the next call, if there is something to call for.
    pub(super) fn plan_call(&mut self) {
        let now_ms = self.now_ms();
        if self.pipeline.alerter.next_visible_ms().is_none_or(|visible_ms| visible_ms > now_ms) {
            return;
        }
        self.calls += 1;
        if self.switches.slow_sns {
            self.clock.advance(SLOW_CALL_MS);
        }
        let refused = if self.switches.slow_sns && self.calls.is_multiple_of(2) { PUBLICATIONS_PER_CALL } else { 0 };
        self.pipeline.alerter.plan_publications(std::iter::repeat_n(Fault::Refused, refused));
        if self.deaths_wanted > 0 {
            // One that ends sooner lives, and the next one dies.
            let polls = 1 + self.calls * DEATH_POLLS_STEP % DEATH_POLLS_MAX;
            self.pipeline.alerter.die_after(u32::try_from(polls).unwrap_or(1));
        }
    }
}

/// The pipeline with these switches.
pub(super) fn options(switches: &Switches) -> anyhow::Result<PipelineOptions> {
    Ok(PipelineOptions {
        detector: switches.rule.detector()?,
        alerter: switches.alerter()?,
        stream: StreamOptions {
            shards: SHARDS,
            mapping: KinesisMappingSettings::default(),
            response_lost_every: Some(RESPONSE_LOST_EVERY),
        },
        // Ten hours pass in the queue while a minute passes on the page: too fast for anybody to redrive a dead-letter queue.
        queue: QueueOptions {
            mapping: SqsMappingSettings::default(),
            receive_count_max: None,
            delivered_twice_every: Some(DELIVERED_TWICE_EVERY),
        },
    })
}

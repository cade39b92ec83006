//! Everything, running: the real handlers on an embedded DynamoDB, in a time that passes faster.

mod mishaps;

use std::collections::HashSet;

use alerter::publication::Audience;
use anomaly_core::{AnomalyMessage, Verdict};
use lambda_kit::{Clock, ManualClock};
use scenarios::{Generated, START_MS};
use testbed::{LEDGER_TABLE, Pipeline};

use super::audit::Audit;
use super::charts::{Charts, Series};
use super::phone::Phone;
use super::switches::{Command, LiveRule, Switches};
use super::told::{LastAlerts, Told, hushed, told};
use super::traffic::{Population, Traffic};
use super::update::{Counters, Update};
use crate::demo::hostile::Hostility;
use crate::demo::truth::{Fold, Judged};
use crate::policy::store::PolicyTable;

/// The stream's retention.
const STREAM_RETENTION_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
/// Minutes within which everything under way ends once the services work.
const DRAIN_MINUTES_MAX: u32 = 600;
/// Event time of the day's summary: 8 h UTC.
const SUMMARY_AT_MS: i64 = 8 * 3_600_000;
/// Ids that the ledger is asked for in one read.
const IDS_PER_READ: usize = 50;
/// Steps of the detector within which it has caught up.
const STEPS_MAX: u32 = 10_000;

/// The system and everything around it.
pub(super) struct World {
    clock: ManualClock,
    pipeline: Pipeline<ManualClock>,
    policy: PolicyTable,
    traffic: Traffic,
    hostility: Hostility,
    fold: Fold,
    /// Users whose history is not stored yet. All at once would take seconds.
    history: HashSet<String>,
    audit: Audit,
    charts: Charts,
    phone: Phone,
    switches: Switches,
    /// The rule that judges: that of the switches, once no record is under way.
    judging: LiveRule,
    alerts: LastAlerts,
    last: Option<Generated>,
    transactions: u64,
    quarantined: u64,
    calls: u64,
    deaths_wanted: u32,
    /// The quarantine messages of this day.
    quarantine: HashSet<String>,
    days: i64,
    summaries: i64,
}

impl World {
    /// The population's history, then the page's first moment.
    ///
    /// # Errors
    /// If the pipeline cannot start.
    pub(super) async fn start(population: Population) -> anyhow::Result<Self> {
        let (clock, switches) = (ManualClock::at(START_MS), Switches::default());
        let pipeline = Pipeline::start(clock.clone(), mishaps::options(&switches)?).await?;
        let (mut traffic, mut charts) = (Traffic::new(population)?, Charts::default());
        let mut fold = Fold::new(switches.rule.rule()?);
        traffic.history(&mut fold, &mut charts)?;
        let history = fold.users().keys().cloned().collect();
        let policy = PolicyTable::new(pipeline.alerter.client().clone(), LEDGER_TABLE.to_owned());
        let mut world = Self {
            clock,
            pipeline,
            policy,
            traffic,
            hostility: Hostility::default(),
            fold,
            history,
            audit: Audit::default(),
            charts,
            phone: Phone::default(),
            judging: switches.rule,
            switches,
            alerts: LastAlerts::default(),
            last: None,
            transactions: 0,
            quarantined: 0,
            calls: 0,
            deaths_wanted: 0,
            quarantine: HashSet::new(),
            days: days(START_MS),
            summaries: days(START_MS - SUMMARY_AT_MS),
        };
        world.phone.at(START_MS);
        Ok(world)
    }

    /// Event time now, in ms since the epoch.
    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// Everything that the page shows.
    pub(super) fn whole(&self) -> Update {
        self.update(true, self.charts.whole(), self.alerts.whole())
    }

    /// What is new since the last time.
    pub(super) fn take_news(&mut self) -> Update {
        let (series, alerts) = (self.charts.take_fresh(), self.alerts.take_fresh());
        self.update(false, series, alerts)
    }

    fn update(&self, is_whole: bool, users: Vec<Series>, alerts: Vec<Told>) -> Update {
        let (phone, switches) = (self.phone.clone(), self.switches.clone());
        Update { is_whole, now: self.now_ms(), users, alerts, phone, counters: self.counters(), switches }
    }

    /// The counts so far.
    pub(super) fn counters(&self) -> Counters {
        let alerter = &self.pipeline.alerter;
        Counters {
            transactions: self.transactions,
            alerts: self.audit.counts,
            waiting: alerter.waiting(),
            suppressed: alerter.totals().suppressed,
            quarantined: self.quarantined,
            deaths: alerter.deaths(),
        }
    }

    /// Does what somebody asked for on the page.
    ///
    /// # Errors
    /// If a value is out of its range, or the policy cannot be written.
    pub(super) async fn obey(&mut self, command: &Command) -> anyhow::Result<()> {
        match command {
            Command::Crash => self.deaths_wanted += 1,
            Command::Poison => self.poison()?,
            _ => {
                let switches = self.switches.with(command, self.now_ms())?;
                if switches != self.switches {
                    self.store_policy(&switches).await?;
                    self.switches = switches;
                }
            }
        }
        Ok(())
    }

    /// Stores the policy that the switches say, and deploys the alerter with them.
    async fn store_policy(&self, switches: &Switches) -> anyhow::Result<()> {
        let before = self.policy.policy().await?;
        let version = before.as_ref().map_or(0, |before| before.version) + 1;
        let policy = switches.policy(version, self.now_ms())?;
        self.policy.replace(before.as_ref(), version - 1, &policy).await?;
        self.pipeline.alerter.restart(switches.alerter()?);
        Ok(())
    }

    /// Lets the time pass until then.
    ///
    /// # Errors
    /// If something that has to work does not.
    pub(super) async fn advance(&mut self, until_ms: i64) -> anyhow::Result<()> {
        while let Some(generated) = self.traffic.next_until(until_ms) {
            self.put(generated).await?;
        }
        self.clock.set(until_ms.max(self.now_ms()));
        let is_done = self.detect().await?;
        self.alert().await?;
        self.settle(is_done).await?;
        self.each_day().await
    }

    /// Lets everything that is under way end, with services that work. Nobody pays any more.
    ///
    /// # Errors
    /// If something that has to work does not.
    pub(super) async fn drain(&mut self) -> anyhow::Result<()> {
        self.switches.slow_sns = false;
        self.deaths_wanted = 0;
        for _ in 0..DRAIN_MINUTES_MAX {
            self.clock.advance(MINUTE_MS);
            let is_done = self.detect().await?;
            self.alert().await?;
            self.settle(is_done).await?;
            if self.audit.on_the_way().len() == 0 {
                return Ok(());
            }
        }
        self.audit.nothing_moves();
        Ok(())
    }

    async fn put(&mut self, generated: Generated) -> anyhow::Result<()> {
        self.clock.set(generated.timestamp.max(self.now_ms()));
        if self.history.remove(&generated.user_id)
            && let Some(state) = self.fold.users().get(&generated.user_id)
        {
            self.pipeline.detector.store(&generated.user_id, state.clone(), i64::MAX).await?;
        }
        let placed = self.pipeline.put(&generated.user_id, serde_json::to_vec(&generated)?);
        let Judged { id, verdict } = self.fold.step(&generated, &placed)?;
        self.charts.add(&generated, &verdict);
        if let Verdict::Anomaly(..) = verdict {
            self.audit.expect(id);
        }
        self.transactions += 1;
        self.last = Some(generated);
        Ok(())
    }

    /// Lets the detector work until it has nothing to do now. Returns whether no record is under way.
    async fn detect(&mut self) -> anyhow::Result<bool> {
        for _ in 0..STEPS_MAX {
            let step = self.pipeline.detector.step().await?;
            let bodies = self.pipeline.detector.take_anomalies();
            for message in bodies.iter().filter_map(|body| serde_json::from_str::<AnomalyMessage>(body).ok()) {
                self.audit.sent(message);
            }
            self.pipeline.alerter.send(bodies);
            // A redelivered batch sends its bad records again.
            for message in self.pipeline.detector.take_quarantined() {
                self.quarantined += u64::from(self.quarantine.insert(message));
            }
            if step.invocations == 0 {
                let is_done = step.records_open == 0;
                if is_done && self.judging != self.switches.rule {
                    self.switch_rule()?;
                }
                return Ok(is_done);
            }
        }
        anyhow::bail!("the detector does not get on: does the embedded DynamoDB work?")
    }

    /// Deploys the detector with another rule. No record is under way, so that the fold switches at the same one.
    fn switch_rule(&mut self) -> anyhow::Result<()> {
        self.judging = self.switches.rule;
        self.fold.switch(self.judging.rule()?);
        self.pipeline.detector.restart(self.judging.detector()?);
        Ok(())
    }

    /// Lets the alerter work until it has nothing to do now.
    async fn alert(&mut self) -> anyhow::Result<()> {
        loop {
            let deaths = self.pipeline.alerter.deaths();
            self.plan_call();
            let received = self.pipeline.alerter.step().await?.received;
            let has_died = self.pipeline.alerter.deaths() > deaths;
            self.read_publications(has_died);
            if has_died {
                self.deaths_wanted -= 1;
                self.pipeline.alerter.restart(self.switches.alerter()?);
            }
            if received == 0 {
                return Ok(());
            }
        }
    }

    fn read_publications(&mut self, has_died: bool) {
        let now_ms = self.now_ms();
        for publication in self.pipeline.alerter.take_publications() {
            self.phone.receive(&publication, now_ms);
            if publication.audience == Audience::Summary {
                continue;
            }
            for id in &publication.alert_ids {
                self.audit.published(id, has_died);
            }
            for alert in told(&publication.document) {
                if publication.audience == Audience::Page {
                    self.charts.follow(&alert.user_id);
                }
                self.show(alert);
            }
        }
    }

    fn show(&mut self, alert: Told) {
        self.phone.count_anomaly();
        self.alerts.add(alert);
    }

    /// Looks for what was decided and told to nobody, and for what is lost.
    async fn settle(&mut self, is_done: bool) -> anyhow::Result<()> {
        if !is_done || self.pipeline.alerter.waiting() > 0 || self.audit.on_the_way().len() == 0 {
            return Ok(());
        }
        let ids: Vec<String> = self.audit.on_the_way().map(str::to_owned).collect();
        for ids in ids.chunks(IDS_PER_READ) {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let decisions = self.pipeline.alerter.decisions(&ids).await?;
            for (id, decision) in decisions.into_iter().filter(|(_, decision)| !decision.disposition.is_published()) {
                if let Some(message) = self.audit.hushed(&id) {
                    self.show(hushed(&message, &decision));
                }
            }
        }
        self.audit.nothing_moves();
        Ok(())
    }

    /// What happens once a day: the summary, and what the services do by themselves.
    async fn each_day(&mut self) -> anyhow::Result<()> {
        let now_ms = self.now_ms();
        self.phone.at(now_ms);
        self.switches.forget_ended(now_ms);
        let summaries = days(now_ms - SUMMARY_AT_MS);
        if summaries > self.summaries && self.pipeline.alerter.summarise().await {
            self.summaries = summaries;
            self.read_publications(false);
        }
        if days(now_ms) > self.days {
            self.days = days(now_ms);
            self.quarantine.clear();
            self.pipeline.alerter.delete_expired().await?;
        }
        self.pipeline.detector.forget_records_before(now_ms - STREAM_RETENTION_MS);
        Ok(())
    }
}

const fn days(time_ms: i64) -> i64 {
    time_ms.div_euclid(DAY_MS)
}

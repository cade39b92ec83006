//! What can be changed on the page, and what that means for the functions.

use std::collections::BTreeMap;
use std::time::Duration;

use alert_policy::{Mode, Page, Policy, Settings};
use alerter::AlerterSettings;
use anomaly_core::{Rule, RuleKind, RuleSettings};
use detector::DetectorSettings;
use lambda_kit::Env;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::demo::local::ALERTER_ENV;
use crate::policy::draft::{Author, silencing, stamped};

/// Most pages a day that the page offers.
const PAGES_PER_DAY_MAX: u32 = 100;
/// How long a user is silenced for.
const SILENCE_MS: i64 = 7 * 86_400_000;
/// Longest user id that is silenced, in bytes: it is part of a rule's id.
const USER_ID_BYTES_MAX: usize = 100;
/// Most users who are silenced at once.
const SILENCED_MAX: usize = 50;
/// Within this time no state and no alert of a run of the demo is forgotten for its age.
const STATE_RETENTION_SECONDS: u32 = 10 * 365 * 86_400;
/// The least that the ledger has to remember, so that it stays small.
const LEDGER_RETENTION_DAYS: u32 = 29;

/// What somebody does on the page, as JSON: `{"shadow": true}`, `"crash"`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Command {
    /// Tell nobody, and record what would have been told.
    Shadow(bool),
    /// Tell people at once at most this often a day; 0 is any number.
    PagesPerDay(u32),
    /// Whether what does not have to be told at once waits for a summary.
    Digest(bool),
    /// Tell nothing of a user for a week.
    Silence(String),
    /// Tell of a user again.
    Hear(String),
    /// Judge by another rule.
    Rule(LiveRule),
    /// SNS refuses every second call and takes eight seconds for each.
    SlowSns(bool),
    /// Kill the alerter in the middle of its next batch.
    Crash,
    /// Put records that are none.
    Poison,
}

/// The rules that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LiveRule {
    Adaptive,
    Profile,
}

impl LiveRule {
    /// The rule with its defaults.
    pub(super) fn rule(self) -> anyhow::Result<Rule> {
        let kind = match self {
            Self::Adaptive => RuleKind::Adaptive,
            Self::Profile => RuleKind::Profile,
        };
        Ok(Rule::new(RuleSettings::of(kind))?)
    }

    /// The detector with this rule.
    pub(super) fn detector(self) -> anyhow::Result<DetectorSettings> {
        let defaults = DetectorSettings::from_env(&Env::default())?;
        Ok(DetectorSettings { rule: self.rule()?, state_retention_seconds: STATE_RETENTION_SECONDS, ..defaults })
    }
}

/// How everything is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Switches {
    pub(super) shadow: bool,
    pub(super) pages_per_day: u32,
    pub(super) digest: bool,
    /// Silenced users, and until when in ms since the epoch.
    pub(super) silenced: BTreeMap<String, i64>,
    pub(super) rule: LiveRule,
    pub(super) slow_sns: bool,
}

impl Default for Switches {
    fn default() -> Self {
        let (shadow, slow_sns, silenced) = (false, false, BTreeMap::new());
        Self { shadow, pages_per_day: 20, digest: true, silenced, rule: LiveRule::Adaptive, slow_sns }
    }
}

impl Switches {
    /// The switches after a command.
    ///
    /// # Errors
    /// If a value is out of its range.
    pub(super) fn with(&self, command: &Command, now_ms: i64) -> anyhow::Result<Self> {
        let mut switches = self.clone();
        match command {
            Command::Shadow(on) => switches.shadow = *on,
            Command::PagesPerDay(most) => {
                anyhow::ensure!(*most <= PAGES_PER_DAY_MAX, "it must be at most {PAGES_PER_DAY_MAX} a day");
                switches.pages_per_day = *most;
            }
            Command::Digest(on) => switches.digest = *on,
            Command::Silence(user_id) => switches.silence(user_id, now_ms)?,
            Command::Hear(user_id) => {
                switches.silenced.remove(user_id);
            }
            Command::Rule(rule) => switches.rule = *rule,
            Command::SlowSns(on) => switches.slow_sns = *on,
            Command::Crash | Command::Poison => {}
        }
        Ok(switches)
    }

    fn silence(&mut self, user_id: &str, now_ms: i64) -> anyhow::Result<()> {
        anyhow::ensure!(user_id.len() <= USER_ID_BYTES_MAX, "no user has such a long id");
        anyhow::ensure!(self.silenced.len() < SILENCED_MAX, "{SILENCED_MAX} users are silenced already");
        self.silenced.entry(user_id.to_owned()).or_insert(now_ms + SILENCE_MS);
        Ok(())
    }

    /// Users whose silence has ended are heard again: their rules have ended too.
    pub(super) fn forget_ended(&mut self, now_ms: i64) {
        self.silenced.retain(|_, until_ms| *until_ms > now_ms);
    }

    /// The live policy that says this, as `sigma policy set` would store it.
    ///
    /// # Errors
    /// If the policy is refused.
    pub(super) fn policy(&self, version: u64, now_ms: i64) -> anyhow::Result<Policy> {
        let author = Author { by: "the page".to_owned(), now_ms };
        let silence = |(user_id, until_ms): (&String, &i64)| {
            let pattern = serde_json::from_value(json!({ "userId": [user_id] }))?;
            let left = Duration::from_millis(u64::try_from(until_ms - now_ms)?.max(1_000)).as_secs_f64();
            let rule = silencing(Some(pattern), left, "silenced on the page", &author)?;
            Ok(alert_policy::Rule { id: format!("silence-{user_id}"), ..rule })
        };
        let rules = self.silenced.iter().map(silence).collect::<anyhow::Result<_>>()?;
        let mode = if self.shadow { Mode::Shadow } else { Mode::Live };
        let page = Page { per_day: Some(self.pages_per_day_max()), ..Policy::default().page };
        stamped(Policy { mode, page, rules, ..Policy::default() }, version, &author)
    }

    /// The alerter as it would be deployed.
    ///
    /// # Errors
    /// None: the environment is this demo's own.
    pub(super) fn alerter(&self) -> anyhow::Result<AlerterSettings> {
        let defaults = AlerterSettings::from_env(&Env::from_pairs(ALERTER_ENV))?;
        let policy = Settings { pages_per_day_max: self.pages_per_day_max(), has_digest: self.digest };
        Ok(AlerterSettings { policy, ledger_retention_days: LEDGER_RETENTION_DAYS, ..defaults })
    }

    /// Without summaries there is no budget: what it refused would reach nobody.
    const fn pages_per_day_max(&self) -> u32 {
        if self.digest { self.pages_per_day } else { 0 }
    }
}

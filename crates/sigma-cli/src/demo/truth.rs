//! The expected alerts: the rule applied to the transactions one by one, with nothing in between.
//!
//! A fold of its own on purpose, like those of the simulation and of the deployed tests: each checks another implementation of the
//! path, so none shares code with it.

use std::collections::{BTreeSet, HashMap};

use anomaly_core::{AnomalyId, Origin, Position, RawTransaction, Rule, Text, Transaction, UserState, Verdict};
use event_source::kinesis::{LOCAL_STREAM_ARN, Placed};
use scenarios::Generated;

/// The rule applied to each user's transactions.
#[derive(Debug)]
pub(super) struct Fold {
    rule: Rule,
    users: HashMap<String, UserState>,
}

/// What the rule says of a transaction.
#[derive(Debug)]
pub(super) struct Judged {
    /// The id that its anomaly has, if it is one.
    pub(super) id: String,
    pub(super) verdict: Verdict,
}

impl Fold {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, users: HashMap::new() }
    }

    /// From now on another rule judges.
    pub(super) fn switch(&mut self, rule: Rule) {
        self.rule = rule;
    }

    /// The users so far, with their states.
    pub(super) const fn users(&self) -> &HashMap<String, UserState> {
        &self.users
    }

    pub(super) fn step(&mut self, generated: &Generated, placed: &Placed) -> anyhow::Result<Judged> {
        let shard = placed.shard_id.parse()?;
        let position = Position { sequence_number: placed.sequence_number.parse()?, sub_sequence: 0 };
        let id = AnomalyId::new(&Origin { stream: LOCAL_STREAM_ARN, shard: &shard, position }).to_string();
        let Self { rule, users } = self;
        let state = users.entry(generated.user_id.clone()).or_insert_with(|| UserState::new(rule));
        Ok(Judged { id, verdict: state.step(&shard, position, &transaction(generated)?, rule) })
    }
}

/// Expected alerts and labels, by anomaly id.
#[derive(Debug)]
pub(super) struct Truth {
    fold: Fold,
    /// Ids of the anomalies that the rule finds.
    pub(super) expected: BTreeSet<String>,
    /// Ids of the injected transactions, whether the rule finds them or not.
    pub(super) injected: BTreeSet<String>,
}

impl Truth {
    pub(super) fn new(rule: Rule) -> Self {
        Self { fold: Fold::new(rule), expected: BTreeSet::new(), injected: BTreeSet::new() }
    }

    /// Distinct users so far.
    pub(super) fn users(&self) -> usize {
        self.fold.users().len()
    }

    pub(super) fn add(&mut self, generated: &Generated, placed: &Placed) -> anyhow::Result<()> {
        let Judged { id, verdict } = self.fold.step(generated, placed)?;
        if let Verdict::Anomaly(..) = verdict {
            self.expected.insert(id.clone());
        }
        if generated.kind.is_some() {
            self.injected.insert(id);
        }
        Ok(())
    }
}

fn transaction(generated: &Generated) -> anyhow::Result<Transaction<'_>> {
    let raw = RawTransaction {
        user_id: Text(generated.user_id.as_str().into()),
        amount: generated.amount,
        timestamp: generated.timestamp,
        transaction_id: Some(Text(generated.transaction_id.as_str().into())),
        merchant_id: Some(Text(generated.merchant_id.as_str().into())),
    };
    Transaction::validate(raw, generated.timestamp, 0)
        .map_err(|reason| anyhow::anyhow!("the generator made an invalid record: {reason}"))
}

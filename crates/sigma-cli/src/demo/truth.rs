//! The expected alerts: the rule applied to the transactions one by one, with nothing in between.
//!
//! A fold of its own on purpose, like those of the simulation and of the deployed tests: each checks another implementation of the
//! path, so none shares code with it.

use std::collections::{BTreeSet, HashMap};

use anomaly_core::{AnomalyId, Origin, Position, RawTransaction, Rule, Text, Transaction, UserState, Verdict};
use event_source::kinesis::{LOCAL_STREAM_ARN, Placed};
use scenarios::Generated;

/// Expected alerts and labels, by anomaly id.
#[derive(Debug)]
pub(super) struct Truth {
    rule: Rule,
    users: HashMap<String, UserState>,
    /// Ids of the anomalies that the rule finds.
    pub(super) expected: BTreeSet<String>,
    /// Ids of the injected transactions, whether the rule finds them or not.
    pub(super) injected: BTreeSet<String>,
}

impl Truth {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, users: HashMap::new(), expected: BTreeSet::new(), injected: BTreeSet::new() }
    }

    /// Distinct users so far.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) fn add(&mut self, generated: &Generated, placed: &Placed) -> anyhow::Result<()> {
        let shard = placed.shard_id.parse()?;
        let position = Position { sequence_number: placed.sequence_number.parse()?, sub_sequence: 0 };
        let id = AnomalyId::new(&Origin { stream: LOCAL_STREAM_ARN, shard: &shard, position }).to_string();
        let transaction = transaction(generated)?;
        let Self { rule, users, .. } = self;
        let state = users.entry(generated.user_id.clone()).or_insert_with(|| UserState::new(rule));
        if let Verdict::Anomaly(..) = state.step(&shard, position, &transaction, rule) {
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
        merchant_id: None,
    };
    Transaction::validate(raw, generated.timestamp, 0)
        .map_err(|reason| anyhow::anyhow!("the generator made an invalid record: {reason}"))
}

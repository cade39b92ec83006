//! What a write of a user's state costs: by the SDK alone, and as the detector's store commits a user, alone and among others.

use anomaly_core::{Rule, RuleSettings};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use detector::window_store::{DynamoDbWindowStore, StoredUser, Update, WindowStore};
use tokio::runtime::Runtime;

use crate::clock::timed;
use crate::report::{Figure, Report};
use crate::spread::{Spread, in_turns, number};
use crate::step::warm_state;
use crate::{aws, responses};

/// Users written in one round, and the bytes of each: a warm state.
const USERS_PER_ROUND: usize = 2_000;
const STATE_BYTES: usize = 600;
/// Statements in one request, at most.
const STATEMENTS_MAX: usize = 25;
const TABLE: &str = "user-state";
const USER_ID: &str = "user001";

pub(super) struct Writes {
    client: Client,
    store: DynamoDbWindowStore,
    user: StoredUser,
}

impl Writes {
    pub(super) fn new() -> anyhow::Result<Self> {
        let config = aws::config().into_builder().http_client(responses::http_client(responses::AcceptingAws)).build();
        let client = Client::new(&config);
        let store = DynamoDbWindowStore::new(client.clone(), TABLE.to_owned());
        let absent = StoredUser::absent(&Rule::new(RuleSettings::default())?);
        Ok(Self { client, store, user: StoredUser { state: warm_state()?, version: Some(2), ..absent } })
    }

    /// CPU seconds of one PutItem by the SDK.
    fn put_seconds(&self, runtime: &Runtime) -> anyhow::Result<f64> {
        let call = async || {
            let request = self.client.put_item().table_name(TABLE).item("userId", user_id());
            request.item("state", state()).send().await?;
            Ok(())
        };
        Ok(seconds(runtime, USERS_PER_ROUND, call)? / number(USERS_PER_ROUND))
    }

    /// CPU seconds of a user whom the store commits in a BatchExecuteStatement of these many users.
    pub(super) fn update_seconds(&self, runtime: &Runtime, users: usize) -> anyhow::Result<f64> {
        let updates = vec![Update { user_id: USER_ID, user: &self.user, replaced: 1 }; users.clamp(1, STATEMENTS_MAX)];
        let requests = USERS_PER_ROUND.div_ceil(updates.len());
        let call = async || {
            let committed: Result<Vec<()>, _> = self.store.update(&updates).await.into_iter().collect();
            committed.map(drop).map_err(|error| anyhow::anyhow!("{error:?}"))
        };
        Ok(seconds(runtime, requests, call)? / number(requests * updates.len()))
    }

    /// CPU seconds of one commit by the store.
    fn commit_seconds(&self, runtime: &Runtime) -> anyhow::Result<f64> {
        let call = async || {
            let committed = self.store.commit(USER_ID, &self.user, Some(1)).await;
            committed.map_err(|error| anyhow::anyhow!("{error:?}"))
        };
        Ok(seconds(runtime, USERS_PER_ROUND, call)? / number(USERS_PER_ROUND))
    }

    /// Reports each; the first round warms up.
    pub(super) fn report(&self, report: &mut Report, runtime: &Runtime, rounds: usize) -> anyhow::Result<()> {
        let measured = in_turns(
            1 + rounds,
            &mut [
                Box::new(|_| self.put_seconds(runtime)),
                Box::new(|_| self.commit_seconds(runtime)),
                Box::new(|_| self.update_seconds(runtime, STATEMENTS_MAX)),
            ],
        )?;
        let whats = [
            format!("PutItem of {STATE_BYTES} B, the SDK alone"),
            "commit of a user: its state encoded, its item and condition put by the SDK".to_owned(),
            format!("commit of a user, {STATEMENTS_MAX} in a BatchExecuteStatement"),
        ];
        for (what, rounds) in whats.into_iter().zip(measured) {
            let warm = Spread::of(rounds.into_iter().skip(1).map(|seconds| seconds * 1e6));
            report.add(Figure::new('c', what, "µs CPU").ours(warm));
        }
        Ok(())
    }
}

fn user_id() -> AttributeValue {
    AttributeValue::S(USER_ID.to_owned())
}

fn state() -> AttributeValue {
    AttributeValue::B(Blob::new(vec![7; STATE_BYTES]))
}

/// CPU seconds of these many calls.
fn seconds(runtime: &Runtime, calls: usize, call: impl AsyncFn() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let all = async {
        for _ in 0..calls {
            call().await?;
        }
        Ok(())
    };
    Ok(timed(|| runtime.block_on(all))?.0)
}

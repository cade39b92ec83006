//! What CloudFormation knows of the stack.

use std::collections::HashMap;

use anyhow::Context;
use aws_sdk_cloudformation::types::StackResourceSummary;

use super::clients::{Clients, failed};

/// Most observations that a rule needs of its own accord (`adaptive`).
const OBSERVATIONS_MIN: usize = 9;
/// The template's default of `CommitsConcurrentMax`.
const COMMITS_CONCURRENT: usize = 32;
/// Alarms on the anomalies themselves. They fire when users spend unusually, not when the stack is ill.
const ANOMALY_ALARMS: [&str; 2] = ["AnomalyAlarm", "AnomalyBandAlarm"];
/// The alarm that fires until it has seen polls of the stream, so on every new stack.
const POLLING_ALARM: &str = "DetectorPollingAlarm";
/// Most pages of resources: a stack has at most 500.
const PAGES_MAX: usize = 20;

/// A deployed stack.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) status: String,
    pub(super) stream_name: String,
    pub(super) stream_arn: String,
    pub(super) topic_arn: String,
    pub(super) state_table: String,
    pub(super) ledger_table: String,
    pub(super) mapping_id: String,
    /// The alarms that watch the stack's health.
    pub(super) alarms: Vec<Alarm>,
    /// Observations before a user is judged.
    pub(super) observations_min: usize,
    /// Users that a request of the detector writes at most. `None`: the stack is older than requests of several users.
    pub(super) commit_statements_max: Option<usize>,
    /// Such requests in flight at once.
    pub(super) commits_concurrent_max: usize,
}

/// An alarm.
#[derive(Debug)]
pub(super) struct Alarm {
    pub(super) name: String,
    /// Whether it says that nobody reads the stream.
    pub(super) is_on_polling: bool,
}

impl Stack {
    pub(super) fn summary(&self) -> String {
        format!("{}, {} alarms", self.status, self.alarms.len())
    }
}

pub(super) async fn read(clients: &Clients, name: &str) -> anyhow::Result<Stack> {
    let answer = clients.cloudformation.describe_stacks().stack_name(name).send().await.map_err(|error| {
        failed("CloudFormation cannot describe it; is it deployed to this region, and by this account?")(&error)
    })?;
    let stack = answer.stacks().first().context("CloudFormation returns no stack")?;
    let outputs: HashMap<&str, &str> =
        stack.outputs().iter().filter_map(|output| Some((output.output_key()?, output.output_value()?))).collect();
    let output = |key: &str| {
        let value = outputs.get(key).copied().map(str::to_owned);
        value.with_context(|| format!("it has no output {key}; is it a stack of this project's template.yaml?"))
    };
    let parameter = |key: &str| {
        let found = stack.parameters().iter().find(|parameter| parameter.parameter_key() == Some(key));
        found.and_then(|parameter| parameter.parameter_value()?.parse::<usize>().ok())
    };
    Ok(Stack {
        status: stack.stack_status().map_or("unknown status", |status| status.as_str()).to_owned(),
        stream_name: output("StreamName")?,
        stream_arn: output("StreamArn")?,
        topic_arn: output("TopicArn")?,
        state_table: output("StateTableName")?,
        ledger_table: output("LedgerTableName")?,
        mapping_id: output("DetectorMappingId")?,
        alarms: alarms(clients, name).await?,
        observations_min: parameter("MinObservations").unwrap_or_default().max(OBSERVATIONS_MIN),
        commit_statements_max: parameter("CommitStatementsMax"),
        commits_concurrent_max: parameter("CommitsConcurrentMax").unwrap_or(COMMITS_CONCURRENT),
    })
}

async fn alarms(clients: &Clients, name: &str) -> anyhow::Result<Vec<Alarm>> {
    let (mut alarms, mut token) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let call = clients.cloudformation.list_stack_resources().stack_name(name).set_next_token(token);
        let page = call.send().await.map_err(|error| failed("CloudFormation cannot list its resources")(&error))?;
        alarms.extend(page.stack_resource_summaries().iter().filter_map(alarm));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    Ok(alarms)
}

fn alarm(resource: &StackResourceSummary) -> Option<Alarm> {
    let (logical_id, name) = (resource.logical_resource_id()?, resource.physical_resource_id()?.to_owned());
    let is_alarm = resource.resource_type() == Some("AWS::CloudWatch::Alarm");
    let watches_health = !ANOMALY_ALARMS.contains(&logical_id);
    (is_alarm && watches_health).then_some(Alarm { name, is_on_polling: logical_id == POLLING_ALARM })
}

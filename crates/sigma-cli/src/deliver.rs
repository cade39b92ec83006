//! `sigma deliver`: a real stream to a deployed function, with the event source mapping of `crates/event-source` in between.
//!
//! AWS emulators run a deployed function, but their mappings ignore partial responses, retry limits and failure destinations. This
//! command reads the settings of the deployed mapping and does what Lambda would do with them.

mod remote;

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput;
use aws_sdk_lambda::types::FunctionResponseType;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use clap::Args;
use event_source::kinesis::{FailedBatch, KinesisMapping, KinesisMappingSettings};
use lambda_kit::telemetry::chain;
use lambda_kit::{Clock, SystemClock};
pub(crate) use remote::RemoteFunction;
use remote::RemoteStream;
use serde::Serialize;

use crate::aws::Connection;
use crate::output::{Output, say};

/// Wait after a step that had nothing to do.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Time-out of one invocation: Lambda's longest is 15 minutes.
const CALL_TIMEOUT: Duration = Duration::from_mins(16);
/// Invocations in a row that do not reach the function, after which the command stops: 10 s.
const UNREACHED_CALLS_MAX: u32 = 50;
/// Steps in a row in which no pending record is done, after which the command stops.
const STEPS_WITHOUT_PROGRESS_MAX: u32 = 10_000;

/// Flags of `sigma deliver`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  sigma deliver --mapping 3f2a… --endpoint-url http://127.0.0.1:4566 --on-failure target/discarded"
)]
pub struct Options {
    /// UUID of the function's Kinesis event source mapping; disable it first.
    #[arg(long, value_name = "UUID")]
    pub mapping: String,
    /// Folder for discarded batches, a JSON file each.
    #[arg(long, value_name = "DIR")]
    pub on_failure: Option<PathBuf>,
    /// Retries of a failed batch [default: the mapping's].
    #[arg(long)]
    pub retries: Option<u32>,
    /// Polls without a new record after which the stream counts as done.
    #[arg(long, default_value_t = 3)]
    pub idle_polls: u32,
    /// Output.
    #[command(flatten)]
    pub output: Output,
    /// Region and endpoint.
    #[command(flatten)]
    pub connection: Connection,
}

/// The outcome of a delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Invocations of the function.
    pub invocations: usize,
    /// Records that succeeded or were discarded.
    pub records_done: usize,
    /// Discarded batches.
    pub discarded: usize,
    /// Responses that reported a failed record.
    pub partial_failures: usize,
    /// Invocations that ended in an error.
    pub function_errors: usize,
    /// Records that were read but are not done.
    pub records_open: usize,
    /// The largest `IteratorAge`: ms from the arrival of a batch's last record to the step that called with it.
    pub iterator_age_ms_max: i64,
    /// The reported sequence numbers, in order of invocation.
    pub lowest_reported: Vec<String>,
}

/// Delivers a stream and prints the outcome.
///
/// # Errors
/// If the mapping or its stream cannot be read, or records are still pending at the end.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let config = options.connection.config()?;
    let lambda = aws_sdk_lambda::Client::from_conf(patient(&config));
    let mapping = lambda.get_event_source_mapping().uuid(&options.mapping).send().await;
    let mapping = mapping.map_err(|error| anyhow::anyhow!(chain(&error))).context("there is no such mapping")?;
    let stream_arn = mapping.event_source_arn().context("the mapping has no stream")?.to_owned();
    let function = RemoteFunction::new(lambda, mapping.function_arn().context("the mapping has no function")?);
    let source = RemoteStream::new(aws_sdk_kinesis::Client::new(&config), &stream_arn);
    let settings = settings(&mapping, options.retries)?;
    let discarded = RefCell::new(Vec::new());
    let mut mapping = KinesisMapping::new(stream_arn, source, function, discarded, settings);
    let delivered = deliver(&mut mapping, options.idle_polls).await?;
    if let Some(folder) = &options.on_failure {
        write(&mapping.destination().borrow(), folder)?;
    }
    if let Some(text) = options.output.render(&delivered, || text(&delivered))? {
        say(text);
    }
    anyhow::ensure!(delivered.records_open == 0, "{} records are still pending", delivered.records_open);
    Ok(())
}

/// A client that waits longer than any time-out of Lambda and never retries, so that no event is delivered twice.
pub(crate) fn patient(config: &aws_types::SdkConfig) -> aws_sdk_lambda::Config {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).operation_timeout(CALL_TIMEOUT);
    aws_sdk_lambda::config::Builder::from(config)
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::disabled())
        .build()
}

type Mapping = KinesisMapping<RemoteStream, RemoteFunction, RefCell<Vec<FailedBatch>>>;

async fn deliver(mapping: &mut Mapping, idle_polls: u32) -> anyhow::Result<Delivered> {
    let mut delivered = Delivered::default();
    let (mut idle, mut without_progress) = (0, 0);
    while without_progress < STEPS_WITHOUT_PROGRESS_MAX {
        let step = mapping.step(SystemClock.now_ms()).await?;
        delivered.invocations += step.invocations;
        delivered.records_done += step.records_done;
        delivered.records_open = step.records_open;
        delivered.iterator_age_ms_max = delivered.iterator_age_ms_max.max(step.iterator_age_ms);
        without_progress = if step.records_done == 0 && step.records_open > 0 { without_progress + 1 } else { 0 };
        idle = if step.invocations == 0 && step.records_open == 0 { idle + 1 } else { 0 };
        if idle >= idle_polls {
            break;
        }
        let unreached = mapping.function().seen().unreached;
        if let Some((calls, reason)) = &unreached {
            anyhow::ensure!(*calls < UNREACHED_CALLS_MAX, "{calls} invocations did not reach the function: {reason}");
        }
        if step.invocations == 0 || unreached.is_some() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    delivered.discarded = mapping.destination().borrow().len();
    let seen = mapping.function().seen();
    Ok(Delivered {
        partial_failures: seen.reported.len(),
        function_errors: seen.errors,
        lowest_reported: seen.reported,
        ..delivered
    })
}

/// The settings of a deployed mapping. Lambda writes "no limit" as −1.
fn settings(mapping: &GetEventSourceMappingOutput, retries: Option<u32>) -> anyhow::Result<KinesisMappingSettings> {
    let limit = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let seconds = |value: Option<i32>| limit(value).map(|seconds| i64::from(seconds) * 1_000);
    let count = |value: Option<i32>, default| usize::try_from(value.unwrap_or(default)).context("a negative setting");
    Ok(KinesisMappingSettings {
        batch_size: count(mapping.batch_size(), 100)?,
        batching_window_ms: seconds(mapping.maximum_batching_window_in_seconds()).unwrap_or(0),
        parallelization_factor: count(mapping.parallelization_factor(), 1)?,
        retry_attempts_max: retries.or(limit(mapping.maximum_retry_attempts())),
        record_age_max_ms: seconds(mapping.maximum_record_age_in_seconds()),
        bisect_batch_on_function_error: mapping.bisect_batch_on_function_error().unwrap_or(false),
        report_batch_item_failures: mapping
            .function_response_types()
            .contains(&FunctionResponseType::ReportBatchItemFailures),
    })
}

fn write(discarded: &[FailedBatch], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create the folder {}", folder.display()))?;
    for (index, batch) in discarded.iter().enumerate() {
        let file = folder.join(format!("{index:06}.json"));
        std::fs::write(&file, batch.with_payload().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn text(delivered: &Delivered) -> String {
    format!(
        "{} records done in {} invocations: {} partial failures, {} errors, {} batches discarded",
        delivered.records_done,
        delivered.invocations,
        delivered.partial_failures,
        delivered.function_errors,
        delivered.discarded
    )
}

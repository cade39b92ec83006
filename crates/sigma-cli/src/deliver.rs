//! `sigma deliver`: a real stream to a deployed function, with the event source mapping of `crates/event-source` in between.
//!
//! Emulators of AWS run a deployed function, and their own mappings ignore partial responses, retries and what is given up. This
//! takes the settings of the deployed mapping and does what Lambda would do with them.

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
use event_source::kinesis::{FailedBatch, KinesisMapping, Settings};
use lambda_kit::{Clock, SystemClock};
use remote::{RemoteFunction, RemoteStream};
use serde::Serialize;

use crate::aws::{Connection, reason};
use crate::output::Output;

/// Wait after a step that had nothing to do.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// One call of the function: Lambda's longest time-out is 15 minutes.
const CALL_TIMEOUT: Duration = Duration::from_mins(16);
/// Calls in a row that do not reach the function, after which it is given up: 10 s.
const UNREACHED_CALLS_MAX: u32 = 50;
/// Steps after which it is over, whatever is still open.
const STEPS_MAX: u32 = 10_000;

/// What can be chosen.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  sigma deliver --mapping 3f2a… --endpoint-url http://127.0.0.1:4566 --on-failure target/given-up"
)]
pub struct Options {
    /// UUID of the function's Kinesis event source mapping; disable it first.
    #[arg(long, value_name = "UUID")]
    pub mapping: String,
    /// Folder for batches that are given up, a JSON file each.
    #[arg(long, value_name = "DIR")]
    pub on_failure: Option<PathBuf>,
    /// Retries of a failed batch [default: the mapping's].
    #[arg(long)]
    pub retries: Option<u32>,
    /// Polls without a new record after which the stream is taken for done.
    #[arg(long, default_value_t = 3)]
    pub idle_polls: u32,
    /// How it speaks.
    #[command(flatten)]
    pub output: Output,
    /// Where AWS is.
    #[command(flatten)]
    pub connection: Connection,
}

/// What was delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// Calls of the function.
    pub invocations: usize,
    /// Records that succeeded or were given up.
    pub records_done: usize,
    /// Batches that were given up.
    pub given_up: usize,
    /// Answers that reported a failed record.
    pub partial_failures: usize,
    /// Calls that ended in an error.
    pub function_errors: usize,
    /// Records that are read and not done.
    pub records_open: usize,
    /// The sequence numbers that were reported, in the order of the calls.
    pub lowest_reported: Vec<String>,
}

/// Delivers a stream and prints what came of it.
///
/// # Errors
/// If the mapping or its stream cannot be read, or records are still open at the end.
pub async fn run(options: &Options) -> anyhow::Result<()> {
    let config = options.connection.config()?;
    let lambda = aws_sdk_lambda::Client::from_conf(patient(&config));
    let mapping = lambda.get_event_source_mapping().uuid(&options.mapping).send().await;
    let mapping = mapping.map_err(|error| anyhow::anyhow!(reason(&error))).context("no such mapping")?;
    let stream_arn = mapping.event_source_arn().context("the mapping has no stream")?.to_owned();
    let function = RemoteFunction::new(lambda, mapping.function_arn().context("the mapping has no function")?);
    let source = RemoteStream::new(aws_sdk_kinesis::Client::new(&config), &stream_arn);
    let settings = settings(&mapping, options.retries)?;
    let given_up = RefCell::new(Vec::new());
    let mut mapping = KinesisMapping::new(stream_arn, source, function, given_up, settings);
    let delivered = deliver(&mut mapping, options.idle_polls).await?;
    if let Some(folder) = &options.on_failure {
        write(&mapping.destination().borrow(), folder)?;
    }
    if let Some(text) = options.output.render(&delivered, || text(&delivered))? {
        println!("{text}");
    }
    anyhow::ensure!(delivered.records_open == 0, "{} records are still open", delivered.records_open);
    Ok(())
}

/// A function may take its time, and is never called twice for one event: longer than any time-out of Lambda, and no retry.
fn patient(config: &aws_types::SdkConfig) -> aws_sdk_lambda::Config {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(CALL_TIMEOUT).operation_timeout(CALL_TIMEOUT);
    aws_sdk_lambda::config::Builder::from(config)
        .timeout_config(timeouts.build())
        .retry_config(RetryConfig::disabled())
        .build()
}

type Mapping = KinesisMapping<RemoteStream, RemoteFunction, RefCell<Vec<FailedBatch>>>;

async fn deliver(mapping: &mut Mapping, idle_polls: u32) -> anyhow::Result<Delivered> {
    let mut delivered = Delivered::default();
    let mut idle = 0;
    for _ in 0..STEPS_MAX {
        let step = mapping.step(SystemClock.now_ms()).await?;
        delivered.invocations += step.invocations;
        delivered.records_done += step.records_done;
        delivered.records_open = step.records_open;
        idle = if step.invocations == 0 && step.records_open == 0 { idle + 1 } else { 0 };
        if idle >= idle_polls {
            break;
        }
        let unreached = mapping.function().seen().unreached;
        if let Some((calls, reason)) = &unreached {
            anyhow::ensure!(*calls < UNREACHED_CALLS_MAX, "{calls} calls did not reach the function: {reason}");
        }
        if step.invocations == 0 || unreached.is_some() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
    delivered.given_up = mapping.destination().borrow().len();
    let seen = mapping.function().seen();
    Ok(Delivered {
        partial_failures: seen.reported.len(),
        function_errors: seen.errors,
        lowest_reported: seen.reported,
        ..delivered
    })
}

/// The settings of a deployed mapping. −1 is Lambda's word for "no limit".
fn settings(mapping: &GetEventSourceMappingOutput, retries: Option<u32>) -> anyhow::Result<Settings> {
    let limit = |value: Option<i32>| value.and_then(|value| u32::try_from(value).ok());
    let seconds = |value: Option<i32>| limit(value).map(|seconds| i64::from(seconds) * 1_000);
    let count = |value: Option<i32>, default| usize::try_from(value.unwrap_or(default)).context("a negative setting");
    Ok(Settings {
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

fn write(given_up: &[FailedBatch], folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("no folder {}", folder.display()))?;
    for (index, batch) in given_up.iter().enumerate() {
        let file = folder.join(format!("{index:06}.json"));
        std::fs::write(&file, batch.with_payload().to_string())
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

fn text(delivered: &Delivered) -> String {
    format!(
        "{} records done in {} calls: {} partial failures, {} errors, {} batches given up",
        delivered.records_done,
        delivered.invocations,
        delivered.partial_failures,
        delivered.function_errors,
        delivered.given_up
    )
}

//! The detector as a Lambda function: wiring only.
// Three SDK clients inside streams inside the handler: the futures' types are deeper than the compiler's default limit.
#![recursion_limit = "256"]

use std::process::ExitCode;
use std::sync::Mutex;

use detector::config::ConfigWarning;
use detector::shard_ranges::KinesisShardRanges;
use detector::window_store::DynamoDbWindowStore;
use detector::{Config, Detector};
use lambda_kit::startup::{Stop, exit_code};
use lambda_kit::unparsed::{Unparsed, run};
use lambda_kit::{AwsSettings, Clock, Env, Invocation, SystemClock, metrics::EmfWriter, sdk_config, telemetry};
use lambda_runtime::{LambdaEvent, service_fn};
use message_queue::SqsQueue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let env = Env::from_process();
    exit_code("detector", &env, serve(&env).await).await
}

async fn serve(env: &Env) -> Result<(), Stop> {
    telemetry::start(env)?;
    let config = Config::from_env(env)?;
    config.warnings.iter().for_each(ConfigWarning::log);
    let aws = sdk_config(AwsSettings::from_env(env)?);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let detector = Detector::new(
        DynamoDbWindowStore::new(aws_sdk_dynamodb::Client::new(&aws), config.state_table_name),
        SqsQueue::new(sqs.clone(), config.anomaly_queue_url),
        SqsQueue::new(sqs, config.quarantine_queue_url),
        SystemClock,
        config.settings,
    )
    .with_ranges(KinesisShardRanges::new(aws_sdk_kinesis::Client::new(&aws)));
    let emf = Mutex::new(EmfWriter::new(&config.metric_namespace, config.stack_name));
    let (detector, emf) = (&detector, &emf);
    let handler = service_fn(move |event: LambdaEvent<Unparsed>| async move {
        let started_ms = SystemClock.now_ms();
        let invocation = Invocation::new(&event.context, &SystemClock);
        let outcome = detector.handle(event.payload.text()?, &invocation).await?;
        let duration_ms = SystemClock.now_ms() - started_ms;
        outcome.summary.log(&invocation.request_id, detector.configuration_id(), duration_ms);
        if let Ok(mut emf) = emf.lock() {
            emf.write(&outcome.summary.counts(), &mut std::io::stdout());
        }
        Ok::<_, lambda_runtime::Error>(outcome.response)
    });
    run(handler).await.map_err(Stop::Runtime)
}

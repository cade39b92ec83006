//! The alerter as a Lambda function: wiring only.
// Three SDK clients inside streams inside the handler: the futures' types are deeper than the compiler's default limit.
#![recursion_limit = "256"]

use std::process::ExitCode;
use std::sync::Mutex;

use alerter::ledger::DynamoDbLedger;
use alerter::metric_sink::CloudWatchSink;
use alerter::publisher::SnsPublisher;
use alerter::{Alerter, Config};
use lambda_kit::startup::{Stop, exit_code};
use lambda_kit::{AwsSettings, Clock, Env, Invocation, SystemClock, metrics::EmfWriter, sdk_config, telemetry};
use lambda_runtime::{LambdaEvent, run, service_fn};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let env = Env::from_process();
    exit_code("alerter", &env, serve(&env).await).await
}

async fn serve(env: &Env) -> Result<(), Stop> {
    telemetry::start(env)?;
    let config = Config::from_env(env)?;
    let aws = sdk_config(AwsSettings::from_env(env)?);
    let emf = Mutex::new(EmfWriter::new(&config.metric_namespace, config.stack_name.clone()));
    let alerter = Alerter::new(
        DynamoDbLedger::new(aws_sdk_dynamodb::Client::new(&aws), config.ledger_table_name),
        SnsPublisher::connect(&aws, config.alert_topic_arn),
        CloudWatchSink::connect(&aws, config.metric_namespace, config.metric_source, config.stack_name),
        SystemClock,
        config.settings,
    );
    let (alerter, emf) = (&alerter, &emf);
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let started_ms = SystemClock.now_ms();
        let invocation = Invocation::new(&event.context, &SystemClock);
        let outcome = alerter.handle(event.payload.get(), &invocation).await?;
        outcome.summary.log(&invocation.request_id, SystemClock.now_ms() - started_ms);
        if let Ok(mut emf) = emf.lock() {
            emf.write(&outcome.summary.counts(), &mut std::io::stdout());
        }
        Ok::<_, lambda_runtime::Error>(outcome.response)
    });
    run(handler).await.map_err(Stop::Runtime)
}

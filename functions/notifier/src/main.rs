//! The notifier as a Lambda function: wiring only.
// Three SDK clients inside streams inside the handler: the futures' types are deeper than the compiler's default limit.
#![recursion_limit = "256"]

use std::process::ExitCode;
use std::sync::Mutex;

use lambda_kit::startup::{Stop, exit_code};
use lambda_kit::{AwsSettings, Clock, Env, Invocation, SystemClock, metrics::EmfWriter, sdk_config, telemetry};
use lambda_runtime::{LambdaEvent, run, service_fn};
use message_queue::SqsQueue;
use notifier::handler::ChannelQueue;
use notifier::receiver::HttpsReceiver;
use notifier::responder::StepFunctions;
use notifier::secrets::SecretsManager;
use notifier::{Config, Notifier};
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let env = Env::from_process();
    exit_code("notifier", &env, serve(&env).await).await
}

async fn serve(env: &Env) -> Result<(), Stop> {
    telemetry::start(env)?;
    let config = Config::from_env(env)?;
    let aws = sdk_config(AwsSettings::from_env(env)?);
    let sqs = aws_sdk_sqs::Client::new(&aws);
    let queue = |(channel, url): (_, String)| ChannelQueue::new(channel, &url, SqsQueue::new(sqs.clone(), url.clone()));
    let notifier = Notifier::new(
        config.queues.into_iter().map(queue).collect(),
        HttpsReceiver::new(config.guard),
        SecretsManager::new(aws_sdk_secretsmanager::Client::new(&aws), config.secret_arn),
        StepFunctions::new(aws_sdk_sfn::Client::new(&aws), config.state_machine_arn),
        SystemClock,
        config.guard,
    );
    notifier.prepare().await;
    let emf = Mutex::new(EmfWriter::new(&config.metric_namespace, config.stack_name));
    let (notifier, emf) = (&notifier, &emf);
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let started_ms = SystemClock.now_ms();
        let invocation = Invocation::new(&event.context, &SystemClock);
        let outcome = notifier.handle(event.payload.get(), &invocation).await?;
        outcome.summary.log(outcome.channel, &invocation.request_id, SystemClock.now_ms() - started_ms);
        if let Ok(mut emf) = emf.lock() {
            emf.write(&outcome.summary.counts(), &mut std::io::stdout());
        }
        Ok::<_, lambda_runtime::Error>(outcome.response)
    });
    run(handler).await.map_err(Stop::Runtime)
}

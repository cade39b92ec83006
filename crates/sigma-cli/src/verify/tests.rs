//! Each step against mocked services: what a failure says, and that everything is removed whatever happens.

use std::future::pending;

use aws_sdk_cloudformation::operation::describe_stacks::DescribeStacksOutput;
use aws_sdk_cloudformation::operation::list_stack_resources::ListStackResourcesOutput;
use aws_sdk_cloudformation::types::{Output, ResourceStatus, StackResourceSummary, StackStatus};
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemOutput;
use aws_sdk_dynamodb::operation::get_item::GetItemOutput;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kinesis::operation::put_record::PutRecordOutput;
use aws_sdk_lambda::operation::get_event_source_mapping::GetEventSourceMappingOutput;
use aws_sdk_sns::operation::subscribe::SubscribeOutput;
use aws_sdk_sns::operation::unsubscribe::UnsubscribeOutput;
use aws_sdk_sqs::operation::create_queue::CreateQueueOutput;
use aws_sdk_sqs::operation::delete_queue::DeleteQueueOutput;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::types::Message;
use aws_smithy_mocks::{Rule, RuleMode, mock, mock_client};
use aws_smithy_types::DateTime;

use super::*;

const USER: &str = "sigma-verify-0";
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:alerts";

/// What differs from a stack in good order.
#[derive(Clone, Copy)]
struct World {
    mapping_state: &'static str,
    last_result: &'static str,
    firing: &'static str,
    /// Whether the alert arrives.
    alerts: bool,
    /// Whether SNS accepts an Unsubscribe.
    unsubscribes: bool,
}

const GOOD: World =
    World { mapping_state: "Enabled", last_result: "OK", firing: "none", alerts: true, unsubscribes: true };

/// The rules whose calls the tests count.
struct Rules {
    put: Rule,
    unsubscribe: Rule,
    delete_queue: Rule,
    delete_item: Rule,
}

impl Rules {
    fn calls(&self) -> [usize; 4] {
        [&self.put, &self.unsubscribe, &self.delete_queue, &self.delete_item].map(Rule::num_calls)
    }
}

fn described() -> DescribeStacksOutput {
    let outputs = [
        ("StreamName", "transactions"),
        ("StreamArn", "arn:aws:kinesis:us-east-1:000000000000:stream/transactions"),
        ("TopicArn", TOPIC),
        ("StateTableName", "state"),
        ("LedgerTableName", "ledger"),
        ("DetectorMappingId", "mapping-1"),
    ];
    let output = |(key, value)| Output::builder().output_key(key).output_value(value).build();
    let parameter = aws_sdk_cloudformation::types::Parameter::builder();
    let parameter = parameter.parameter_key("MinObservations").parameter_value("30").build();
    let stack = aws_sdk_cloudformation::types::Stack::builder()
        .stack_name("demo")
        .creation_time(DateTime::from_secs(1))
        .stack_status(StackStatus::CreateComplete)
        .set_outputs(Some(outputs.map(output).to_vec()))
        .parameters(parameter);
    DescribeStacksOutput::builder().stacks(stack.build()).build()
}

fn resources() -> ListStackResourcesOutput {
    let resource = |logical: &str, kind: &str| {
        let resource = StackResourceSummary::builder().logical_resource_id(logical).resource_type(kind);
        let resource = resource.physical_resource_id(format!("demo-{logical}"));
        let resource = resource.last_updated_timestamp(DateTime::from_secs(1));
        resource.resource_status(ResourceStatus::CreateComplete).build()
    };
    let alarm = "AWS::CloudWatch::Alarm";
    ListStackResourcesOutput::builder()
        .stack_resource_summaries(resource("DetectorErrorsAlarm", alarm))
        .stack_resource_summaries(resource("AnomalyAlarm", alarm))
        .stack_resource_summaries(resource("DetectorPollingAlarm", alarm))
        .stack_resource_summaries(resource("StateTable", "AWS::DynamoDB::Table"))
        .build()
}

/// All alarms fire that are called `firing`.
fn alarms(names: &[String], firing: &str) -> DescribeAlarmsOutput {
    let state = |name: &String| if name == firing { StateValue::Alarm } else { StateValue::Ok };
    let alarm = |name: &String| MetricAlarm::builder().alarm_name(name).state_value(state(name)).build();
    DescribeAlarmsOutput::builder().set_metric_alarms(Some(names.iter().map(alarm).collect())).build()
}

/// A digest with another user's alert and ours, or another user's alert alone.
fn messages(alerts: bool) -> ReceiveMessageOutput {
    let of = |user: &str| format!(r#"{{"id":"0123","userId":"{user}","amount":1000000.0}}"#);
    let ours = format!(r#"{{"version":1,"digest":[{},{}]}}"#, of("other"), of(USER));
    let body = if alerts { ours } else { of("other") };
    let messages = ["an alarm's text".to_owned(), body].map(|body| Message::builder().body(body).build());
    ReceiveMessageOutput::builder().set_messages(Some(messages.to_vec())).build()
}

fn clients(world: World) -> (Clients, Rules) {
    use {
        aws_sdk_cloudformation as cloudformation, aws_sdk_cloudwatch as cloudwatch, aws_sdk_dynamodb as dynamodb,
        aws_sdk_kinesis as kinesis, aws_sdk_lambda as lambda, aws_sdk_sns as sns, aws_sdk_sqs as sqs,
    };
    let describe = mock!(cloudformation::Client::describe_stacks).match_requests(|_| true).then_output(described);
    let list = mock!(cloudformation::Client::list_stack_resources).match_requests(|_| true).then_output(resources);
    let World { mapping_state, last_result, firing, alerts, unsubscribes } = world;
    let mapping = mock!(lambda::Client::get_event_source_mapping).match_requests(|_| true).then_output(move || {
        GetEventSourceMappingOutput::builder().state(mapping_state).last_processing_result(last_result).build()
    });
    let describe_alarms = mock!(cloudwatch::Client::describe_alarms)
        .match_requests(|_| true)
        .then_compute_output(move |input| alarms(input.alarm_names(), firing));
    let put =
        mock!(kinesis::Client::put_record).match_requests(|input| input.partition_key() == Some(USER)).then_output(
            || PutRecordOutput::builder().shard_id("shardId-000000000000").sequence_number("495").build().unwrap(),
        );
    let create = mock!(sqs::Client::create_queue)
        .match_requests(|input| input.queue_name() == Some(USER))
        .then_output(|| CreateQueueOutput::builder().queue_url("https://queue").build());
    let receive = mock!(sqs::Client::receive_message).match_requests(|_| true).then_output(move || messages(alerts));
    let delete_queue = mock!(sqs::Client::delete_queue)
        .match_requests(|input| input.queue_url() == Some("https://queue"))
        .then_output(|| DeleteQueueOutput::builder().build());
    let subscribe = mock!(sns::Client::subscribe)
        .match_requests(|input| input.endpoint() == Some("arn:aws:sqs:us-east-1:000000000000:sigma-verify-0"))
        .then_output(|| SubscribeOutput::builder().subscription_arn("subscription-1").build());
    let unsubscribe = mock!(sns::Client::unsubscribe).match_requests(|_| true);
    let unsubscribe = if unsubscribes {
        unsubscribe.then_output(|| UnsubscribeOutput::builder().build())
    } else {
        unsubscribe.then_error(|| sns::operation::unsubscribe::UnsubscribeError::unhandled("refused"))
    };
    let get_item = mock!(dynamodb::Client::get_item)
        .match_requests(|_| true)
        .then_output(|| GetItemOutput::builder().item("status", AttributeValue::S("completed".to_owned())).build());
    let delete_item = mock!(dynamodb::Client::delete_item)
        .match_requests(|_| true)
        .then_output(|| DeleteItemOutput::builder().build());
    let any = RuleMode::MatchAny;
    let clients = Clients {
        cloudformation: mock_client!(aws_sdk_cloudformation, any, [&describe, &list]),
        cloudwatch: mock_client!(aws_sdk_cloudwatch, RuleMode::MatchAny, [&describe_alarms]),
        dynamodb: mock_client!(aws_sdk_dynamodb, RuleMode::MatchAny, [&get_item, &delete_item]),
        kinesis: mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&put]),
        lambda: mock_client!(aws_sdk_lambda, RuleMode::MatchAny, [&mapping]),
        sns: mock_client!(aws_sdk_sns, RuleMode::MatchAny, [&subscribe, &unsubscribe]),
        sqs: mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&create, &receive, &delete_queue]),
    };
    (clients, Rules { put, unsubscribe, delete_queue, delete_item })
}

async fn verified(world: World, interrupt: impl Future<Output = ()>) -> (Report, Rules) {
    let (clients, rules) = clients(world);
    let mut report = Report::new("demo", USER.to_owned(), true);
    verify(&clients, Duration::from_secs(5), interrupt, &mut report).await;
    (report, rules)
}

fn failures(report: &Report) -> Vec<(&str, &str)> {
    report.steps.iter().filter(|step| !step.ok).map(|step| (step.name, step.detail.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_stack_in_good_order_alerts_and_nothing_stays() {
    let (report, rules) = verified(GOOD, pending()).await;
    assert_eq!(failures(&report), []);
    assert!(report.is_success() && report.latency_ms.is_some());
    // 30 observations and 11 more, and the outlier. The state, the history, the alert that arrived, and the
    // id that the outlier has here.
    assert_eq!(rules.calls(), [42, 1, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_mapping_is_named_and_nothing_is_sent() {
    let (report, rules) = verified(World { mapping_state: "Disabled", ..GOOD }, pending()).await;
    let [(name, detail)] = failures(&report)[..] else { panic!("{report:?}") };
    assert_eq!(name, "the stream's mapping delivers");
    assert!(detail.contains("mapping-1") && detail.contains("update-event-source-mapping"), "{detail}");
    assert_eq!(rules.calls(), [0; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_mapping_whose_last_result_is_a_problem_points_at_the_log() {
    let world = World { last_result: "PROBLEM: Function call failed", ..GOOD };
    let (report, _) = verified(world, pending()).await;
    assert!(failures(&report)[0].1.contains("DetectorLogGroupName"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_firing_alarm_fails_the_verification_and_the_rest_is_still_tried() {
    let (report, rules) = verified(World { firing: "demo-DetectorErrorsAlarm", ..GOOD }, pending()).await;
    let [(name, detail)] = failures(&report)[..] else { panic!("{report:?}") };
    assert_eq!(name, "no alarm is firing");
    assert!(detail.contains("demo-DetectorErrorsAlarm") && detail.contains("runbook"), "{detail}");
    assert!(report.latency_ms.is_some());
    assert_eq!(rules.calls(), [42, 1, 1, 4]);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_on_anomalies_says_nothing_about_the_stack() {
    let (report, _) = verified(World { firing: "demo-AnomalyAlarm", ..GOOD }, pending()).await;
    assert!(report.is_success(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_alarm_on_polling_counts_only_if_no_alert_has_come_through() {
    let firing = "demo-DetectorPollingAlarm";
    let (report, _) = verified(World { firing, ..GOOD }, pending()).await;
    assert!(report.is_success(), "a new stack: {report:?}");
    let (report, _) = verified(World { firing, alerts: false, ..GOOD }, pending()).await;
    let [("the alert arrives", _), ("no alarm is firing", detail)] = failures(&report)[..] else {
        panic!("{report:?}")
    };
    assert!(detail.contains(firing), "{detail}");
}

#[tokio::test(start_paused = true)]
async fn without_an_alert_in_time_it_says_where_to_look_and_removes_everything() {
    let (report, rules) = verified(World { alerts: false, ..GOOD }, pending()).await;
    let [(name, detail)] = failures(&report)[..] else { panic!("{report:?}") };
    assert_eq!((name, report.latency_ms), ("the alert arrives", None));
    assert!(detail.contains("within 5 s") && detail.contains("AlerterLogGroupName"), "{detail}");
    assert_eq!(rules.calls(), [42, 1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn an_interruption_removes_everything() {
    let (report, rules) = verified(World { alerts: false, ..GOOD }, tokio::time::sleep(Duration::from_secs(1))).await;
    assert_eq!(failures(&report), [("the alert arrives", "interrupted")]);
    assert_eq!(rules.calls(), [42, 1, 1, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_is_named_and_stops_nothing_else() {
    let (report, rules) = verified(World { unsubscribes: false, ..GOOD }, pending()).await;
    let [(name, detail)] = failures(&report)[..] else { panic!("{report:?}") };
    assert_eq!(name, "everything is removed");
    assert!(detail.contains("subscription-1") && !detail.contains("queue"), "{detail}");
    assert_eq!(rules.calls()[2..], [1, 4]);
}

//! The real adapters against the local AWS, over HTTP.

use alerter::metric_sink::{CloudWatchSink, MetricSink, Tally};
use alerter::publisher::{Publisher, SnsPublisher};
use anomaly_core::{Rule, RuleSettings};
use aws_sdk_sqs::error::SdkError;
use aws_types::SdkConfig;
use detector::shard_ranges::{KinesisShardRanges, ShardRanges};
use detector::window_store::{DynamoDbWindowStore, Loaded, StoredUser, WindowStore};
use intake::aggregate::HashRange;
use lambda_kit::{AwsSettings, Env, sdk_config};
use message_queue::{MessageQueue, SqsQueue};
use testbed::{EmbeddedDynamoDb, Endpoint, RequestCounter, Sent, create_table};

use crate::dynamodb::TABLE;
use crate::fixtures::{SHARD, STREAM, publications};

struct LocalAws {
    dynamodb: EmbeddedDynamoDb,
    endpoint: Endpoint,
    config: SdkConfig,
}

async fn local_aws() -> LocalAws {
    let dynamodb = EmbeddedDynamoDb::start().unwrap();
    let endpoint = Endpoint::start(&dynamodb).await.unwrap();
    let env = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_ENDPOINT_URL", &endpoint.url()),
    ];
    let config = sdk_config(AwsSettings::from_env(&Env::from_pairs(env)).unwrap());
    LocalAws { dynamodb, endpoint, config }
}

#[tokio::test]
async fn a_batch_of_messages_is_confirmed_and_arrives_in_order() {
    let mut aws = local_aws().await;
    let queue = SqsQueue::new(aws_sdk_sqs::Client::new(&aws.config), "http://queue/anomalies".to_owned());
    let bodies = ["{\"a\":1}".to_owned(), "two & three = 5 %".to_owned()];
    assert_eq!(queue.send(&bodies).await, [true, true]);
    for body in bodies {
        let expected = Sent::Message { queue_url: "http://queue/anomalies".to_owned(), body };
        assert_eq!(aws.endpoint.sent().await, Some(expected));
    }
}

#[tokio::test]
async fn each_publication_is_confirmed_and_arrives_as_its_mail() {
    let mut aws = local_aws().await;
    let publisher = SnsPublisher::connect(&aws.config, "arn:aws:sns:us-east-1:000000000000:alerts".to_owned());
    let publications = publications(3);
    assert_eq!(publisher.publish(&publications).await, [true; 3]);
    for publication in publications {
        let expected = Sent::Mail {
            subject: alerter::publication::SUBJECT.to_owned(),
            text: publication.email,
            disposition: publication.audience.as_str().to_owned(),
        };
        assert_eq!(aws.endpoint.sent().await, Some(expected));
    }
}

#[tokio::test]
async fn a_metric_is_accepted() {
    let aws = local_aws().await;
    let sink = CloudWatchSink::connect(&aws.config, "AnomalyDetection".to_owned(), "Detector".to_owned(), None);
    sink.add(Tally { anomalies: 1, shadow: 0 }).await.unwrap();
}

#[tokio::test]
async fn the_one_shard_has_all_hash_keys() {
    let aws = local_aws().await;
    let ranges = KinesisShardRanges::new(aws_sdk_kinesis::Client::new(&aws.config));
    let range = ranges.range(STREAM, &SHARD.parse().unwrap()).await;
    assert_eq!(range, Some(HashRange { first: 0, last: u128::MAX }));
}

#[tokio::test]
async fn a_state_is_written_to_the_embedded_database_behind_it() {
    let aws = local_aws().await;
    create_table(&aws.dynamodb.client(&RequestCounter::default()), TABLE, "userId").await.unwrap();
    let store = DynamoDbWindowStore::new(aws_sdk_dynamodb::Client::new(&aws.config), TABLE.to_owned());
    let rule = Rule::new(RuleSettings::default()).unwrap();
    let user = StoredUser { version: Some(1), expires_at_seconds: 2_000_000_000, ..StoredUser::absent(&rule) };
    store.commit("bob", &user, None).await.unwrap();
    let loaded = store.load(&["bob", "alice"]).await;
    let [Ok(Loaded::Present(bob)), Ok(Loaded::Absent)] = loaded.as_slice() else { panic!("{loaded:?}") };
    assert_eq!(**bob, user);
}

#[tokio::test]
async fn a_call_that_no_function_makes_is_refused_and_reaches_nobody() {
    let aws = local_aws().await;
    let error = aws_sdk_sqs::Client::new(&aws.config).list_queues().send().await.unwrap_err();
    let SdkError::ServiceError(refused) = &error else { panic!("{error:?}") };
    assert_eq!(refused.raw().status().as_u16(), 400);
}

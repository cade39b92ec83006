"""A second deployment changes the stack in place; deleting it leaves nothing behind but the key."""

import pytest
from botocore.exceptions import ClientError

from stack import NAME


def test_a_changed_parameter_updates_the_stack_in_place(stack):
    resources, states, outputs = stack.resources(), stack.items("StateTableName"), stack.outputs
    assert stack.environment_of("DetectorFunctionName")["SIGMAS"] == "", "the rule's own"
    stack.deploy(Sigmas="3")
    assert stack.description()["StackStatus"] == "UPDATE_COMPLETE"
    assert stack.environment_of("DetectorFunctionName")["SIGMAS"] == "3"
    assert (stack.resources(), stack.items("StateTableName"), stack.outputs) == (resources, states, outputs)


def test_parameters_that_contradict_each_other_are_refused_before_anything_changes(stack):
    with pytest.raises(AssertionError, match="An AlerterBatchSize above 10 needs an AlerterBatchingWindowSeconds of 1 or more"):
        stack.deploy(AlerterBatchSize="100", AlerterBatchingWindowSeconds="0")
    assert stack.description()["StackStatus"] == "UPDATE_COMPLETE"


def test_a_stream_that_exists_takes_the_place_of_the_created_one(stack):
    kinesis, created = stack.client("kinesis"), stack.outputs["StreamName"]
    kinesis.create_stream(StreamName="existing", ShardCount=1)
    kinesis.get_waiter("stream_exists").wait(StreamName="existing", WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    arn = kinesis.describe_stream_summary(StreamName="existing")["StreamDescriptionSummary"]["StreamARN"]
    stack.deploy(StreamArn=arn)
    assert (stack.outputs["StreamName"], stack.outputs["StreamArn"]) == ("existing", arn)
    assert stack.outputs["SendCommand"].startswith("sigma send --stream existing ")
    mapping = stack.client("lambda").get_event_source_mapping(UUID=stack.outputs["DetectorMappingId"])
    assert mapping["EventSourceArn"] == arn
    assert kinesis.list_streams()["StreamNames"] == ["existing"], created


def test_sam_delete_leaves_nothing_behind_but_the_key_and_what_it_did_not_create(stack):
    assert all(remaining(stack).values())
    stack.client("s3").put_object(Bucket=stack.outputs["FailureBucketName"], Key="failed", Body=b"{}")
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()
    with pytest.raises(ClientError, match="does not exist"):
        stack.description()
    assert {kind: found for kind, found in remaining(stack).items() if found} == {"streams": ["existing"]}
    # What it encrypted may still be somewhere: in a backup, or in a copy of the archive.
    key = stack.client("kms").describe_key(KeyId=stack.outputs["KeyArn"])["KeyMetadata"]
    assert key["KeyState"] == "Enabled"


def log_groups(stack):
    return [group["logGroupName"] for group in stack.client("logs").describe_log_groups()["logGroups"]]


def remaining(stack):
    """The stack's resources that the account still has; their names start with the stack's name."""
    client = stack.client
    return {
        "functions": [function["FunctionName"] for function in client("lambda").list_functions()["Functions"]],
        "mappings": [mapping["UUID"] for mapping in client("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "tables": client("dynamodb").list_tables()["TableNames"],
        "streams": client("kinesis").list_streams()["StreamNames"],
        "delivery streams": client("firehose").list_delivery_streams()["DeliveryStreamNames"],
        "topics": [topic["TopicArn"] for topic in client("sns").list_topics()["Topics"]],
        "queues": [url for url in client("sqs").list_queues().get("QueueUrls", []) if not url.endswith("/subscriber")],
        "buckets": [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"] if bucket["Name"].startswith(NAME)],
        "roles": [role["RoleName"] for role in client("iam").list_roles()["Roles"] if role["RoleName"].startswith(NAME)],
        "log groups": [name for name in log_groups(stack) if f"/{NAME}-" in name],
        "alarms": [alarm["AlarmName"] for alarm in client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "dashboards": client("cloudwatch").list_dashboards()["DashboardEntries"],
    }

"""The deployed stack: template.yaml through `sam deploy`, and the tests' access to it."""

import datetime
import json

import boto3
from botocore.config import Config

from emulator import REGION, ROOT_KEY
from local import run

NAME = "demo"
# The emulator refuses AWS::CloudWatch::AnomalyDetector; 0 leaves it and its alarm out. tests/deployed/template checks both.
PARAMETERS = {"AnomalyBandWidth": "0"}
# The dimensions of AnomalyCount that do not change from version to version.
CONTRACT = [{"Name": "Source", "Value": "Detector"}]
# The emulator responds in milliseconds. A slower call has failed, and a retry would hide that.
CLIENT = Config(retries={"total_max_attempts": 1}, read_timeout=60)


class Stack:
    """One deployment, of what `sam build` left or of a template. Its clients act as the account's root user unless they are given other
    credentials."""

    def __init__(self, emulator, name=NAME, template=None, **parameters):
        self.emulator, self.name, self.parameters = emulator, name, PARAMETERS | parameters
        self.template = ["--template-file", template] if template else []
        self.outputs = {}

    def deploy(self, **parameters):
        """`sam deploy` as a user runs it, with the samconfig.toml beside the template for the rest."""
        overrides = [f"{name}={value}" for name, value in (self.parameters | parameters).items()]
        command = ["sam", "deploy", "--stack-name", self.name, "--no-confirm-changeset", "--no-progressbar"]
        run([*command, *self.template, "--parameter-overrides", *overrides], self.emulator.environment(), "sam.log")
        outputs = self.description()["Outputs"]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def empty(self, output):
        """Deletes every version of every object in a bucket, as docs/deploy.md says to do before `sam delete`."""
        bucket, s3 = self.outputs[output], self.client("s3")
        pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        entries = [entry for page in pages for entry in page.get("Versions", []) + page.get("DeleteMarkers", [])]
        for entry in entries:
            s3.delete_object(Bucket=bucket, Key=entry["Key"], VersionId=entry["VersionId"])

    def delete(self):
        """`sam delete` as a user runs it."""
        command = ["sam", "delete", "--stack-name", self.name, "--no-prompts"]
        run(command, self.emulator.environment(), "sam.log")

    def description(self):
        """The stack as CloudFormation describes it."""
        return self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"][0]

    def resources(self):
        """Physical ids by logical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
        return {summary["LogicalResourceId"]: summary["PhysicalResourceId"] for summary in summaries}

    def client(self, service, **credentials):
        """A boto3 client at the emulator."""
        keys = credentials or {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_KEY}
        certificate = str(self.emulator.certificate)
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.emulator.url, verify=certificate, config=CLIENT, **keys
        )

    def put(self, *records):
        """Puts (partition key, data) pairs in order with PutRecord. Returns the sequence numbers."""
        kinesis, stream = self.client("kinesis"), self.outputs["StreamName"]
        responses = [kinesis.put_record(StreamName=stream, PartitionKey=key, Data=data) for key, data in records]
        return [response["SequenceNumber"] for response in responses]

    def records(self):
        """All records of the stream by shard, oldest first."""
        kinesis, stream = self.client("kinesis"), self.outputs["StreamName"]
        shards = [shard["ShardId"] for shard in kinesis.list_shards(StreamName=stream)["Shards"]]
        return {shard: list(shard_records(kinesis, stream, shard)) for shard in shards}

    def alerts(self):
        """The ledger's alerts by id, with attributes as plain values."""
        return {id: item for id, item in self.items("LedgerTableName").items() if "status" in item}

    def items(self, table):
        """All items of a table by key, with attributes as plain values."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.outputs[table])
        items = [item for page in pages for item in page["Items"]]
        key = {"StateTableName": "userId", "LedgerTableName": "id"}[table]
        return {item[key]["S"]: {name: plain(value) for name, value in item.items()} for item in items}

    def messages(self, queue_url):
        """Takes every message from a queue. Returns the bodies, parsed from JSON."""
        sqs, taken = self.client("sqs"), []
        while batch := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            taken += [json.loads(message["Body"]) for message in batch]
            for message in batch:
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def anomaly_count(self, dimensions=CONTRACT):
        """The sum of AnomalyCount in the hours around now, of the contract's metric or of another."""
        now, hour = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=1)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="AnomalyDetection", MetricName="AnomalyCount", Dimensions=dimensions,
            StartTime=now - hour, EndTime=now + hour, Period=60, Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    def is_drained(self):
        """Whether the alerter has received and deleted every message in the anomaly queue."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        queue = self.outputs["AnomalyQueueUrl"]
        attributes = self.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
        return all(int(attributes[name]) == 0 for name in names)

    def log_lines(self, output, since_ms, text):
        """Lines of a log group since `since_ms` that contain the text."""
        events = self.client("logs").filter_log_events(logGroupName=self.outputs[output], startTime=since_ms)["events"]
        return [event["message"] for event in events if text in event["message"]]

    def environment_of(self, output):
        """The environment variables of the deployed function."""
        configuration = self.client("lambda").get_function_configuration(FunctionName=self.outputs[output])
        return configuration["Environment"]["Variables"]

    def configure(self, output, variables, **settings):
        """Gives the deployed function another environment; new instances get it, and warm ones end."""
        functions, function = self.client("lambda"), self.outputs[output]
        functions.update_function_configuration(FunctionName=function, Environment={"Variables": variables}, **settings)
        functions.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1, "MaxAttempts": 30})


def shard_records(kinesis, stream, shard):
    """The records of a shard from the oldest to the newest at the time of the call."""
    iterator = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    batch = kinesis.get_records(ShardIterator=iterator["ShardIterator"])
    while batch["Records"]:
        yield from batch["Records"]
        batch = kinesis.get_records(ShardIterator=batch["NextShardIterator"])


def plain(value):
    """{"S": "x"} as "x"; numbers stay text."""
    return next(iter(value.values()))

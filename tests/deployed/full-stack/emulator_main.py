"""ministack 1.5.33, corrected where it differs from AWS and the deployed code rightly relies on AWS. Runs in ministack's own
environment.

Each correction cites AWS's documentation, but for one of speed. None of them touches the template or the functions, and none grants anything that AWS would
not.
"""

import json
import re
import time

from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import request_scope
from ministack.services import kinesis, lambda_svc
from ministack.services.cloudformation import changesets, engine, handlers, provisioners, stacks
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as RESOURCES

# Batch calls have no permission of their own: the policy of the single call governs them (SQS developer guide, "Amazon SQS API
# permissions"; service authorization reference of SNS). ministack requires "sqs:SendMessageBatch", which no policy can name.
ACTION_OF_BATCH = {
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sns:PublishBatch": "sns:Publish",
}
# A PartiQL call has no permission of its own either: each statement needs that of what it does, on its table (DynamoDB developer guide, "IAM
# security policies with PartiQL for DynamoDB"). ministack requires "dynamodb:BatchExecuteStatement", which no policy can name.
BATCH = "dynamodb:BatchExecuteStatement"
UPDATE = re.compile(r'UPDATE "([^"]+)" ')
# A sequence number is 0|([1-9]\d{0,128}) (Kinesis API reference). ministack's start with zeros; theirs begin with these digits.
SEQUENCE_NUMBER_START = "49"
MAPPING = "AWS::Lambda::EventSourceMapping"
NUMBERS = {
    "BatchSize", "MaximumBatchingWindowInSeconds", "MaximumConcurrency", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts",
    "ParallelizationFactor",
}

# Functions whose value a condition compares (CloudFormation template reference, "Fn::Equals"). ministack compares them as they are
# written, so that a condition on a list of words always holds.
TEXTS = {"Fn::Join", "Fn::Split"}

action_by_name = iam_actions.extract_iam_action
transaction_checks = iam_actions.dynamodb_transaction_checks
zero_padded_number = kinesis._next_sequence_number
stream_of_the_caller = kinesis._resolve_stream_by_arn
emulator_environment = lambda_svc._provided_worker_env
mapping = RESOURCES[MAPPING]
alarm_on_a_metric = provisioners._cw_metric_alarm_record
conditions_as_written = engine._evaluate_conditions


def action(*arguments):
    name = action_by_name(*arguments)
    return ACTION_OF_BATCH.get(name, name)


def dynamodb_checks(action, body, region, account):
    """The (action, table) pairs that the caller of a batch needs, each once. A statement other than the detector's is refused as before."""
    if action != BATCH:
        return transaction_checks(action, body, region, account)
    found = {UPDATE.match(statement.get("Statement", "")) for statement in json.loads(body).get("Statements", [])}
    if None in found:
        return [(BATCH, "*")]
    tables = {match[1] for match in found}
    return [("dynamodb:PartiQLUpdate", f"arn:aws:dynamodb:{region}:{account}:table/{table}") for table in tables]


def sequence_number():
    return SEQUENCE_NUMBER_START + zero_padded_number()


def expire_records(stream):
    """As ministack does it, but a record at a time from the oldest on: it copies the whole stream at each call, a million records."""
    oldest = time.time() - stream["RetentionPeriodHours"] * 3600
    for shard in stream["shards"].values():
        while shard["records"] and shard["records"][0]["ApproximateArrivalTimestamp"] < oldest:
            del shard["records"][0]


def stream_by_arn(arn):
    """A stream is in the account of its ARN, which need not be the caller's (Kinesis developer guide, "Share your data stream with another
    account"); ministack looks in the caller's alone. Whether the caller may use it, its resource policy says."""
    with request_scope(*kinesis._kinesis_arn_scope(arn)):
        return stream_of_the_caller(arn)


def function_environment(config, *arguments):
    """For Lambda, AWS_ENDPOINT_URL is a variable like any other; ministack overrides the value in the function's configuration."""
    return emulator_environment(config, *arguments) | lambda_svc._runtime_env_vars(config)


def with_numbers(properties):
    """CloudFormation passes parameters as text and converts them by the property's type; ministack leaves these as text."""
    if isinstance(properties, dict):
        return {name: int(value) if name in NUMBERS else with_numbers(value) for name, value in properties.items()}
    return properties


def with_texts(node, parameters):
    """A condition with the value of each text."""
    if isinstance(node, list):
        return [with_texts(member, parameters) for member in node]
    if not isinstance(node, dict):
        return node
    if TEXTS & node.keys():
        return engine._resolve_refs(node, {}, parameters, {}, {}, "", "")
    return {name: with_texts(member, parameters) for name, member in node.items()}


def conditions(template, parameters):
    written = template.get("Conditions", {})
    return conditions_as_written(template | {"Conditions": with_texts(written, parameters)}, parameters)


def create_mapping(logical_id, properties, stack):
    return mapping["create"](logical_id, with_numbers(properties), stack)


def update_mapping(physical_id, before, after, stack):
    return mapping["update"](physical_id, with_numbers(before), with_numbers(after), stack)


def alarm(name, properties):
    """An alarm can watch an expression (CloudWatch user guide, "Using metric math"); ministack's watch a metric. One whose gaps are filled
    with zeros alarms when the metric does, if missing data does not."""
    watched, *expressions = properties.get("Metrics", [{}])
    if [expression["Expression"] for expression in expressions] == [f"FILL({watched.get('Id')}, 0)"]:
        statistic = {"Statistic": watched["MetricStat"]["Stat"], "Period": watched["MetricStat"]["Period"]}
        properties = {name: value for name, value in properties.items() if name != "Metrics"} | watched["MetricStat"]["Metric"] | statistic
    return alarm_on_a_metric(name, properties)


iam_actions.extract_iam_action = action
iam_actions.dynamodb_transaction_checks = dynamodb_checks
kinesis._next_sequence_number = sequence_number
kinesis._resolve_stream_by_arn = stream_by_arn
kinesis._expire_records = expire_records
lambda_svc._provided_worker_env = function_environment
for module in (changesets, engine, handlers, stacks):
    module._evaluate_conditions = conditions
provisioners._cw_metric_alarm_record = alarm
RESOURCES[MAPPING] = mapping | {"create": create_mapping, "update": update_mapping}
# Port 443 is for a service that is not used here; the emulator uses only the port that it was given.
app._port_is_bindable = lambda *_: False

app.main()

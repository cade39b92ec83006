"""Channels: each with what it needs and nothing that it shares but the function, and none of it where no channel is on."""

import json
import re

import pytest

import model

LOGICAL = {"slack": "Slack", "pagerduty": "PagerDuty", "teams": "Teams", "webhook": "Webhook", "respond": "Respond"}
# What every channel shares.
SHARED = {"NotifierFunction", "NotifierRole", "NotifierLogGroup", "NotifierErrorsAlarm", "NotifierThrottlesAlarm"}
# What channels share that have receivers.
OF_RECEIVERS = {"ChannelSecret", "ReceiverGoneAlarm", "SecretUnusableAlarm"}
PARTS = ["Queue", "DeadLetterQueue", "QueuePolicy", "Subscription", "DeadLetterAlarm", "StuckAlarm"]
EIGHT_HOURS = 8 * 60 * 60
FOURTEEN_DAYS = 14 * 24 * 60 * 60
ALL = model.deployed(**model.CHANNELS)
BEFORE_DISPOSITIONS = {"disposition": [{"exists": False}]}
# The longest request, in seconds, as the code has it.
REQUEST_SECONDS = int(re.search(r"REQUEST_TIMEOUT: Duration = Duration::from_secs\((\d+)\)", model.source("functions/notifier/src/receiver/https.rs"))[1])


def own(channel):
    return {f"NotifierFunction{LOGICAL[channel]}", *(LOGICAL[channel] + part for part in PARTS)}


def properties(name):
    return ALL[name]["Properties"]


def added(**parameters):
    return {name for name in set(model.deployed(**parameters)) - set(model.deployed()) if not name.startswith("Response")}


def test_without_a_channel_nothing_of_them_exists():
    names = set(model.deployed())
    assert not names & (SHARED | OF_RECEIVERS | {name for channel in LOGICAL for name in own(channel)})


@pytest.mark.parametrize("channel", LOGICAL)
def test_a_channel_brings_what_it_needs_and_nothing_of_another(channel):
    expected = own(channel) | SHARED | (OF_RECEIVERS if channel != "respond" else set())
    assert added(Channels=channel, **({"FreezeFunctionArn": model.FREEZE} if channel == "respond" else {})) == expected


def test_channels_are_the_words_of_the_code():
    words = set(re.findall(r'=> "(\w+)"', model.source("functions/notifier/src/channel.rs")))
    pattern = model.template()["Parameters"]["Channels"]["AllowedPattern"]
    assert words == set(LOGICAL) == set(pattern.strip("()?").split("|"))


@pytest.mark.parametrize("channel", LOGICAL)
def test_the_function_knows_the_queue_of_a_channel_that_is_on(channel):
    variable = model.environment("notifier")[f"{channel.upper()}_QUEUE_URL"]
    assert variable == {"Fn::If": [f"Has{LOGICAL[channel]}", {"Ref": f"{LOGICAL[channel]}Queue"}, ""]}


@pytest.mark.parametrize("channel", LOGICAL)
def test_a_queue_redelivers_for_eight_hours_and_then_keeps_messages_for_fourteen_days(channel):
    queue, dead_letters = properties(f"{LOGICAL[channel]}Queue"), properties(f"{LOGICAL[channel]}DeadLetterQueue")
    redrive = queue["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": [f"{LOGICAL[channel]}DeadLetterQueue", "Arn"]}
    assert queue["VisibilityTimeout"] * redrive["maxReceiveCount"] == EIGHT_HOURS
    assert queue["MessageRetentionPeriod"] == dead_letters["MessageRetentionPeriod"] == FOURTEEN_DAYS


@pytest.mark.parametrize("channel", LOGICAL)
def test_a_message_stays_invisible_for_six_timeouts(channel):
    timeout = properties("NotifierFunction")["Timeout"]
    assert 6 * timeout <= properties(f"{LOGICAL[channel]}Queue")["VisibilityTimeout"]
    assert timeout >= 2 * REQUEST_SECONDS


@pytest.mark.parametrize("channel", LOGICAL)
def test_only_the_topic_may_send_and_only_encrypted(channel):
    name = LOGICAL[channel]
    tls, topic = properties(f"{name}QueuePolicy")["PolicyDocument"]["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert topic["Principal"] == {"Service": "sns.amazonaws.com"}
    assert topic["Condition"] == {"ArnEquals": {"aws:SourceArn": {"Ref": "AlertTopic"}}}
    assert topic["Resource"] == {"Fn::GetAtt": [f"{name}Queue", "Arn"]}
    assert properties(f"{name}QueuePolicy")["Queues"] == [{"Ref": f"{name}Queue"}, {"Ref": f"{name}DeadLetterQueue"}]


@pytest.mark.parametrize(("channel", "filtered"), [
    ("slack", {"$or": [{"disposition": ["page", "summary"]}, BEFORE_DISPOSITIONS]}),
    ("teams", {"$or": [{"disposition": ["page", "summary"]}, BEFORE_DISPOSITIONS]}),
    ("pagerduty", {"$or": [{"disposition": ["page"]}, BEFORE_DISPOSITIONS]}),
    ("webhook", {"$or": [{"disposition": [{"anything-but": ["summary"]}]}, BEFORE_DISPOSITIONS]}),
    ("respond", {"severity": [{"exists": True}]}),
])
def test_people_read_pages_and_summaries_and_machines_hear_every_alert(channel, filtered):
    subscription = properties(f"{LOGICAL[channel]}Subscription")
    assert (subscription["Protocol"], subscription["RawMessageDelivery"]) == ("sqs", True)
    assert subscription["Endpoint"] == {"Fn::GetAtt": [f"{LOGICAL[channel]}Queue", "Arn"]}
    assert subscription["FilterPolicy"] == filtered


def test_the_secret_has_no_value_in_the_template_and_is_encrypted_with_the_key():
    secret = properties("ChannelSecret")
    assert not {"SecretString", "GenerateSecretString"} & secret.keys()
    assert secret["KmsKeyId"] == {"Fn::GetAtt": ["EncryptionKey", "Arn"]}


def test_only_the_function_reads_the_secret():
    readers = [name for name, resource in ALL.items() if "secretsmanager:" in json.dumps(resource)]
    assert readers == ["NotifierRole"]


def test_no_channel_shares_a_mapping_a_queue_or_an_alarm_with_another():
    mappings = {name: mapping for name, mapping in model.properties(ALL, "AWS::Lambda::EventSourceMapping").items() if name.startswith("Notifier")}
    sources = [mapping["EventSourceArn"]["Fn::GetAtt"][0] for mapping in mappings.values()]
    assert sorted(sources) == sorted(f"{name}Queue" for name in LOGICAL.values())
    assert all(mapping["ScalingConfig"] == {"MaximumConcurrency": 2} for mapping in mappings.values())
    assert all(mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for mapping in mappings.values())


def test_sns_may_use_the_key_only_where_a_channel_needs_it():
    def principals(**parameters):
        statements = model.deployed(**parameters)["EncryptionKey"]["Properties"]["KeyPolicy"]["Statement"]
        return [statement["Principal"].get("Service") for statement in statements]

    assert "sns.amazonaws.com" in principals(Channels="slack")
    assert "sns.amazonaws.com" not in principals()


@pytest.mark.parametrize("channel", LOGICAL)
def test_a_channel_that_delivers_nothing_of_what_waits_has_an_alarm(channel):
    alarm = properties(f"{LOGICAL[channel]}StuckAlarm")
    assert alarm["MetricName"] == f"Stuck{LOGICAL[channel]}" and alarm["MetricName"] in model.contract()["notifier"]["metrics"]
    assert [dimension["Value"] for dimension in alarm["Dimensions"]] == ["notifier", {"Ref": "AWS::StackName"}]
    assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"], alarm["Threshold"]) == (4, 3, 0)
    # Each period in which a message is tried has a datum.
    assert alarm["Period"] == properties(f"{LOGICAL[channel]}Queue")["VisibilityTimeout"]

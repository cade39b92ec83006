"""A stack of its own with every channel: one alert reaches five receivers, each as its own library accepts it. One that is dead delays no
other, and gets what it missed once it is back. A person answers the response. It is gone before the tests that come after."""

import json
import subprocess

import pytest

from conftest import SIGMA
from local import until
from receivers import Receivers
from stack import Stack
from transactions import with_anomaly

CHANNELS = ["slack", "pagerduty", "teams", "webhook", "respond"]
# Seconds from a transaction to its alert at a receiver.
ALERT_SECONDS = 120
# Seconds until a message that failed is delivered again, and deliveries until it is kept aside.
VISIBILITY_SECONDS, RECEIVES = 3, 2
QUEUES = {"slack": "SlackQueue", "pagerduty": "PagerDutyQueue", "teams": "TeamsQueue", "webhook": "WebhookQueue", "respond": "RespondQueue"}


@pytest.fixture(scope="module")
def deployed(emulator):
    stack = Stack(
        emulator, "channels", MetricNamespace="Channels", Channels=",".join(CHANNELS), ResponseSamples="true", OnNoAnswer="nothing",
    )
    stack.deploy()
    yield stack
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()


@pytest.fixture(scope="module")
def receivers(deployed, emulator):
    """The receivers are on this machine, which the guard of the notifier would not reach."""
    receivers = Receivers(emulator.certificate)
    variables = deployed.environment_of("NotifierFunctionName")
    assert "CHANNEL_GUARD" not in variables and "127.0.0.1:" not in json.dumps(variables["CHANNEL_SECRET_ARN"])
    secret = deployed.outputs["ChannelSecretArn"]
    deployed.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=receivers.secret())
    deployed.configure("NotifierFunctionName", variables | {"CHANNEL_GUARD": "off"})
    yield receivers
    receivers.stop()


class Channels:
    """The queues of the channels, impatient for a test."""

    def __init__(self, stack):
        self.stack, self.sqs, resources = stack, stack.client("sqs"), stack.resources()
        self.queues = {channel: resources[name] for channel, name in QUEUES.items()}
        self.dead_letters = {channel: resources[name.replace("Queue", "DeadLetterQueue")] for channel, name in QUEUES.items()}
        for channel, queue in self.queues.items():
            redrive = json.loads(self.attributes(queue)["RedrivePolicy"]) | {"maxReceiveCount": RECEIVES}
            attributes = {"VisibilityTimeout": str(VISIBILITY_SECONDS), "RedrivePolicy": json.dumps(redrive)}
            self.sqs.set_queue_attributes(QueueUrl=queue, Attributes=attributes)

    def attributes(self, queue):
        return self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]

    def waiting(self, channel):
        attributes = self.attributes(self.queues[channel])
        return sum(int(attributes[name]) for name in ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"))

    def dead(self, channel):
        return int(self.attributes(self.dead_letters[channel])["ApproximateNumberOfMessages"])

    def redrive(self, channel):
        """What a message move task does, in as many calls."""
        queue = self.dead_letters[channel]
        while messages := self.sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.send_message(QueueUrl=self.queues[channel], MessageBody=message["Body"])
                self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])


@pytest.fixture(scope="module")
def channels(deployed, receivers):
    return Channels(deployed)


def alert(stack, user):
    """Has a user raise an anomaly. Returns its id, once the alerter has published it."""
    known = set(stack.alerts())
    stack.put(*with_anomaly(user))
    new = lambda: [id for id, item in stack.alerts().items() if id not in known and item["status"] == "completed"]
    [id] = until("the alert", ALERT_SECONDS, new)
    return id


def got(receivers, id):
    """The receivers that have an alert."""
    return {receiver.path for receiver in receivers.all() if any(id in json.dumps(message) for message in receiver.accepted)}


def execution(stack, id):
    machine = stack.outputs["ResponseStateMachineArn"]
    arn = f"{machine.replace(':stateMachine:', ':execution:')}:{id}"
    states = stack.client("stepfunctions")
    try:
        return states.describe_execution(executionArn=arn)
    except states.exceptions.ExecutionDoesNotExist:
        return None


def decide(stack, id, decision):
    command = [str(SIGMA), "decide", id, decision, "--table", stack.outputs["LedgerTableName"], "--why", "seen"]
    done = subprocess.run(command, env=stack.emulator.environment(), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_alert_reaches_every_receiver_as_its_own_library_accepts_it(deployed, receivers, channels):
    id = alert(deployed, "channel-user-1")
    everywhere = {"/slack", "/teams", "/pagerduty", "/webhook"}
    until("all receivers to have it", ALERT_SECONDS, lambda: got(receivers, id) == everywhere)
    assert [receiver.refused for receiver in receivers.all()] == [[]] * 4
    assert [len(receiver.accepted) for receiver in receivers.all()] == [1] * 4
    [event] = receivers.webhook.accepted
    assert event["data"]["userId"] == "channel-user-1" and event["data"]["disposition"] == "page"
    [incident] = receivers.pagerduty.accepted
    assert incident["dedup_key"] == event["data"]["episode"]


def test_a_critical_alert_is_answered_by_a_person(deployed, receivers, channels):
    [event] = receivers.webhook.accepted
    document = event["data"]
    assert document["priority"] == "critical"
    until("the question", ALERT_SECONDS, lambda: deployed.alerts()[document["id"]].get("responseToken"))
    assert json.loads(execution(deployed, document["id"])["input"]) == document
    decide(deployed, document["id"], "release")
    until("the end of the response", ALERT_SECONDS, lambda: execution(deployed, document["id"])["status"] == "SUCCEEDED")
    assert json.loads(deployed.alerts()[document["id"]]["response"])["action"] == "release"


def test_a_dead_receiver_delays_no_other_and_gets_what_it_missed(deployed, receivers, channels):
    receivers.webhook.stop()
    id = alert(deployed, "channel-user-2")
    until("the others to have it", ALERT_SECONDS, lambda: got(receivers, id) == {"/slack", "/teams", "/pagerduty"})
    assert execution(deployed, id)
    until("the message to be kept aside", ALERT_SECONDS, lambda: channels.dead("webhook") == 1)
    assert [channels.dead(channel) for channel in CHANNELS if channel != "webhook"] == [0] * 4
    receivers.webhook.restart()
    channels.redrive("webhook")
    until("the receiver to have it", ALERT_SECONDS, lambda: "/webhook" in got(receivers, id))
    assert [len([m for m in receiver.accepted if id in json.dumps(m)]) for receiver in receivers.all()] == [1] * 4
    until("the queues to be empty", ALERT_SECONDS, lambda: all(channels.waiting(channel) == 0 for channel in CHANNELS))


def test_the_secret_and_the_addresses_are_in_no_log(deployed, receivers, channels):
    events = deployed.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{deployed.name}-notifier")["events"]
    text = "\n".join(event["message"] for event in events)
    assert "Delivered a batch of a channel." in text
    assert not any(secret in text for secret in ("127.0.0.1", "whsec_", "0123456789abcdef0123456789abcdef", "channel-user"))

"""Function processes are killed in the middle of a batch, and responses are lost that nobody can request again.

Each user here has one anomaly. If SNS has accepted it but the alerter was killed, or lost the response, before it could record that,
the alert is published twice: that is promised too, and shown.
"""

import pytest

from local import until
from reference import Reference
from transactions import with_anomaly

# Seconds for a call to be held, and for an alert to be completed: one that an alerter left behind is redelivered after 18.
HELD_SECONDS, COMPLETED_SECONDS = 60, 120
# The write that commits an anomaly, and the one that clears it once it is sent.
COMMIT, CLEAR = "Item.outbox", "Item.userId && !(Item.outbox)"


class Case:
    """One user's transactions, put once all earlier anomalies have been alerted."""

    def __init__(self, stack, subscribers, faults, user):
        until("the anomaly queue to be empty", COMPLETED_SECONDS, stack.is_drained)
        self.stack, self.subscribers, self.faults, self.user = stack, subscribers, faults, user
        faults.clear()
        subscribers.forget()
        self.counted_before = stack.anomaly_count()
        stack.put(*with_anomaly(user))
        self.reference = Reference(stack, [user])
        self.id, = self.reference.ids()

    def hold(self, service, operation, body=None):
        """Holds such calls from now on; they never take effect."""
        self.faults.add(service, operation, "held", body=body)

    def until_held(self):
        """Returns while the caller waits for a response, which it does for eight seconds, including its retries."""
        until("the call to be held", HELD_SECONDS, self.faults.are_spent)

    def kill(self, output):
        """Kills the function while its call is held."""
        self.faults.clear()
        assert self.stack.emulator.kill(self.stack.outputs[output])

    def item(self):
        return self.stack.items("StateTableName").get(self.user, {})

    def status(self):
        return self.stack.alerts().get(self.id, {}).get("status")

    def is_settled(self, published):
        at_queue, at_endpoint = self.subscribers.ids()
        is_completed = self.status() == "completed" and self.stack.is_drained()
        return is_completed and min(len(at_queue), len(at_endpoint)) >= published

    def assert_settles(self, published, counted):
        """Asserts that the state becomes that of a plain fold, and that this alert is published `published` times and no other is."""
        until("the alert to be completed", COMPLETED_SECONDS, lambda: self.is_settled(published))
        assert self.item()["state"] == self.reference.states[self.user]
        assert "outbox" not in self.item()
        at_queue, at_endpoint = self.subscribers.ids()
        assert at_queue == at_endpoint == [self.id] * published
        assert self.stack.anomaly_count() - self.counted_before == counted


@pytest.fixture
def case(stack, subscribers, faults):
    return lambda user: Case(stack, subscribers, faults, user)


@pytest.fixture
def start(mapping, sigma_running):
    """Starts delivering the stream from its oldest record."""
    return lambda: sigma_running("deliver", "--mapping", mapping, "--json")


def assert_delivered(delivery, deaths):
    delivered = delivery.result()
    assert (delivered["function_errors"], delivered["discarded"], delivered["records_open"]) == (deaths, 0, 0)


def test_a_detector_that_dies_before_its_commit_leaves_nothing_behind(case, start):
    paul = case("paul")
    paul.hold("dynamodb", "PutItem", COMMIT)
    delivery = start()
    paul.until_held()
    assert paul.item() == {}
    paul.kill("DetectorFunctionName")
    assert_delivered(delivery, deaths=1)
    paul.assert_settles(published=1, counted=1)


def test_a_detector_that_dies_after_its_commit_leaves_the_anomaly_in_the_outbox(case, start, stack):
    paula = case("paula")
    paula.hold("sqs", "SendMessageBatch", f"QueueUrl == '{stack.outputs['AnomalyQueueUrl']}'")
    delivery = start()
    paula.until_held()
    assert paula.item()["state"] == paula.reference.states["paula"]
    assert paula.id in paula.item()["outbox"]
    paula.kill("DetectorFunctionName")
    assert_delivered(delivery, deaths=1)
    paula.assert_settles(published=1, counted=1)


def test_a_detector_that_dies_after_sending_sends_again_and_the_ledger_suppresses_it(case, start):
    peter = case("peter")
    peter.hold("dynamodb", "PutItem", CLEAR)
    delivery = start()
    peter.until_held()
    assert peter.id in peter.item()["outbox"]
    peter.kill("DetectorFunctionName")
    assert_delivered(delivery, deaths=1)
    peter.assert_settles(published=1, counted=1)


def test_an_alerter_that_dies_before_publishing_loses_nothing(case, start):
    petra = case("petra")
    petra.hold("sns", "PublishBatch")
    delivery = start()
    petra.until_held()
    assert petra.status() == "claimed"
    petra.kill("AlerterFunctionName")
    assert_delivered(delivery, deaths=0)
    petra.assert_settles(published=1, counted=1)


def test_an_alerter_that_dies_after_publishing_publishes_twice_and_counts_once(case, start):
    pia = case("pia")
    pia.hold("cloudwatch", "PutMetricData")
    delivery = start()
    pia.until_held()
    assert pia.status() == "claimed"
    pia.kill("AlerterFunctionName")
    assert_delivered(delivery, deaths=0)
    pia.assert_settles(published=2, counted=1)


def test_a_lost_response_of_sns_publishes_twice_and_counts_once(case, start):
    pius = case("pius")
    pius.faults.add("sns", "PublishBatch", "response lost")
    assert_delivered(start(), deaths=0)
    pius.assert_settles(published=2, counted=1)


def test_a_lost_response_of_cloudwatch_publishes_once_and_counts_twice(case, start):
    pola = case("pola")
    pola.faults.add("cloudwatch", "PutMetricData", "response lost")
    assert_delivered(start(), deaths=0)
    pola.assert_settles(published=1, counted=2)

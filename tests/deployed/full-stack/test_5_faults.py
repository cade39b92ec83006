"""Calls of the deployed functions fail in every way while transactions flow. Afterwards the result is the same as without faults."""

import base64
import itertools
import time

import pytest

from faults import CLAIM, MARK
from local import until
from reference import Reference
from transactions import bad, wave

USERS = ["fanny", "felix", "flora", "franz", "frida", "fritz"]
# The first wave cannot have anomalies, and the last two have none, so that their users are written together.
WAVES, LOUD = 7, range(1, 5)
# Polls without a record, five a second, after which the delivery ends: longer than putting a wave takes.
IDLE_POLLS = 25
# Seconds for a wave to be applied, and for everything to be alerted: a message that failed is redelivered after 18.
APPLIED_SECONDS, ALERTED_SECONDS = 120, 240
# Faults that refuse a call; any fault: refuse it, delay it, or let it take effect and lose the response.
REFUSED = ("throttled", "failed", "reset")
ANY = (*REFUSED, "slow", "response lost")


def inject(faults, number):
    """Adds the faults from this wave on. Lost responses of SNS and CloudWatch are left out: nobody can repair those."""
    if number not in LOUD and number > 0:
        # Three, because the third attempt is the SDK's last. In one wave it finds what the second has written: conflicts, each with the
        # very state. In the other one it fails too, and each user is written alone.
        last = ("throttled", "response lost", "slow") if number == LOUD.stop else ("failed", "reset", "throttled")
        return faults.add("dynamodb", "BatchExecuteStatement", *last)
    faults.add("dynamodb", "PutItem", *ANY)
    if number == 0:
        faults.add("dynamodb", "BatchGetItem", *ANY)
        return
    faults.add("sqs", "SendMessageBatch", *ANY)
    faults.add("dynamodb", "UpdateItem", *ANY, body=CLAIM)
    faults.add("sns", "PublishBatch", *REFUSED, "slow")
    faults.add("cloudwatch", "PutMetricData", *REFUSED, "slow")
    if number == 1:
        # Two, because a third could exhaust the call's attempts, and then an alert is published that the ledger does not know.
        faults.add("dynamodb", "UpdateItem", "reset", "response lost", body=MARK)
        faults.add("dynamodb", "PutItem", "too late")
        faults.add("sqs", "SendMessageBatch", "too late")


def records_of(number):
    """A wave of every user, interleaved, with two bad records."""
    waves = [wave(user, number, anomaly=number in LOUD) for user in USERS]
    mixed = [record for records in itertools.zip_longest(*waves) for record in records if record]
    return [bad("fanny"), *mixed, bad(USERS[number % len(USERS)])]


def states(stack):
    """The stored state of each user, as bytes."""
    items = stack.items("StateTableName")
    return {user: items[user]["state"] for user in USERS if user in items}


class Flow:
    """The waves, each put once the one before is applied, and their results."""

    def __init__(self, stack, subscribers, faults, delivery):
        self.counted_before, self.known_before = stack.anomaly_count(), set(stack.alerts())
        self.began_ms = int(time.time() * 1000)
        stack.messages(stack.outputs["QuarantineQueueUrl"])
        subscribers.forget()
        for number in range(WAVES):
            inject(faults, number)
            stack.put(*records_of(number))
            self.reference = Reference(stack, USERS)
            until(f"wave {number}", APPLIED_SECONDS, lambda: delivery.is_running() and states(stack) == self.reference.states)
        self.delivered = delivery.result()
        until("all faults to be injected", ALERTED_SECONDS, faults.are_spent)
        self.injected = faults.injected()
        faults.clear()
        until("the anomaly queue to be empty", ALERTED_SECONDS, stack.is_drained)


@pytest.fixture(scope="module")
def flow(stack, subscribers, faults, mapping, sigma_running):
    delivery = sigma_running("deliver", "--mapping", mapping, "--json", "--idle-polls", IDLE_POLLS)
    return Flow(stack, subscribers, faults, delivery)


def test_every_service_failed_in_every_way(flow):
    kinds = {}
    for (service, _, kind), count in flow.injected.items():
        assert count > 0
        kinds.setdefault(service, set()).add(kind)
    assert kinds == {
        "dynamodb": {*ANY, "too late"}, "sqs": {*ANY, "too late"}, "sns": {*REFUSED, "slow"}, "cloudwatch": {*REFUSED, "slow"},
    }


def test_the_role_lets_users_be_written_together(flow, stack):
    """Only faults sent users to a request of their own."""
    warnings = stack.log_lines("DetectorLogGroupName", flow.began_ms, "could not be written together")
    assert warnings
    assert [warning for warning in warnings if "AccessDenied" in warning] == []


def test_batches_failed_and_were_redelivered_and_none_was_discarded(flow):
    assert flow.delivered["partial_failures"] > 0
    assert (flow.delivered["function_errors"], flow.delivered["discarded"], flow.delivered["records_open"]) == (0, 0, 0)


def test_the_reference_has_every_anomaly_that_was_sent(flow):
    assert {user: len(ids) for user, ids in flow.reference.anomalies.items()} == dict.fromkeys(USERS, len(LOUD))


def test_every_state_equals_a_plain_fold_byte_for_byte(flow, stack):
    assert states(stack) == flow.reference.states


def test_no_anomaly_waits_in_an_outbox_or_a_dead_letter_queue(flow, stack):
    items = stack.items("StateTableName")
    assert [user for user in USERS if "outbox" in items[user]] == []
    assert stack.messages(stack.outputs["AnomalyDeadLetterQueueUrl"]) == []


def test_every_anomaly_was_published_once_and_nothing_else(flow, subscribers):
    expected = len(flow.reference.ids())
    until("all alerts at both subscribers", ALERTED_SECONDS, lambda: min(map(len, subscribers.ids())) >= expected)
    at_queue, at_endpoint = subscribers.ids()
    assert sorted(at_queue) == sorted(at_endpoint) == sorted(flow.reference.ids())


def test_the_ledger_holds_every_anomaly_as_completed_and_nothing_else(flow, stack):
    ledger = {id: alert["status"] for id, alert in stack.alerts().items() if id not in flow.known_before}
    assert ledger == dict.fromkeys(flow.reference.ids(), "completed")


def test_the_metric_counts_every_anomaly_once(flow, stack):
    assert stack.anomaly_count() - flow.counted_before == len(flow.reference.ids())


def test_every_bad_record_is_in_quarantine_unchanged(flow, stack):
    messages = stack.messages(stack.outputs["QuarantineQueueUrl"])
    ours = [message for message in messages if message["partitionKey"] in USERS]
    found = {message["sequenceNumber"]: base64.b64decode(message["payload"]) for message in ours}
    assert found == flow.reference.rejected

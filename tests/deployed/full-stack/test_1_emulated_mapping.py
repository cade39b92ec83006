"""Transactions through the whole deployment: stream, detector, queue, alerter, topic, by the emulator's own mappings."""

import base64
import json
import time

import pytest

from local import until
from stack import NAME
from transactions import UNUSUAL_AMOUNT, USUAL, bad, usual, with_anomaly

# Seconds. The first batch waits for the cold starts of two functions.
ALERT_SECONDS = 60
# Seconds. The emulator evaluates its alarms whenever it receives a metric.
ALARM_SECONDS = 120
# Transactions in each user's window at the end of this file.
COUNTS = {"anna": USUAL + 1, "berta": USUAL + 1, "carl": USUAL, "dora": USUAL + 1}


def one_alert(subscribers, user):
    """The user's alert: the queue and the endpoint have to receive the same single one."""
    what = f"an alert of {user} at the queue and at the endpoint"
    until(what, ALERT_SECONDS, lambda: all(subscribers.alerts_of(user)))
    at_queue, at_endpoint = subscribers.alerts_of(user)
    assert len(at_queue) == 1
    assert at_queue == at_endpoint
    return at_queue[0]


def test_an_anomaly_put_with_boto3_is_alerted(stack, subscribers):
    sequence_numbers = stack.put(*with_anomaly("anna"))
    alert = one_alert(subscribers, "anna")
    assert alert["amount"] == UNUSUAL_AMOUNT
    assert alert["sequenceNumber"] == sequence_numbers[-1]
    assert alert["text"].startswith("ANOMALY DETECTED: User anna has transaction of 912.00 (avg: 4")


def test_an_anomaly_sent_with_sigma_is_alerted(stack, subscribers, sigma, tmp_path):
    file = tmp_path / "transactions.jsonl"
    file.write_text("".join(f"{data}\n" for _, data in with_anomaly("berta")))
    sent = sigma("send", "--stream", stack.outputs["StreamName"], "--from", file, "--json")
    assert (sent["sent"], sent["failed"]) == (USUAL + 1, 0)
    assert one_alert(subscribers, "berta")["amount"] == UNUSUAL_AMOUNT


def test_a_notification_has_the_attributes_that_subscribers_filter_by(subscribers):
    assert subscribers.endpoint.alerts()
    for notification in subscribers.endpoint.alerts():
        attributes = {name: attribute["Value"] for name, attribute in notification["MessageAttributes"].items()}
        assert (attributes["severity"], attributes["rule"]) == ("critical", "adaptive")
        assert float(attributes["score"]) > 10


def test_a_usual_user_raises_no_alert_and_a_bad_record_blocks_nobody(stack, subscribers):
    user, payload = bad("carl")
    records = usual("carl")
    stack.put(*records[:8], (user, payload), *records[8:], *with_anomaly("dora"))
    one_alert(subscribers, "dora")
    until("carl's transactions to be applied", ALERT_SECONDS, lambda: applied(stack, "carl") == USUAL)
    assert subscribers.alerts_of("carl") == ([], [])


def test_the_bad_record_is_in_quarantine_unchanged(stack):
    message, = stack.messages(stack.outputs["QuarantineQueueUrl"])
    user, payload = bad("carl")
    assert (message["reason"], message["partitionKey"]) == ("not-json", user)
    assert base64.b64decode(message["payload"]).decode() == payload
    assert message["streamArn"] == stack.outputs["StreamArn"]
    assert (message["sequenceNumber"], message["shardId"]) == bad_record(stack, payload)


def test_the_state_table_holds_every_user_with_its_transactions(stack):
    states = stack.items("StateTableName")
    assert {user: int(state["count"]) for user, state in states.items()} == COUNTS
    usual_amounts = [json.loads(data)["amount"] for _, data in usual("carl")]
    assert float(states["carl"]["mean"]) == pytest.approx(sum(usual_amounts) / USUAL, abs=0.005)
    assert all(int(state["expiresAt"]) > time.time() for state in states.values())


def test_nothing_waits_in_an_outbox_or_a_dead_letter_queue(stack):
    assert [user for user, state in stack.items("StateTableName").items() if "outbox" in state] == []
    assert stack.messages(stack.outputs["AnomalyDeadLetterQueueUrl"]) == []


def test_the_ledger_holds_every_alert_as_completed(stack, subscribers):
    until("the alerts to be completed", ALERT_SECONDS, lambda: set(statuses(stack)) == {"completed"})
    ids = {alert["id"] for user in ("anna", "berta", "dora") for alert in subscribers.alerts_of(user)[0]}
    assert set(stack.alerts()) == ids


def test_the_metric_counts_every_alert_once(stack):
    assert until("AnomalyCount", ALERT_SECONDS, stack.anomaly_count) == len(stack.alerts())


def test_the_metric_of_the_stack_counts_the_same(stack):
    of_the_stack = [{"Name": "Source", "Value": "Detector"}, {"Name": "Stack", "Value": NAME}]
    assert stack.anomaly_count(of_the_stack) == stack.anomaly_count()


def test_anomalies_beyond_the_alarms_threshold_notify_operations_and_not_the_receivers_of_alerts(stack, subscribers):
    alarm = stack.resources()["AnomalyAlarm"]
    until(alarm, ALARM_SECONDS, lambda: alarm in subscribers.operations.alarms())
    assert subscribers.endpoint.alarms() == []


def applied(stack, user):
    """Transactions in the user's window; 0 if there is no state yet."""
    return int(stack.items("StateTableName").get(user, {}).get("count", 0))


def bad_record(stack, payload):
    """The sequence number and the shard of the payload's record."""
    shards = stack.records().items()
    return next((r["SequenceNumber"], shard) for shard, records in shards for r in records if r["Data"].decode() == payload)


def statuses(stack):
    return [item["status"] for item in stack.alerts().values()]

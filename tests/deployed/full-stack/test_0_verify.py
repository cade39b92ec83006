"""`sigma verify` against a stack of its own, as after a first deploy, which is gone before anything passes through the one that the others share.

It comes first: with the same emulator, the faults of later tests set off the `Errors` alarms of every stack, and verify looks at those."""

import pytest

from local import until
from stack import Stack

# Seconds.
DISABLED_SECONDS = 30


@pytest.fixture(scope="module")
def fresh(emulator):
    """A stack whose metrics are its own, so that no alarm fires because of other tests."""
    stack = Stack(emulator, "fresh", MetricNamespace="Fresh")
    stack.deploy()
    yield stack
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()


@pytest.fixture
def verify(fresh, sigma):
    return lambda exit_status=0: sigma("verify", "--stack", fresh.name, "--timeout", "2min", "--json", exit_status=exit_status)


def leftovers(stack):
    """What a verification creates, apart from the records in the stream."""
    topic = stack.outputs["TopicArn"]
    return {
        "queues": [url for url in stack.client("sqs").list_queues().get("QueueUrls", []) if "sigma-verify" in url],
        "subscriptions": stack.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"],
        "states": stack.items("StateTableName"),
        # One of the day's pages may stay taken.
        "ledger": [id for id in stack.items("LedgerTableName") if not id.startswith("budget#")],
    }


def failed(report):
    return [step["name"] for step in report["steps"] if not step["ok"]]


def test_a_fresh_stack_alerts_and_nothing_stays(fresh, verify):
    report = verify()
    assert failed(report) == []
    assert report["latency_ms"] > 0
    assert {kind: found for kind, found in leftovers(fresh).items() if found} == {}
    users = {record["PartitionKey"] for records in fresh.records().values() for record in records}
    assert users == {report["user"]}


def test_the_commits_are_measured_and_nothing_stays(fresh, sigma):
    report = sigma("verify", "--stack", fresh.name, "--commits", "--json")
    assert failed(report) == []
    assert [size["statements"] for size in report["commits"]["sizes"]] == [1, 5, 10, 25]
    assert report["commits"]["current"] == 25
    assert leftovers(fresh)["states"] == {}


def test_a_disabled_mapping_fails_it_and_nothing_is_sent(fresh, verify):
    functions, uuid = fresh.client("lambda"), fresh.outputs["DetectorMappingId"]
    before = fresh.records()
    functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    is_disabled = lambda: functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled"
    until("the mapping to be disabled", DISABLED_SECONDS, is_disabled)
    assert failed(verify(exit_status=1)) == ["the stream's mapping delivers"]
    assert fresh.records() == before

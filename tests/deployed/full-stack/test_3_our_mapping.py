"""The deployed detector behind a mapping that keeps Lambda's contract: the emulator's own ignores the failures that a function reports.

`sigma deliver` takes the settings of the deployed mapping, starts at the oldest record, and so delivers every record in the stream.
"""

import base64
import json
import time
from contextlib import contextmanager

import pytest

from local import until
from transactions import USUAL, bad, usual

# Seconds for one response of the deployed function, including a cold start.
RESPONSE_SECONDS = 60
# More than the calls of the function while a permission is revoked, so that nothing is discarded.
RETRIES_ENOUGH = 10_000


@pytest.fixture(scope="module")
def deliver(mapping, sigma):
    return lambda *arguments: sigma("deliver", "--mapping", mapping, "--json", *arguments)


@pytest.fixture(scope="module")
def discarded(tmp_path_factory):
    """The folder of the records that were discarded because the function did not start, each alone."""
    return tmp_path_factory.mktemp("discarded")


def records(stack):
    return [record for shard in stack.records().values() for record in shard]


def now_ms():
    return int(time.time() * 1000)


def versions(stack):
    return {user: state["version"] for user, state in stack.items("StateTableName").items()}


def is_bad(record):
    return record["Data"].decode() == bad("")[1]


def from_first_bad(shard):
    """The shard's records from the first bad one on."""
    return next(shard[index:] for index, record in enumerate(shard) if is_bad(record))


def blocked_shards(stack):
    return [from_first_bad(shard) for shard in stack.records().values() if any(map(is_bad, shard))]


@contextmanager
def quarantine_refused(stack):
    """Temporarily revokes the detector's permission to send to quarantine."""
    iam, role = stack.client("iam"), stack.resources()["DetectorRole"]
    policy = {"RoleName": role, "PolicyName": "Detector"}
    document = iam.get_role_policy(**policy)["PolicyDocument"]
    rest = [statement for statement in document["Statement"] if statement.get("Sid") != "QuarantineRejects"]
    assert len(rest) == len(document["Statement"]) - 1
    iam.put_role_policy(**policy, PolicyDocument=json.dumps(document | {"Statement": rest}))
    try:
        yield
    finally:
        iam.put_role_policy(**policy, PolicyDocument=json.dumps(document))


@contextmanager
def misconfigured(stack):
    """Temporarily gives the detector a rule that it refuses to start with."""
    variables = stack.environment_of("DetectorFunctionName")
    stack.configure("DetectorFunctionName", variables | {"SIGMAS": "many"})
    try:
        yield
    finally:
        stack.configure("DetectorFunctionName", variables)


def batches(folder):
    """The discarded batches: the metadata of each, and the records of its payload."""
    found = [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]
    return [(batch, [record["kinesis"] for record in json.loads(batch["payload"])["Records"]]) for batch in found]


def sequence_numbers(records):
    return [record.get("sequenceNumber", record.get("SequenceNumber")) for record in records]


def test_a_redelivered_stream_changes_nothing(stack, subscribers, deliver):
    before = (versions(stack), stack.alerts(), len(subscribers.documents()))
    assert len(before[1]) == before[2]
    delivered = deliver()
    assert delivered["records_done"] == len(records(stack))
    assert (delivered["partial_failures"], delivered["function_errors"], delivered["records_open"]) == (0, 0, 0)
    until("the anomaly queue to be empty", RESPONSE_SECONDS, stack.is_drained)
    assert (versions(stack), stack.alerts(), len(subscribers.documents())) == before


def test_a_lost_state_raises_the_same_alerts_again_and_the_ledger_suppresses_them(stack, subscribers, deliver):
    before, since_ms = (stack.alerts(), len(subscribers.documents())), now_ms()
    forget_states(stack)
    assert deliver()["records_open"] == 0
    suppressed = ("AlerterLogGroupName", since_ms, '"AlertsSuppressed":')
    until("suppressed alerts", RESPONSE_SECONDS, lambda: stack.log_lines(*suppressed) and stack.is_drained())
    assert (stack.alerts(), len(subscribers.documents())) == before


def forget_states(stack):
    dynamodb, table = stack.client("dynamodb"), stack.outputs["StateTableName"]
    for user in stack.items("StateTableName"):
        dynamodb.delete_item(TableName=table, Key={"userId": {"S": user}})
    # A warm instance remembers what it wrote; a new configuration gets a new one.
    stack.configure("DetectorFunctionName", stack.environment_of("DetectorFunctionName"))


def test_a_record_that_quarantine_refuses_is_reported_and_only_the_records_from_it_on_are_redelivered(stack, deliver, tmp_path):
    stack.messages(stack.outputs["QuarantineQueueUrl"])
    good = usual("emil")
    stack.put(*good[:8], bad("emil"), *good[8:])
    with quarantine_refused(stack):
        delivered = deliver("--retries", 1, "--on-failure", tmp_path)
    blocked = blocked_shards(stack)
    assert blocked
    assert set(delivered["lowest_reported"]) == {shard[0]["SequenceNumber"] for shard in blocked}
    discarded = sorted(sequence_numbers(payload) for _, payload in batches(tmp_path))
    assert discarded == sorted(map(sequence_numbers, blocked))
    assert stack.messages(stack.outputs["QuarantineQueueUrl"]) == []


def test_the_other_records_of_its_user_were_applied(stack):
    assert int(stack.items("StateTableName")["emil"]["count"]) == USUAL


def test_the_stream_drains_once_quarantine_accepts_the_record(stack, mapping, sigma_running):
    before, refused = versions(stack), ("DetectorLogGroupName", now_ms(), '"QuarantineFailed":')
    with quarantine_refused(stack):
        delivery = sigma_running("deliver", "--mapping", mapping, "--json", "--retries", RETRIES_ENOUGH)
        until("a reported failure", RESPONSE_SECONDS, lambda: delivery.is_running() and stack.log_lines(*refused))
    delivered = delivery.result()
    assert (delivered["discarded"], delivered["records_open"]) == (0, 0)
    assert delivered["records_done"] == len(records(stack))
    assert delivered["partial_failures"] >= 1
    quarantined = stack.messages(stack.outputs["QuarantineQueueUrl"])
    expected = [record["SequenceNumber"] for record in records(stack) if is_bad(record)]
    assert sorted(message["sequenceNumber"] for message in quarantined) == sorted(expected)
    assert versions(stack) == before


def test_a_function_that_does_not_start_is_bisected_down_to_single_records_and_they_are_discarded(stack, deliver, discarded):
    before, shards = versions(stack), [shard for shard in stack.records().values() if shard]
    with misconfigured(stack):
        delivered = deliver("--retries", 0, "--on-failure", discarded)
    # A binary tree over n records has 2n - 1 nodes, each of them one call.
    assert delivered["function_errors"] == sum(2 * len(shard) - 1 for shard in shards)
    assert (delivered["discarded"], delivered["records_open"]) == (len(records(stack)), 0)
    assert versions(stack) == before
    assert_whole_records(discarded, records(stack))


def assert_whole_records(folder, expected):
    """Asserts that each record was discarded alone and unchanged."""
    data = {}
    for batch, payload in batches(folder):
        assert (len(payload), batch["requestContext"]["condition"]) == (1, "RetryAttemptsExhausted")
        data[payload[0]["sequenceNumber"]] = base64.b64decode(payload[0]["data"])
    assert data == {record["SequenceNumber"]: record["Data"] for record in expected}


def test_the_stream_is_intact_once_the_function_starts_again(stack, deliver):
    before = versions(stack)
    delivered = deliver()
    assert (delivered["function_errors"], delivered["discarded"], delivered["records_open"]) == (0, 0, 0)
    assert versions(stack) == before


def test_discarded_records_can_be_sent_back_as_they_were(stack, sigma, deliver, discarded):
    ledger, known = stack.alerts(), set(sequence_numbers(records(stack)))
    files = [file for file in sorted(discarded.glob("*.json")) if user_of(file) == "emil"]
    sent = sigma("send", "--stream", stack.outputs["StreamName"], "--from-failure", *files, "--json")
    assert (sent["sent"], sent["failed"]) == (USUAL + 1, 0)
    added = [(r["PartitionKey"], r["Data"].decode()) for r in records(stack) if r["SequenceNumber"] not in known]
    original = [r["Data"].decode() for r in records(stack) if r["SequenceNumber"] in known and r["PartitionKey"] == "emil"]
    assert added == [("emil", data) for data in original]
    # Their transactions were applied long ago, and are recognised by their ids.
    assert deliver()["records_open"] == 0
    assert int(stack.items("StateTableName")["emil"]["count"]) == USUAL
    assert stack.alerts() == ledger


def user_of(file):
    return json.loads(json.loads(file.read_text())["payload"])["Records"][0]["kinesis"]["partitionKey"]

"""`cargo lambda watch` and `cargo lambda invoke` with every file of events/, against the tables, queues and topic of the stack."""

import json

import pytest

from local import ROOT, Daemon, free_port, is_listening, run, until

EVENTS = ROOT / "events"
# Seconds. The first call of a function compiles it.
COMPILE_SECONDS = 900
DELIVERY_SECONDS = 60
FUNCTIONS = {"kinesis": "detector", "sqs": "alerter"}


def names():
    return sorted(file.name.removesuffix(".expected.json") for file in EVENTS.glob("*.expected.json"))


def expected(name):
    return json.loads((EVENTS / f"{name}.expected.json").read_text())


@pytest.fixture(scope="module")
def watch(stack):
    """`cargo lambda watch` with the environments of both deployed functions, which share no variable except the namespace."""
    variables = stack.environment_of("DetectorFunctionName") | stack.environment_of("AlerterFunctionName")
    port = free_port()
    command = ["cargo", "lambda", "watch", "--ignore-changes", "--wait", "--invoke-address", "127.0.0.1", "--invoke-port", port]
    daemon = Daemon(command, stack.emulator.environment() | variables, "cargo-lambda-watch.log")
    until("cargo lambda watch to listen", 60, lambda: daemon.is_running() and is_listening(port))
    yield port
    daemon.stop()


@pytest.fixture(scope="module")
def responses(stack, subscribers, watch):
    """The response to each event; each is invoked once, after the event that it names as its predecessor."""
    subscribers.documents().clear()
    stack.messages(stack.outputs["QuarantineQueueUrl"])
    responses = {}
    for name in names():
        invoke(stack, watch, name, responses)
    return responses


def invoke(stack, port, name, responses):
    if name in responses:
        return
    if before := expected(name).get("after"):
        invoke(stack, port, before, responses)
    command = [
        "cargo", "lambda", "invoke", FUNCTIONS[name.split("-")[0]], "--invoke-address", "127.0.0.1", "--invoke-port", port,
        "--data-file", EVENTS / f"{name}.json",
    ]
    responses[name] = json.loads(run(command, stack.emulator.environment(), "cargo-lambda-invoke.log", COMPILE_SECONDS))


@pytest.mark.parametrize("name", names())
def test_an_event_gets_its_expected_response(responses, name):
    assert responses[name] == expected(name)["response"]


def test_their_alerts_reach_the_subscribers(responses, subscribers):
    starts = [start for name in responses for start in expected(name).get("alerts", [])]
    until("the alerts", DELIVERY_SECONDS, lambda: len(subscribers.documents()) >= len(starts))
    texts = [document["text"] for document in subscribers.documents()]
    assert sorted(start for start in starts if any(text.startswith(start) for text in texts)) == sorted(starts)
    assert len(texts) == len(starts)


def test_their_bad_records_are_in_quarantine(responses, stack):
    reasons = [reason for name in responses for reason in expected(name).get("quarantined", [])]
    found = [message["reason"] for message in stack.messages(stack.outputs["QuarantineQueueUrl"])]
    assert sorted(found) == sorted(reasons)


def test_the_metric_still_counts_every_alert_once(responses, stack):
    """The ledger has every alert of the whole run, however often it was delivered."""
    until("AnomalyCount", DELIVERY_SECONDS, lambda: stack.anomaly_count() == len(stack.alerts()))

"""The deployed stack under load: transactions at a steady rate, and three outages meanwhile. `make load`.

It is no part of the tests: it takes a quarter of an hour, and what an emulator can take depends on the machine.
"""

import json
import os
import time
from functools import partial
from operator import itemgetter

import pytest

from faults import CLAIM
from local import LOGS, until
from reference import Reference
from stack import Stack
from usage import Usage

# Transactions a second, for how many seconds, and of how many users.
RATE, DURATION, USERS = (int(os.environ[name]) for name in ("RATE", "DURATION", "USERS"))
# A shard takes 1,000 records a second, and users are not spread evenly. The rest is for the emulator: it writes a user in most of a
# millisecond, so a batch has what comes in five seconds, and has thirty milliseconds of work with an alert, so few of them alert.
PARAMETERS = {"ShardCount": "4", "DetectorBatchingWindowSeconds": "5", "DetectorBatchSize": "2500", "Sigmas": "4"}
# The outages of a shorter load would overlap; a longer one's anomalies are no longer all in the hour that is counted.
DURATIONS = range(120, 3000)
# What fails, how, and after which share of the time.
OUTAGES = [("dynamodb", "failed", 0.2), ("sqs", "reset", 0.45), ("sns", "throttled", 0.7)]
# A call that fails has had no effect. Of the ledger's writes only claims fail: an alert that the ledger cannot be told of is published
# again, which is promised too.
BODIES = {"dynamodb": f"!UpdateExpression || {CLAIM}"}
OUTAGE_SECONDS = 20
# Users that `sigma verify --commits` writes at a time.
MEASURED_USERS = 100
# Seconds between two looks at the processes, and between two lines of progress.
LOOK_SECONDS, PROGRESS_SECONDS = 1, 60
# Polls without a record, five a second, after which the delivery ends.
IDLE_POLLS, POLL_SECONDS = 25, 0.2
# Seconds for whatever is not applied and alerted when the last transaction has been sent, and for the fold of all of them.
DRAINED_SECONDS, FOLDED_SECONDS = 600, 900


@pytest.fixture(scope="session")
def stack(emulator):
    stack = Stack(emulator, **PARAMETERS)
    stack.deploy()
    return stack


@pytest.fixture(scope="session")
def transactions(tmp_path_factory, sigma):
    """A file with all of them. Their event times begin so long ago that none is ahead of its arrival, whatever the hour's rhythm."""
    file, start_ms = tmp_path_factory.mktemp("load") / "transactions.jsonl", int((time.time() - 3 * DURATION) * 1000)
    count = ("--users", USERS, "--rate", f"{RATE}/s", "--records", RATE * DURATION, "--start", start_ms)
    sigma("generate", "retail", *count, "--out", file, "--json")
    return file


@pytest.fixture(scope="session")
def limits(stack, sigma):
    """What the emulator takes if nothing else is asked of it: users written a second, by how many are in a request."""
    sizes = sigma("verify", "--stack", stack.name, "--commits", "--json")["commits"]["sizes"]
    return {size["statements"]: round(MEASURED_USERS * 1000 / size["all_median_ms"]) for size in sizes}


class Load:
    """Transactions, the outages among them, and what became of both."""

    def __init__(self, stack, subscribers, faults, start, delivery, sending, say):
        assert DURATION in DURATIONS, f"DURATION has to be in {DURATIONS}"
        self.faults, self.say, self.injected = faults, say, {}
        self.counted_before = stack.anomaly_count()
        self.usage = Usage(stack, faults)
        delivery, sending = start(*delivery), start(*sending)
        self.usage.follow(sending=sending.process.pid, delivery=delivery.process.pid)
        began = time.monotonic()
        self.watch(sending)
        self.sent, sent_at = sending.result(), time.monotonic()
        self.sending_seconds = sent_at - began
        self.look_until("all transactions to be applied", lambda: delivery.process.poll() is not None)
        self.applied_seconds = time.monotonic() - sent_at - IDLE_POLLS * POLL_SECONDS
        self.delivered = delivery.result()
        self.look_until("the anomaly queue to be empty", stack.is_drained)
        self.alerted_seconds = time.monotonic() - sent_at
        self.reference = Reference(stack, seconds=FOLDED_SECONDS)

    def watch(self, sending):
        """Looks at the processes and has the outages begin and end, until everything is sent."""
        started, timeline = time.monotonic(), self.timeline()
        while sending.process.poll() is None:
            time.sleep(LOOK_SECONDS)
            self.usage.look()
            while timeline and time.monotonic() - started >= timeline[0][0]:
                timeline.pop(0)[1]()
        assert not timeline, "everything was sent before the last outage had ended"

    def look_until(self, what, is_so):
        def look():
            self.usage.look()
            return is_so()

        until(what, DRAINED_SECONDS, look)

    def timeline(self):
        """What happens after how many seconds, in order."""
        events = [(second, self.tell) for second in range(PROGRESS_SECONDS, DURATION, PROGRESS_SECONDS)]
        for service, kind, share in OUTAGES:
            begin = share * DURATION
            begin_outage = partial(self.faults.begin_outage, service, kind, BODIES.get(service))
            events += [(begin, begin_outage), (begin + OUTAGE_SECONDS, self.end_outage)]
        return sorted(events, key=itemgetter(0))

    def end_outage(self):
        self.injected |= self.faults.injected()
        self.faults.clear()

    def tell(self):
        self.say(self.usage.line())

    def report(self, limits):
        return {
            "transactions": self.sent["sent"], "put_again": self.reference.records - len(self.reference.payloads),
            "anomalies": len(self.reference.ids()),
            "delivered": self.delivered | {"lowest_reported": None},
            "calls_failed_in_outages": {" ".join(key): count for key, count in self.injected.items()},
            "transactions_a_second": round(self.sent["sent"] / self.sending_seconds),
            "seconds_from_last_sent_to_applied": round(self.applied_seconds),
            "seconds_from_last_sent_to_alerted": round(self.alerted_seconds),
            "usage": self.usage.report(), "users_a_second_of_the_emulator_by_users_in_a_request": limits,
        }


@pytest.fixture(scope="module")
def load(stack, transactions, limits, subscribers, faults, sigma_running, mapping, pytestconfig):
    delivery = ("deliver", "--mapping", mapping, "--json", "--idle-polls", IDLE_POLLS)
    sending = ("send", "--stream", stack.outputs["StreamName"], "--from", transactions, "--rate", f"{RATE}/s", "--json")
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line):
        with capture.global_and_fixture_disabled():
            print(line, flush=True)

    load = Load(stack, subscribers, faults, sigma_running, delivery, sending, say)
    report = json.dumps(load.report(limits), indent=2)
    (LOGS / "load.json").write_text(report)
    say(report)
    return load


def test_the_stream_took_the_rate(load):
    assert load.sent["failed"] == 0
    assert load.sent["sent"] / load.sending_seconds > 0.98 * RATE


def test_every_outage_was_felt(load):
    assert {(service, kind) for service, _, kind in load.injected} == {(service, kind) for service, kind, _ in OUTAGES}
    assert all(load.injected.values())


def test_the_stream_holds_what_was_sent(load, transactions):
    """Each at least once: a put whose response is late is put again by the SDK."""
    lines = set(transactions.read_bytes().splitlines())
    assert len(lines) == load.sent["sent"]
    assert (lines - load.reference.payloads, load.reference.payloads - lines) == (set(), set())


def test_every_record_was_applied_and_none_discarded(load):
    assert (load.delivered["records_done"], load.delivered["records_open"]) == (load.reference.records, 0)
    assert (load.delivered["function_errors"], load.delivered["discarded"]) == (0, 0)


def test_every_state_equals_a_plain_fold_byte_for_byte(load, stack):
    items = stack.items("StateTableName")
    assert {user: item["state"] for user, item in items.items()} == load.reference.states
    assert [user for user, item in items.items() if "outbox" in item] == []


def test_every_anomaly_was_published_once_and_nothing_else(load, subscribers):
    expected = sorted(load.reference.ids())
    until("all alerts at both subscribers", DRAINED_SECONDS, lambda: min(map(len, subscribers.ids())) >= len(expected))
    at_queue, at_endpoint = subscribers.ids()
    assert sorted(at_queue) == sorted(at_endpoint) == expected


def test_the_ledger_holds_every_anomaly_as_completed_and_nothing_else(load, stack):
    assert {id: alert["status"] for id, alert in stack.alerts().items()} == dict.fromkeys(load.reference.ids(), "completed")


def test_the_metric_counts_every_anomaly_once(load, stack):
    assert stack.anomaly_count() - load.counted_before == len(load.reference.ids())


def test_nothing_is_in_quarantine_or_a_dead_letter_queue(load, stack):
    for queue in ("QuarantineQueueUrl", "AnomalyDeadLetterQueueUrl"):
        assert stack.messages(stack.outputs[queue]) == []

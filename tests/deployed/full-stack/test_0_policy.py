"""A stack of its own with two pages a day: page, digest and summary, silent, shadow, budget, and a policy that cannot be read. It is gone
before anything passes through the one that the others share."""

import datetime
import json
import time

import pytest

from local import until
from stack import Stack
from subscribers import Endpoint, documents
from transactions import UNUSUAL_AMOUNT, transaction, with_anomaly

# Seconds from a transaction to its alert.
ALERT_SECONDS = 120
UNTIL = "2100-01-01"


@pytest.fixture(scope="module")
def deployed(emulator):
    stack = Stack(emulator, "policy", MetricNamespace="Policy", PagesPerDayMax="2", AlertEmail="person@example.com")
    stack.deploy()
    yield stack
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()


class Audience:
    """A subscriber of everything, and one with the filter of the template's own subscription of people."""

    def __init__(self, stack):
        self.stack, self.machine, self.person = stack, Endpoint(stack), Endpoint(stack)
        sns, topic = stack.client("sns"), stack.outputs["TopicArn"]
        [mail] = [s for s in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] if s["Protocol"] == "email"]
        attributes = sns.get_subscription_attributes(SubscriptionArn=mail["SubscriptionArn"])["Attributes"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=self.machine.url)
        filtered = {"FilterPolicy": attributes["FilterPolicy"]}
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=self.person.url, Attributes=filtered)

    def stop(self):
        self.machine.stop()
        self.person.stop()

    def alert(self, user):
        """Has a user raise an anomaly. Returns the ledger's item of it."""
        known = set(self.stack.alerts())
        self.stack.put(*with_anomaly(user))
        return self.completed(known)

    def repeat(self, user, number):
        known = set(self.stack.alerts())
        self.stack.put(transaction(user, number, UNUSUAL_AMOUNT * 9, int(time.time() * 1000)))
        return self.completed(known)

    def completed(self, known):
        new = lambda: [item for id, item in self.stack.alerts().items() if id not in known and item["status"] == "completed"]
        until("the alert", ALERT_SECONDS, new)
        [item] = new()
        return item

    def reached(self, item):
        """Who got an alert: the person, the machine."""
        return tuple(
            [document for document in documents(endpoint.alerts()) if document.get("id") == item["id"]]
            for endpoint in (self.person, self.machine)
        )


@pytest.fixture(scope="module")
def audience(deployed):
    audience = Audience(deployed)
    yield audience
    audience.stop()


def decision(item):
    return json.loads(item["decision"])


def set_policy(stack, text):
    item = {"id": {"S": "policy"}, "version": {"N": "1"}, "policy": {"S": text}}
    stack.client("dynamodb").put_item(TableName=stack.outputs["LedgerTableName"], Item=item)


def forget_policy(stack):
    stack.client("dynamodb").delete_item(TableName=stack.outputs["LedgerTableName"], Key={"id": {"S": "policy"}})


def summarise(stack):
    """What the schedule does. Returns the function's error, if there is one."""
    [schedule] = [
        stack.client("scheduler").get_schedule(Name=schedule["Name"], GroupName=schedule["GroupName"])
        for schedule in stack.client("scheduler").list_schedules()["Schedules"]
        if schedule["Target"]["Arn"].endswith(stack.outputs["AlerterFunctionName"])
    ]
    assert schedule["ScheduleExpression"] == "rate(24 hours)"
    target = schedule["Target"]
    response = stack.client("lambda").invoke(FunctionName=target["Arn"], Payload=target["Input"].encode())
    return response.get("FunctionError")


def test_a_critical_anomaly_is_told_at_once_and_says_why(audience):
    item = audience.alert("paged")
    assert (item["disposition"], decision(item)["reason"]) == ("page", "priority")
    until("both", 30, lambda: all(audience.reached(item)))
    [[person], [machine]] = audience.reached(item)
    assert person == machine
    assert person["because"].startswith("912.00 is ") and "what paged usually spends" in person["because"]
    assert (person["priority"], person["episode"], person["repeats"]) == ("critical", item["id"], 0)


def test_a_repeat_waits_for_the_summary_and_machines_hear_it_at_once(audience):
    item = audience.repeat("paged", 100)
    assert (item["disposition"], decision(item)["reason"]) == ("digest", "repeat")
    until("the machine", 30, lambda: audience.reached(item)[1])
    [_, [machine]] = audience.reached(item)
    assert (machine["disposition"], machine["repeats"]) == ("digest", 1)
    assert "second unusual payment in 7 days" in machine["because"]
    assert audience.reached(item)[0] == []


def test_a_rule_silences_and_only_the_ledger_knows(deployed, audience):
    rule = {"id": "test", "match": {"userId": ["silenced"]}, "then": "silent", "until": UNTIL, "why": "a test"}
    set_policy(deployed, json.dumps({"version": 1, "rules": [rule]}))
    item = audience.alert("silenced")
    assert (item["disposition"], decision(item)["reason"], decision(item)["policyVersion"]) == ("silent", {"rule": "test"}, 1)
    assert audience.reached(item) == ([], [])


def test_in_shadow_mode_nobody_is_told_and_what_would_have_been_is_kept(deployed, audience):
    set_policy(deployed, json.dumps({"version": 2, "mode": "shadow"}))
    item = audience.alert("shadowed")
    assert (item["disposition"], decision(item)["would"]) == ("shadow", "page")
    assert audience.reached(item) == ([], [])
    forget_policy(deployed)


def test_the_days_last_page_says_so_and_after_it_the_budget_refuses(audience):
    last, refused = audience.alert("last"), audience.alert("refused")
    assert (last["disposition"], refused["disposition"], decision(refused)["reason"]) == ("page", "digest", "budget")
    until("the machine", 30, lambda: audience.reached(refused)[1])
    assert audience.reached(refused)[0] == []


def test_a_policy_that_cannot_be_read_silences_nothing(deployed, audience):
    since_ms = int(time.time() * 1000)
    set_policy(deployed, '{"mode": "shadow", "rules": [')
    item = audience.alert("unreadable")
    assert (item["disposition"], decision(item)["policyVersion"]) == ("digest", 0)
    until("the machine", 30, lambda: audience.reached(item)[1])
    until("the metric", 30, lambda: deployed.log_lines("AlerterLogGroupName", since_ms, '"PolicyUnusable":1'))


def test_a_policy_of_the_command_line_holds_for_the_next_batch(deployed, audience, sigma, tmp_path):
    until_day = datetime.date.today() + datetime.timedelta(days=30)
    rule = {"id": "known", "match": {"userId": ["known"]}, "then": "silent", "until": str(until_day), "why": "a test"}
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"rules": [rule]}))
    written = sigma("policy", "set", file, "--stack", deployed.name, "--yes", "--json")
    shown = sigma("policy", "show", "--stack", deployed.name, "--json")
    item = audience.alert("known")
    assert (item["disposition"], decision(item)["reason"]) == ("silent", {"rule": "known"})
    assert decision(item)["policyVersion"] == written["version"]
    assert "known" in json.dumps(shown)
    sigma("policy", "allow", "friend", "--for", "30d", "--why", "a test", "--stack", deployed.name, "--json")
    item = audience.alert("friend")
    assert (item["disposition"], decision(item)["reason"]) == ("silent", {"user": "a test"})


def test_one_summary_tells_what_waited_and_then_nothing_waits(deployed, audience):
    waiting = lambda: [item for item in deployed.alerts().values() if "digestKey" in item]
    assert len(waiting()) == 3
    assert summarise(deployed) is None
    summaries = lambda endpoint: [d["summary"] for d in documents(endpoint.alerts()) if "summary" in d]
    until("the summary", 30, lambda: summaries(audience.person) and summaries(audience.machine))
    [summary] = summaries(audience.person)
    assert (summary["alerts"], summary["byPriority"]) == (3, {"critical": 3})
    assert {document["userId"] for document in summary["top"]} == {"paged", "refused", "unreadable"}
    assert waiting() == []
    assert summarise(deployed) is None, "the schedule may fire twice"
    assert len(summaries(audience.machine)) == 1


def test_every_anomaly_is_counted_once_and_shadow_apart(deployed):
    counted = lambda name: sum(
        point["Sum"] for point in deployed.client("cloudwatch").get_metric_statistics(
            Namespace="Policy", MetricName=name, Dimensions=[{"Name": "Source", "Value": "Detector"}], Period=60,
            StartTime=time.time() - 3600, EndTime=time.time() + 3600, Statistics=["Sum"],
        )["Datapoints"]
    )
    assert until("AnomalyCount", 30, lambda: counted("AnomalyCount") == 8)
    assert counted("AnomalyCountShadow") == 1


def of_user(stack, user):
    """The ledger's only alert of a user."""
    [item] = [item for item in stack.alerts().values() if json.loads(item["alert"])["userId"] == user]
    return item


@pytest.fixture
def archive(deployed, tmp_path):
    """What Firehose would have written: every record of the stream, a line each."""
    records = [record["Data"].decode() for shard in deployed.records().values() for record in shard]
    file = tmp_path / "archive.jsonl"
    file.write_text("".join(f"{record}\n" for record in records))
    return file


def test_an_alert_is_explained_and_its_verdict_recomputed_to_the_bit(deployed, archive, sigma):
    item = of_user(deployed, "last")
    at = ("--stack", deployed.name, "--json")
    explained = sigma("explain", item["id"], "--archive", archive, *at)
    assert explained["archive"]["isSameConfiguration"] is True
    assert (explained["archive"]["record"]["isSame"], explained["archive"]["recordsOfUser"]) == (True, 17)
    assert explained["message"]["configurationId"] == explained["archive"]["configurationId"]
    assert explained["decidedAtMs"] <= explained["publishedAtMs"] == int(item["publishedAt"])
    differs = sigma("explain", item["id"], "--archive", archive, "--sigmas", "3", *at, exit_status=1)
    assert differs["archive"]["isSameConfiguration"] is False
    assert "threshold" in {difference["field"] for difference in differs["archive"]["record"]["differences"]}
    assert "publishedAt" not in of_user(deployed, "silenced")


def test_labels_stay_in_the_ledger_and_a_replay_takes_them(deployed, archive, sigma, tmp_path):
    at = ("--stack", deployed.name, "--json")
    wrong, right = of_user(deployed, "last"), of_user(deployed, "refused")
    assert sigma("feedback", wrong["id"], "fraud", "--why", "a guess", *at)["isWritten"] is True
    replaced = sigma("feedback", wrong["id"], "legitimate", "--why", "a new car", "--allow", "30d", *at)
    assert (replaced["replaced"]["label"], replaced["listed"]["userId"]) == ("fraud", "last")
    sigma("feedback", right["id"], "fraud", "--why", "a dispute", *at)
    labelled = of_user(deployed, "last")
    assert (labelled["label"], labelled["labelWhy"], labelled["expiresAt"]) == ("legitimate", "a new car", wrong["expiresAt"])
    labels = tmp_path / "labels.jsonl"
    exported = sigma("export-labels", "--since", "1d", "--out", labels, *at)
    assert (exported["fraud"], exported["legitimate"]) == (1, 1)
    summary = sigma("replay", "--input", archive, "--labels", labels, "--rule", "adaptive", "--json")
    assert summary["input"]["labels"] == {"rows": 2, "matched": 2}
    assert summary["rules"][0]["labelled_alerts"] == [2, 1]
    assert 0 < summary["rules"][0]["detection"]["quality"]["precision"] < 1

"""The response to alerts: its part of template.yaml as a stack of its own, which CloudFormation deploys without a build, and people who
answer it with `sigma decide`. It is gone before the tests that come after."""

import copy
import json
import subprocess
import uuid

import pytest

import model
from conftest import SIGMA
from local import until
from stack import Stack

NAME = "response"
# What the response refers to of the rest of the template.
REFERRED_TO = {"EncryptionKey", "LedgerTable", "OperationsTopic"}
OUTPUTS = ("LedgerTableName", "ResponseStateMachineArn")
# Seconds from a start to the question, or from an answer to the end.
SOON = 60


def part():
    """The template without what the response can do without, and without what needs a transform."""
    document = copy.deepcopy(model.template())
    del document["Transform"], document["Metadata"], document["Globals"]
    resources = document["Resources"].items()
    kept = {name: resource for name, resource in resources if name.startswith("Response") or name in REFERRED_TO}
    for resource in kept.values():
        for attribute in ("DeletionPolicy", "UpdateReplacePolicy", "Metadata"):
            resource.pop(attribute, None)
    return document | {"Resources": kept, "Outputs": {name: document["Outputs"][name] for name in OUTPUTS}}


@pytest.fixture(scope="module")
def deployed(emulator):
    stack = Stack(emulator, NAME)
    given = {"Channels": "respond", "ResponseSamples": "true"}
    parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()]
    cloudformation = stack.client("cloudformation")
    cloudformation.create_stack(
        StackName=NAME, TemplateBody=json.dumps(part()), Parameters=parameters, Capabilities=["CAPABILITY_IAM"],
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    stack.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.description()["Outputs"]}
    yield stack
    cloudformation.delete_stack(StackName=NAME)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


class Response:
    """What the notifier does, and what can be seen of what follows."""

    def __init__(self, stack, machine):
        self.stack, self.machine, self.states = stack, machine, stack.client("stepfunctions")

    def alert(self, priority):
        """An alert that the alerter has published. Returns its document."""
        id = uuid.uuid4().hex
        item = {"id": {"S": id}, "status": {"S": "completed"}}
        self.stack.client("dynamodb").put_item(TableName=self.stack.outputs["LedgerTableName"], Item=item)
        return {"version": 1, "id": id, "userId": "anna", "amount": 912.0, "severity": "high", "priority": priority}

    def start(self, document):
        """As the channel does with every delivery. Returns whether an execution was started."""
        try:
            self.states.start_execution(stateMachineArn=self.machine, name=document["id"], input=json.dumps(document))
        except self.states.exceptions.ExecutionAlreadyExists:
            return False
        return True

    def item(self, document):
        return self.stack.items("LedgerTableName")[document["id"]]

    def asked(self, document):
        """Waits for the question, and returns the token that the answer needs."""
        return until("the question", SOON, lambda: self.item(document).get("responseToken"))

    def ended(self, document, status="SUCCEEDED"):
        """Waits for the end, and returns what the ledger says of it."""
        assert until("the end", SOON, lambda: self.end(document)) == status
        item = self.stack.items("LedgerTableName").get(document["id"], {})
        return json.loads(item["response"]) if "response" in item else None

    def end(self, document):
        """How the execution ended; nothing as long as it runs."""
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{document['id']}"
        status = self.states.describe_execution(executionArn=arn)["status"]
        return None if status == "RUNNING" else status

    def invocations(self, document):
        """What the sample function logged of an alert."""
        group = f"/aws/lambda/{NAME}-response-sample"
        events = self.stack.client("logs").filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in events if document["id"] in event["message"]]

    def edited(self, name, edit):
        """A machine of the same definition, with some of it changed. It shares the ledger, the role and the function."""
        described = self.states.describe_state_machine(stateMachineArn=self.machine)
        definition = json.loads(described["definition"])
        edit(definition["States"])
        created = self.states.create_state_machine(name=name, definition=json.dumps(definition), roleArn=described["roleArn"])
        return Response(self.stack, created["stateMachineArn"])


@pytest.fixture(scope="module")
def response(deployed):
    return Response(deployed, deployed.outputs["ResponseStateMachineArn"])


@pytest.fixture(scope="module")
def impatient(response):
    """Waits for a second, and then freezes."""
    def edit(states):
        states["Ask a person"]["TimeoutSeconds"] = 1
        states["Ask a person"]["Catch"][0]["Assign"]["response"]["action"] = "freeze"

    machine = response.edited("impatient", edit)
    yield machine
    machine.states.delete_state_machine(stateMachineArn=machine.machine)


@pytest.fixture(scope="module")
def broken(response):
    """Has a function that does not exist, and tries it only twice."""
    def edit(states):
        for state in ("Act", "Act again"):
            states[state]["Arguments"]["FunctionName"] = "no-such-function"
            states[state]["Retry"][0] |= {"MaxAttempts": 1, "IntervalSeconds": 1}

    machine = response.edited("broken", edit)
    yield machine
    machine.states.delete_state_machine(stateMachineArn=machine.machine)


def decide(stack, document, decision, *flags):
    """`sigma decide`. Returns its exit status and all that it prints."""
    command = [SIGMA, "decide", document["id"], decision, "--table", stack.outputs["LedgerTableName"], *flags]
    done = subprocess.run([str(part) for part in command], env=stack.emulator.environment(), capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_person_freezes_and_a_redelivered_alert_starts_nothing(deployed, response):
    document = response.alert("critical")
    assert response.start(document)
    token = response.asked(document)
    assert not response.start(document)
    assert decide(deployed, document, "freeze", "--dry-run")[0] == 0
    status, printed = decide(deployed, document, "freeze", "--why", "ticket 42")
    assert status == 0 and token not in printed, printed
    ended = response.ended(document)
    assert "responseToken" not in response.item(document)
    assert (ended["action"], ended["why"]) == ("freeze", "ticket 42")
    assert ended["by"].startswith("arn:aws:") and ended["decidedAt"][:19] <= ended["at"][:19]
    assert not response.start(document)
    [invocation] = until("the invocation's log", SOON, lambda: response.invocations(document))
    assert '"wouldDo": "freeze"' in invocation.replace('\\"', '"')


@pytest.mark.parametrize("decision", ["release", "nothing"])
def test_a_person_does_not_freeze(deployed, response, decision):
    document = response.alert("critical")
    response.start(document)
    response.asked(document)
    assert decide(deployed, document, decision)[0] == 0
    ended = response.ended(document)
    assert ended["action"] == decision and "why" not in ended
    assert response.invocations(document) == []
    status, printed = decide(deployed, document, "freeze")
    assert status == 1 and f"has its response already: {decision}, by arn:" in printed


def test_nobody_answers_in_time(deployed, impatient):
    document = impatient.alert("critical")
    impatient.start(document)
    ended = impatient.ended(document)
    assert (ended["action"], ended["by"]) == ("freeze", "no answer")
    assert len(until("the invocation's log", SOON, lambda: impatient.invocations(document))) == 1
    assert "already: freeze, by no answer" in decide(deployed, document, "release")[1]


def test_an_answer_that_comes_too_late_is_refused(deployed, response):
    document = response.alert("critical")
    response.start(document)
    token = response.asked(document)
    states = deployed.client("stepfunctions")
    states.send_task_success(taskToken=token, output=json.dumps({"decision": "nothing", "by": "somebody", "at": "now"}))
    response.ended(document)
    # As for somebody who read the item a moment before.
    item = {"id": {"S": document["id"]}, "status": {"S": "completed"}, "responseToken": {"S": token}}
    deployed.client("dynamodb").put_item(TableName=deployed.outputs["LedgerTableName"], Item=item)
    status, printed = decide(deployed, document, "freeze")
    assert status == 1 and "the question is closed" in printed and token not in printed, printed


def test_an_answer_that_is_none_fails(response):
    document = response.alert("critical")
    response.start(document)
    token = response.asked(document)
    response.states.send_task_success(taskToken=token, output=json.dumps({"decision": "block"}))
    assert response.ended(document, "FAILED") is None


def test_a_high_alert_is_stepped_up_and_nobody_is_asked(deployed, response):
    document = response.alert("high")
    response.start(document)
    ended = response.ended(document)
    assert (ended["action"], ended["by"]) == ("step-up", "priority high")
    [invocation] = until("the invocation's log", SOON, lambda: response.invocations(document))
    assert '"wouldDo": "step-up"' in invocation.replace('\\"', '"')
    status, printed = decide(deployed, document, "freeze")
    assert status == 1 and "already: step-up" in printed


def test_the_severity_counts_where_there_is_no_priority(response):
    document = response.alert("high")
    del document["priority"]
    response.start(document)
    assert response.ended(document)["action"] == "step-up"


def test_nothing_happens_on_a_warning(deployed, response):
    document = response.alert("warning")
    response.start(document)
    assert response.ended(document) is None
    assert response.invocations(document) == []
    status, printed = decide(deployed, document, "freeze")
    assert status == 1 and "nobody was asked" in printed


def test_the_user_of_sigma_verify_is_left_alone(response):
    document = response.alert("critical") | {"userId": "sigma-verify-0123456789abcdef"}
    response.start(document)
    assert response.ended(document) is None


def test_a_function_that_fails_is_recorded(broken):
    document = broken.alert("high")
    broken.start(document)
    ended = broken.ended(document, "FAILED")
    assert ended["action"] == "step-up" and ended["failed"]


def test_an_alert_that_the_ledger_does_not_know_is_not_written_to_it(response):
    document = response.alert("critical")
    table = response.stack.outputs["LedgerTableName"]
    response.stack.client("dynamodb").delete_item(TableName=table, Key={"id": {"S": document["id"]}})
    response.start(document)
    response.ended(document, "FAILED")
    assert document["id"] not in response.stack.items("LedgerTableName")

"""The response to alerts: nothing of it exists unless it is asked for, and its state machine ends in time, whatever fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import model

# The folder of asl-validator, or nothing if there is no npm.
ASL_VALIDATOR = os.environ.get("ASL_VALIDATOR", "")
NAMES = {
    "AWS::Partition": "aws", "LedgerTable": "ledger",
    "ResponseSampleFunction.Arn": "arn:aws:lambda:us-east-1:111122223333:function:sample",
}
SAMPLES = {"Channels": "respond", "ResponseSamples": "true"}
STACKS = [model.RESPONDS, SAMPLES, model.RESPONDS | {"StepUpFunctionArn": "", "OnNoAnswer": "freeze"}]
STATE_TIMEOUT_SECONDS_MAX = 60
DOCUMENT = (model.ROOT / "docs/response.md").read_text()


def definition_text(**parameters):
    machine = model.deployed(**parameters)["ResponseStateMachine"]["Properties"]
    return model.substituted(machine["DefinitionString"], model.values(parameters), NAMES)


def definition(**parameters):
    return json.loads(definition_text(**parameters))


def tasks(**parameters):
    return {name: state for name, state in definition(**parameters)["States"].items() if state["Type"] == "Task"}


def added(**parameters):
    """What exists of the response; its channel is tested with the others."""
    return {name for name in set(model.deployed(**parameters)) - set(model.deployed()) if name.startswith("Response")}


def statement(role, sid, **parameters):
    [policy] = model.deployed(**parameters)[role]["Properties"]["Policies"]
    return next((s for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == sid), None)


# ---- What exists


@pytest.mark.parametrize("channels", ["", "slack", "slack,webhook,teams,pagerduty"])
def test_without_its_channel_nothing_of_it_exists(channels):
    assert added(Channels=channels) == set()
    assert "Response" not in str([name for name in model.deployed(Channels=channels) if name != "Dashboard"])


@pytest.mark.parametrize("channels", ["respond", "slack,respond", "respond,webhook"])
def test_with_its_channel_it_exists_whatever_the_others_are(channels):
    expected = {"ResponseFailedAlarm", "ResponseLogGroup", "ResponseOverdueAlarm", "ResponseRole", "ResponseStateMachine"}
    assert added(**model.RESPONDS | {"Channels": channels}) == expected


def test_a_sample_exists_only_where_it_takes_the_place_of_a_function():
    sample = {"ResponseSampleFunction", "ResponseSampleLogGroup", "ResponseSampleRole"}
    assert sample <= added(**SAMPLES)
    assert sample <= added(**model.RESPONDS | {"StepUpFunctionArn": "", "ResponseSamples": "true"})
    assert not sample & added(**model.RESPONDS | {"ResponseSamples": "true"})


@pytest.mark.parametrize(("parameters", "step_up", "freeze"), [
    (model.RESPONDS, model.STEP_UP, model.FREEZE),
    (model.RESPONDS | {"StepUpFunctionArn": ""}, "", model.FREEZE),
    (SAMPLES, NAMES["ResponseSampleFunction.Arn"], NAMES["ResponseSampleFunction.Arn"]),
    (SAMPLES | {"FreezeFunctionArn": model.FREEZE}, NAMES["ResponseSampleFunction.Arn"], model.FREEZE),
])
def test_the_functions_that_are_given_are_those_that_are_invoked_and_may_be(parameters, step_up, freeze):
    choice = tasks(**parameters)["Act"]["Arguments"]["FunctionName"]
    assert choice == f"{{% $response.action = 'freeze' ? '{freeze}' : '{step_up}' %}}"
    for sid, arn in (("StepUp", step_up), ("Freeze", freeze)):
        allowed = statement("ResponseRole", sid, **parameters)
        assert (allowed is None) == (arn == "")
        if allowed:
            assert allowed["Action"] == "lambda:InvokeFunction"
            assert allowed["Resource"] in (arn, {"Fn::GetAtt": ["ResponseSampleFunction", "Arn"]})


def test_the_sample_says_what_it_would_do_and_nothing_of_the_alert(capsys):
    code = model.deployed(**SAMPLES)["ResponseSampleFunction"]["Properties"]["Code"]["ZipFile"]
    scope = {}
    exec(code, scope)
    event = {"id": "0" * 32, "action": "freeze", "document": {"userId": "anna", "amount": 912.0}}
    assert scope["handler"](event, None) == {"did": "nothing"}
    assert json.loads(capsys.readouterr().out) == {"wouldDo": "freeze", "id": "0" * 32}


# ---- The state machine


@pytest.mark.parametrize("parameters", STACKS)
def test_the_definition_is_valid(parameters, tmp_path):
    if not ASL_VALIDATOR:
        pytest.skip("npm is missing: asl-validator did not check the definition")
    path = tmp_path / "definition.json"
    path.write_text(definition_text(**parameters))
    code, output = validate(path)
    assert code == 0, output


@pytest.mark.parametrize(("right", "wrong"), [('"Next": "Act"', '"Next": "Acts"'), ("{% $response.action %}", "{% $response.( %}")])
def test_what_is_wrong_with_a_definition_is_found(right, wrong, tmp_path):
    if not ASL_VALIDATOR:
        pytest.skip("npm is missing: asl-validator did not check the definition")
    path = tmp_path / "definition.json"
    assert right in definition_text(**model.RESPONDS)
    path.write_text(definition_text(**model.RESPONDS).replace(right, wrong))
    code, output = validate(path)
    assert code != 0, output


def validate(path):
    command = ["node", Path(ASL_VALIDATOR) / "dist/bin/asl-validator.js", "--json-path", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("parameters", STACKS)
def test_cfn_lint_has_no_finding_in_the_definition(parameters, tmp_path):
    """In the template it is a text with variables, which cfn-lint does not look into."""
    machine = {"RoleArn": "arn:aws:iam::111122223333:role/response", "Definition": definition(**parameters)}
    resources = {"Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": machine}}
    path = tmp_path / "template.json"
    path.write_text(json.dumps({"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}))
    command = [Path(sys.executable).parent / "cfn-lint", "--include-checks", "I", "--", path]
    done = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_an_execution_has_a_name_that_is_used_once():
    # Only standard ones do. Express ones run at least once for each start.
    assert model.deployed(**model.RESPONDS)["ResponseStateMachine"]["Properties"]["StateMachineType"] == "STANDARD"


@pytest.mark.parametrize("no_answer", model.template()["Parameters"]["OnNoAnswer"]["AllowedValues"])
def test_no_answer_is_what_the_parameter_says(no_answer):
    [caught] = tasks(**model.RESPONDS | {"OnNoAnswer": no_answer})["Ask a person"]["Catch"]
    assert caught["ErrorEquals"] == ["States.Timeout"]
    assert caught["Assign"]["response"] == {"action": no_answer, "by": "no answer"}


def test_the_decisions_are_those_of_the_tool_and_of_the_parameter():
    code = (model.ROOT / "crates/sigma-cli/src/decide.rs").read_text()
    [body] = re.findall(r"enum Decision \{(.*?)\n\}", code, re.DOTALL)
    decisions = {name.lower() for name in re.findall(r"^    (\w+),", body, re.MULTILINE)}
    assert decisions == set(model.template()["Parameters"]["OnNoAnswer"]["AllowedValues"])
    conditions = " ".join(rule["Condition"] for rule in definition(**model.RESPONDS)["States"]["What was decided"]["Choices"])
    assert set(re.findall(r"'(\w+)'", conditions)) == decisions


def test_the_user_of_sigma_verify_gets_no_response():
    code = (model.ROOT / "crates/sigma-cli/src/verify.rs").read_text()
    [prefix] = re.findall(r'format!\("(sigma-verify-)\{', code)
    first = definition(**model.RESPONDS)["States"]["How urgent"]["Choices"][0]
    condition = f"{{% $substring($states.input.userId, 0, {len(prefix)}) = '{prefix}' %}}"
    assert first == {"Condition": condition, "Next": "Done"}


def test_its_attributes_of_the_ledger_are_those_of_the_layout():
    layout = model.source("functions/alerter/src/ledger/layout.rs")
    updates = [task["Arguments"] for task in tasks(**model.RESPONDS).values() if "UpdateExpression" in task["Arguments"]]
    assert len(updates) == 2
    for update in updates:
        # An item that it created would have no end.
        assert update["ConditionExpression"] == "attribute_exists(id)"
        # `response` is a reserved word of DynamoDB.
        reserved = update.get("ExpressionAttributeNames", {})
        names = re.findall(r"(?:SET|REMOVE|,) (#?\w+)", update["UpdateExpression"])
        assert names and all(f'"{reserved.get(name, name)}"' in layout for name in names)
    assert "REMOVE responseToken" in tasks(**model.RESPONDS)["Record"]["Arguments"]["UpdateExpression"]


# ---- It ends


@pytest.mark.parametrize("parameters", STACKS)
def test_every_task_has_a_time_out_and_bounded_retries_with_jitter(parameters):
    for name, task in tasks(**parameters).items():
        asked = model.values(parameters)["ResponseTimeoutSeconds"]
        assert task["TimeoutSeconds"] <= (asked if name == "Ask a person" else STATE_TIMEOUT_SECONDS_MAX)
        for retry in task["Retry"]:
            assert 0 <= retry["MaxAttempts"] <= 5
            if retry["MaxAttempts"]:
                assert retry["JitterStrategy"] == "FULL" and retry["MaxDelaySeconds"] <= 60


@pytest.mark.parametrize("timeout_seconds", model.template()["Parameters"]["ResponseTimeoutSeconds"]["AllowedValues"])
def test_an_execution_is_overdue_only_after_all_that_it_could_do(timeout_seconds):
    machine = definition(**model.RESPONDS | {"ResponseTimeoutSeconds": timeout_seconds})
    longest = sum(longest_seconds(state) for state in machine["States"].values())
    assert timeout_seconds < longest < machine["TimeoutSeconds"] == timeout_seconds + 1_800


def longest_seconds(state):
    """The longest that a state can take. A call to DynamoDB that fails does so at once; its limit is that of the SDK, below 60 s."""
    if state["Type"] != "Task":
        return 0
    retry = state["Retry"][-1]
    delays = sum(
        min(retry["IntervalSeconds"] * retry["BackoffRate"] ** attempt, retry["MaxDelaySeconds"])
        for attempt in range(retry["MaxAttempts"])
    )
    attempts = 60 if "Task.Token" in json.dumps(state["Arguments"]) else state["TimeoutSeconds"]
    return state["TimeoutSeconds"] + retry["MaxAttempts"] * attempts + delays


def test_a_function_that_fails_is_recorded_and_fails_the_execution():
    states = definition(**model.RESPONDS)["States"]
    [caught] = states["Act"]["Catch"]
    assert (caught["ErrorEquals"], caught["Next"]) == (["States.ALL"], "Record")
    assert "failed" in caught["Assign"]["response"]
    again = states[states["Was it done"]["Choices"][0]["Next"]]
    # What fails here is what a redrive begins with, so it has to be the invocation itself.
    assert (again["Type"], again["Arguments"]) == ("Task", states["Act"]["Arguments"])
    assert "Catch" not in again and again["Next"] == "Record"
    assert "failed" in again["Assign"]["response"]


@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut"])
def test_a_response_that_fails_or_is_overdue_has_an_alarm(metric):
    found = model.properties(model.deployed(**model.RESPONDS), "AWS::CloudWatch::Alarm").values()
    [alarm] = [alarm for alarm in found if alarm.get("MetricName") == metric]
    assert (alarm["Namespace"], alarm["Statistic"], alarm["Threshold"]) == ("AWS/States", "Sum", 0)
    assert alarm["Dimensions"] == [{"Name": "StateMachineArn", "Value": {"Ref": "ResponseStateMachine"}}]


# ---- What it may, and what it shows


def test_it_may_invoke_the_functions_and_update_the_ledger():
    [policy] = model.deployed(**model.RESPONDS)["ResponseRole"]["Properties"]["Policies"]
    given = {s["Sid"]: (s["Action"], s["Resource"]) for s in policy["PolicyDocument"]["Statement"]}
    assert given["AskAndRecord"] == ("dynamodb:UpdateItem", {"Fn::GetAtt": ["LedgerTable", "Arn"]})
    assert given.keys() == {"StepUp", "Freeze", "AskAndRecord", "DeliverLogs", "UseKey"}


def test_its_log_has_nothing_of_an_alert():
    logging = model.deployed(**model.RESPONDS)["ResponseStateMachine"]["Properties"]["LoggingConfiguration"]
    assert logging["IncludeExecutionData"] is False
    [destination] = logging["Destinations"]
    assert destination["CloudWatchLogsLogGroup"]["LogGroupArn"] == {"Fn::GetAtt": ["ResponseLogGroup", "Arn"]}


@pytest.mark.parametrize("choice", model.KEYS)
def test_its_executions_are_encrypted_with_the_key_and_their_logs_can_be_delivered(choice):
    deployed = model.deployed(**model.RESPONDS, KmsKey=choice)
    encryption = deployed["ResponseStateMachine"]["Properties"]["EncryptionConfiguration"]
    key = {"create": {"Fn::GetAtt": ["EncryptionKey", "Arn"]}, "aws-managed": None}.get(choice, choice)
    assert encryption.get("KmsKeyId") == key
    assert encryption["Type"] == ("CUSTOMER_MANAGED_KMS_KEY" if key else "AWS_OWNED_KEY")
    if choice == "create":
        sids = {s["Sid"]: s for s in deployed["EncryptionKey"]["Properties"]["KeyPolicy"]["Statement"]}
        delivered = sids["ResponseLogsAreDelivered"]
        assert delivered["Principal"] == {"Service": "delivery.logs.amazonaws.com"}
        # The delivery has this context, and no condition key of the account.
        arn = {"Fn::Sub": "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:*"}
        assert delivered["Condition"] == {"StringEquals": {"kms:EncryptionContext:SourceArn": arn}}


# ---- The document


def test_the_document_names_parameters_and_the_rights_of_who_decides():
    shown = re.findall(r"\b([A-Z][a-z]+(?:[A-Z][a-z]+)*)=([\w-]+)", DOCUMENT)
    assert shown
    for name, value in shown:
        parameter = model.template()["Parameters"][name]
        assert value in parameter.get("AllowedValues", [value]), f"{name}={value}"
    assert "`states:SendTaskSuccess`" in DOCUMENT and "`dynamodb:GetItem`" in DOCUMENT

"""Each role permits the calls that its function makes, on the resources that it makes them on, and nothing else."""

import re
import tomllib

import pytest

import model

# Permissions that a service needs on the function's behalf, and that no adapter in the code uses.
ON_BEHALF = {
    "detector": {"kinesis", "s3", "logs", "kms", "xray"},
    "alerter": {"sqs", "logs", "kms", "xray"},
    "notifier": {"sqs", "logs", "kms", "xray"},
}
TRACED = {"Tracing": "Active"}
EXPORTED = {"AuditExport": "enabled"}
EXISTING = {"StreamArn": model.STREAM, "StreamKmsKey": "key"}
# Every role that exists only on request: every channel, a response that steps up with the sample function, and the daily export.
ON_REQUEST = {**model.CHANNELS, "StepUpFunctionArn": "", "ResponseSamples": "true", **EXPORTED}
# Actions without resources, by which a service delivers the logs of a state machine (Step Functions developer guide, "Logging using
# CloudWatch Logs").
LOG_DELIVERY = {
    "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups", "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
}


def listed(value):
    return value if isinstance(value, list) else [value]


def statements(role):
    return [statement for policy in role["Policies"] for statement in policy["PolicyDocument"]["Statement"]]


def roles(**parameters):
    return model.properties(model.deployed(**parameters), "AWS::IAM::Role")


def roles_with_data(**parameters):
    """The roles but those of the schedule, which invokes and reads nothing, and of the sample function, which calls nothing."""
    without = ("DigestScheduleRole", "ResponseSampleRole")
    return {name: role for name, role in roles(**parameters).items() if name not in without}


def all_statements():
    """Every possible statement, with its role in the test's id."""
    return [
        pytest.param(statement, id=f"{name}-{key[:3]}-{statement['Sid']}")
        for key in model.KEYS
        for name, role in roles(KmsKey=key, PreviousKmsKey="previous", **EXISTING, **TRACED, **ON_REQUEST).items()
        for statement in statements(role)
    ]


def may_have_no_resource(statement):
    """PutMetricData, X-Ray and deliveries of logs do not support resources; the first has to be bound to a namespace."""
    actions = set(listed(statement["Action"]))
    namespace = statement.get("Condition", {}).get("StringEquals", {}).get("cloudwatch:namespace")
    if actions == {"cloudwatch:PutMetricData"}:
        return bool(namespace)
    return actions == LOG_DELIVERY or all(action.startswith("xray:") for action in actions)


def called(function):
    """The actions that a function's adapters call, by IAM's names."""
    folders = [model.ROOT / f"functions/{function}/src", *shared(function)]
    return {action for folder in folders for path in sorted(folder.rglob("*.rs")) for action in called_in(path)}


def shared(function):
    """The folders of the adapters that a function shares with another."""
    dependencies = tomllib.loads((model.ROOT / f"functions/{function}/Cargo.toml").read_text())["dependencies"]
    return [model.ROOT / f"crates/{name}/src" for name in ("message-queue",) if name in dependencies]


CLIENT = re.compile(r"use aws_sdk_(\w+)::Client;")


def called_in(path):
    code = model.source(path)
    # An adapter of several files has its client in the first.
    first = path.parent.with_suffix(".rs")
    service = next(filter(None, (CLIENT.search(text) for text in (code, model.source(first) if first.exists() else ""))), None)
    operations = re.findall(r"client\s*\.(\w+)\(\)", code) if service else []
    return {iam_action(service.group(1), operation) for operation in operations}


def iam_action(service, operation):
    name = "".join(word.capitalize() for word in operation.split("_"))
    service = {"sfn": "states"}.get(service, service)
    # IAM knows what statements do, and the detector's only update.
    if operation == "batch_execute_statement":
        return "dynamodb:PartiQLUpdate"
    # IAM has no batch actions for these services.
    return f"{service}:{name.removesuffix('Batch') if service in ('sqs', 'sns') else name}"


@pytest.mark.parametrize("statement", all_statements())
def test_no_statement_has_a_wildcard_that_could_be_narrower(statement):
    assert statement["Effect"] == "Allow"
    assert not any("*" in action for action in listed(statement["Action"]))
    assert not isinstance(statement["Resource"], list)
    assert statement["Resource"] != "*" or may_have_no_resource(statement)


def test_every_role_is_written_in_the_template_and_has_no_managed_policy():
    always = ["AlerterRole", "ArchiveRole", "DetectorRole", "DigestScheduleRole"]
    assert sorted(roles(**TRACED)) == always
    on_request = ["AuditScheduleRole", "NotifierRole", "ResponseRole", "ResponseSampleRole"]
    assert sorted(roles(**ON_REQUEST)) == sorted([*always, *on_request])
    assert not any("ManagedPolicyArns" in role for role in roles(**TRACED, **ON_REQUEST).values())


def test_no_function_has_a_policy_outside_its_role():
    for function in model.of_type(model.template(), "AWS::Serverless::Function").values():
        assert not {"Policies", "PolicyDocument"} & function["Properties"].keys()


@pytest.mark.parametrize("function", model.functions())
def test_a_function_has_a_role_of_its_own(function):
    role = model.transformed()["Resources"][model.logical_id(function)]["Properties"]["Role"]
    assert role == {"Fn::GetAtt": [f"{function.capitalize()}Role", "Arn"]}


@pytest.mark.parametrize("function", model.functions())
def test_a_function_may_make_the_calls_of_its_code_and_no_others(function):
    role = roles(**TRACED, **model.CHANNELS)[f"{function.capitalize()}Role"]
    allowed = {action for statement in statements(role) for action in listed(statement["Action"])}
    on_behalf = {action for action in allowed if action.split(":")[0] in ON_BEHALF[function]}
    assert called(function), "no adapter was found"
    # The detector itself lists shards, which Lambda does too.
    assert allowed - on_behalf == called(function) - on_behalf
    assert called(function) <= allowed


@pytest.mark.parametrize("key", model.KEYS)
def test_a_role_may_use_the_key_where_there_is_one(key):
    for role in roles_with_data(KmsKey=key, **ON_REQUEST).values():
        uses = [statement for statement in statements(role) if "kms:Decrypt" in statement["Action"]]
        assert len(uses) == (key != "aws-managed")


def readable(role):
    """The keys that a role may decrypt with."""
    return [statement["Resource"] for statement in statements(role) if "kms:Decrypt" in listed(statement["Action"])]


@pytest.mark.parametrize("key", model.KEYS)
def test_a_role_that_reads_with_the_key_still_reads_with_the_one_before(key):
    for name, role in roles_with_data(KmsKey=key, PreviousKmsKey="previous", **ON_REQUEST).items():
        assert readable(role) == [*readable(roles(KmsKey=key, **ON_REQUEST)[name]), "previous"], name


def test_who_reads_an_existing_stream_may_decrypt_it_and_who_does_not_may_not():
    before, after = roles(), roles(StreamArn=model.STREAM, StreamKmsKey="key")
    gained = {name for name in after if len(readable(after[name])) > len(readable(before[name]))}
    reads = {name for name, role in after.items() for s in statements(role) if "kinesis:GetRecords" in listed(s["Action"])}
    assert gained == reads == {"ArchiveRole", "DetectorRole"}


# ---- Audit


def test_the_export_reads_the_ledger_and_writes_to_its_place_in_its_bucket_and_nothing_else():
    statements_by_id = {s["Sid"]: s for s in statements(roles(**EXPORTED)["AuditScheduleRole"])}
    assert set(statements_by_id) == {"ExportLedger", "WriteExport", "UseKey"}
    export, write = statements_by_id["ExportLedger"], statements_by_id["WriteExport"]
    assert (export["Action"], export["Resource"]) == ("dynamodb:ExportTableToPointInTime", {"Fn::GetAtt": ["LedgerTable", "Arn"]})
    assert write["Action"] == ["s3:AbortMultipartUpload", "s3:PutObject", "s3:PutObjectAcl"]
    assert write["Resource"] == {"Fn::Sub": "${AuditBucket.Arn}/ledger/*"}
    [trust] = roles(**EXPORTED)["AuditScheduleRole"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def ledger_policy(**parameters):
    policy = model.deployed(**parameters)["LedgerTable"]["Properties"].get("ResourcePolicy")
    return policy and policy["PolicyDocument"]["Statement"]


def test_a_ledger_that_is_written_once_denies_what_no_code_of_ours_needs():
    assert ledger_policy() is None
    delete, replace = ledger_policy(LedgerWriteOnce="true")
    assert (delete["Effect"], replace["Effect"], delete["Principal"], replace["Principal"]) == ("Deny", "Deny", "*", "*")
    denied = {*listed(delete["Action"]), *listed(replace["Action"])}
    assert denied == {"dynamodb:DeleteItem", "dynamodb:BatchWriteItem", "dynamodb:PartiQLDelete", "dynamodb:PutItem"}
    assert not denied & called("alerter")
    for name, role in roles(**TRACED, **ON_REQUEST).items():
        at_ledger = [s for s in statements(role) if "LedgerTable" in str(s["Resource"])]
        assert not denied & {action for statement in at_ledger for action in listed(statement["Action"])}, name
    # Nobody is locked out: whoever may change the policy or delete the table still may.
    assert not any("Policy" in action or "Table" in action or "*" in action for action in denied)


def test_a_ledger_that_is_written_once_still_expires_and_takes_policies():
    services = {"aws:PrincipalIsAWSService": "false"}
    delete, replace = ledger_policy(LedgerWriteOnce="true")
    assert delete["Condition"]["Bool"] == replace["Condition"]["Bool"] == services
    allowed = replace["Condition"]["ForAnyValue:StringNotLike"]["dynamodb:LeadingKeys"]
    layout = model.source("functions/alerter/src/ledger/layout.rs")
    assert 'POLICY: &str = "policy"' in layout and 'format!("{POLICY}#{version}")' in layout and 'format!("user#{user_id}")' in layout
    assert allowed == ["policy", "policy#*", "user#*"]

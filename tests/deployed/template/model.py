"""template.yaml, the code that it deploys, and the resources that CloudFormation would create from it."""

import copy
import functools
import json
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "template.yaml"

# The translator needs a region, and nothing else from AWS.
os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samcli.yamlhelper import yaml_parse  # noqa: E402
from samtranslator.translator.transform import transform  # noqa: E402

NO_VALUE = object()
# Every way to choose the key; the ARN is arbitrary.
KEYS = ["create", "aws-managed", "arn:aws:kms:us-east-1:111122223333:key/11111111-2222-3333-4444-555555555555"]

# A stream that exists already; the ARN is arbitrary.
STREAM = "arn:aws:kinesis:us-east-1:111122223333:stream/payments"
# Functions of a customer's own, to step up and to freeze.
STEP_UP = "arn:aws:lambda:us-east-1:111122223333:function:step-up"
FREEZE = "arn:aws:lambda:us-east-1:111122223333:function:freeze:live"
# A stack that responds to alerts.
RESPONDS = {"Channels": "respond", "StepUpFunctionArn": STEP_UP, "FreezeFunctionArn": FREEZE}
# A stack with every channel.
CHANNELS = {**RESPONDS, "Channels": "slack,pagerduty,teams,webhook,respond"}


class NoManagedPolicies:
    """The translator resolves names of managed policies through this; the template has none."""

    def load(self):
        return {}


@functools.cache
def template():
    """The template as written, with the short forms of intrinsics expanded."""
    return yaml_parse(TEMPLATE.read_text())


@functools.cache
def transformed():
    """The template after the SAM transform, with every intrinsic still in place."""
    document = copy.deepcopy(template())
    del document["Transform"]
    for function in of_type(document, "AWS::Serverless::Function").values():
        function["Properties"]["CodeUri"] = "s3://bucket/key"  # As sam package would leave it.
    for layer in of_type(document, "AWS::Serverless::LayerVersion").values():
        layer["Properties"]["ContentUri"] = "s3://bucket/key"
    return transform(document, {}, NoManagedPolicies())


def deployed(**parameters):
    """The resources that CloudFormation would create: transform, conditions, mappings and parameters are applied."""
    return {
        name: resolve(resource, values(parameters))
        for name, resource in transformed()["Resources"].items()
        if "Condition" not in resource or holds(resource["Condition"], values(parameters))
    }


def values(parameters):
    """A value for every parameter."""
    defaults = {name: parameter["Default"] for name, parameter in template()["Parameters"].items()}
    return {**defaults, **parameters}


def resolve(node, parameters):
    """Replaces every intrinsic that can be resolved before a resource exists; Ref and Fn::GetAtt of resources stay."""
    if isinstance(node, list):
        return [item for item in (resolve(item, parameters) for item in node) if item is not NO_VALUE]
    if not isinstance(node, dict):
        return node
    match list(node.items()):
        case [("Ref", "AWS::NoValue")]:
            return NO_VALUE
        case [("Ref", name)] if name in parameters:
            return parameters[name]
        case [("Fn::If", [condition, yes, no])]:
            return resolve(yes if holds(condition, parameters) else no, parameters)
        case [("Fn::FindInMap", path)]:
            return find_in_map(*(resolve(key, parameters) for key in path))
        case [("Fn::Select", [index, members])]:
            return selected(index, resolve(members, parameters))
        case [("Fn::Join", [separator, members])]:
            return joined(separator, resolve(members, parameters))
        case [("Fn::Split", [separator, text])]:
            return split(separator, resolve(text, parameters))
    members = ((name, resolve(member, parameters)) for name, member in node.items())
    return {name: member for name, member in members if member is not NO_VALUE}


def holds(condition, parameters):
    """Whether a condition, given by name or in full, is true."""
    if isinstance(condition, str):
        return holds(template()["Conditions"][condition], parameters)
    [(function, operands)] = condition.items()
    match function:
        case "Condition":
            return holds(operands, parameters)
        case "Fn::Not":
            return not holds(operands[0], parameters)
        case "Fn::And":
            return all(holds(operand, parameters) for operand in operands)
        case "Fn::Or":
            return any(holds(operand, parameters) for operand in operands)
        case "Fn::Contains":
            return str(resolve(operands[1], parameters)) in listed(resolve(operands[0], parameters))
        case "Fn::EachMemberEquals":
            return all(member == operands[1] for member in listed(resolve(operands[0], parameters)))
    assert function == "Fn::Equals", function
    left, right = (str(resolve(operand, parameters)) for operand in operands)
    return left == right


def broken_rules(**parameters):
    """The rules that refuse these parameters."""
    given = values(parameters)
    return [
        name
        for name, rule in template()["Rules"].items()
        if "RuleCondition" not in rule or holds(rule["RuleCondition"], given)
        if not all(holds(assertion["Assert"], given) for assertion in rule["Assertions"])
    ]


def listed(value):
    """The members of a list that is given as CloudFormation takes it: separated by commas."""
    return value if isinstance(value, list) else value.split(",")


def selected(index, members):
    """A member of a list, if the list is known."""
    return {"Fn::Select": [index, members]} if isinstance(members, dict) else listed(members)[index]


def joined(separator, members):
    """The members of a list in one text, if they are known."""
    known = isinstance(members, str) or all(isinstance(member, str) for member in members)
    return separator.join(listed(members)) if known else {"Fn::Join": [separator, members]}


def split(separator, text):
    """The parts of a text, if it is known."""
    return text.split(separator) if isinstance(text, str) else {"Fn::Split": [separator, text]}


def substituted(node, parameters, names):
    """The text of a resolved Fn::Sub: its own variables, then parameters, then what `names` gives resources and pseudo parameters."""
    text, own = node["Fn::Sub"] if isinstance(node["Fn::Sub"], list) else (node["Fn::Sub"], {})
    known = {**names, **parameters, **{name: named(value, names) for name, value in own.items()}}
    return re.sub(r"\$\{([\w.:]+)\}", lambda found: str(known[found[1]]), text)


def named(value, names):
    """The value of a variable of Fn::Sub: a text, a number, or the attribute of a resource."""
    return names[".".join(value["Fn::GetAtt"])] if isinstance(value, dict) else value


def find_in_map(name, top, second):
    return template()["Mappings"][name][top][str(second)]


def of_type(document, kind):
    """The resources of a type by their logical id; of a template or of the result of deployed()."""
    resources = document.get("Resources", document)
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def properties(document, kind):
    """The properties of the resources of a type by their logical id."""
    return {name: resource["Properties"] for name, resource in of_type(document, kind).items()}


def environment(function):
    """A function's environment variables, with intrinsics in place."""
    return transformed()["Resources"][logical_id(function)]["Properties"]["Environment"]["Variables"]


def logical_id(function):
    """The logical id of the function in functions/<name>."""
    return f"{function.capitalize()}Function"


def functions():
    """Every folder of functions/ is a deployed Lambda."""
    return sorted(path.parent.name for path in ROOT.glob("functions/*/Cargo.toml"))


@functools.cache
def contract():
    """The variables and metrics that the code declares."""
    printed = subprocess.run([ROOT / "target/debug/contract"], check=True, capture_output=True, text=True).stdout
    return json.loads(printed)


def source(path):
    """A Rust file without its tests."""
    return re.split(r"#\[cfg\(test\)\]", (ROOT / path).read_text())[0]

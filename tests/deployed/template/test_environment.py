"""template.yaml sets the variables that the functions read: the same names, within the same ranges, with the same defaults.

The functions themselves say what they read (model.contract)."""

import functools
import re

import pytest

import model

# Left to the rule, which has a default for each kind.
LEFT_TO_THE_RULE = {"MIN_OBSERVATIONS": (3, 1000), "SIGMAS": (0, 6)}
# Files of the folder model/, by the parameter that names one.
DOCUMENTS = {"POPULATION": "Population", "MODEL": "Model"}
# Set where a channel is on; test_channels.py tests them.
OF_CHANNELS = {
    "SLACK_QUEUE_URL", "PAGERDUTY_QUEUE_URL", "TEAMS_QUEUE_URL", "WEBHOOK_QUEUE_URL", "RESPOND_QUEUE_URL", "CHANNEL_SECRET_ARN",
    "STATE_MACHINE_ARN",
}
# Known only where there is a stack.
STACK = "STACK_NAME"


@functools.cache
def variables():
    """The rows of every function's variables, by function and name."""
    return {name: {row["name"]: row for row in model.contract()[name]["variables"]} for name in model.functions()}


def parameter_of(function, variable):
    """The parameter that a variable takes its value from."""
    return model.template()["Parameters"][model.environment(function)[variable]["Ref"]]


def rows(condition):
    """Every (function, row) with a default that satisfies a condition."""
    return [
        (function, row)
        for function, named in variables().items()
        for row in named.values()
        if row["default"] is not None and row["name"] not in LEFT_TO_THE_RULE and condition(row)
    ]


def named(case):
    return case if isinstance(case, str) else case["name"]


def is_number(row):
    return row["min"] is not None


@pytest.mark.parametrize("function", model.functions())
def test_the_template_sets_exactly_the_variables_that_the_function_reads(function):
    assert sorted(model.environment(function)) == sorted(variables()[function])


@pytest.mark.parametrize(("function", "row"), rows(is_number), ids=named)
def test_a_number_has_the_range_and_the_default_of_the_code(function, row):
    parameter = parameter_of(function, row["name"])
    assert parameter["Type"] == "Number"
    assert float(parameter["Default"]) == float(row["default"])
    values = parameter.get("AllowedValues", [parameter.get("MinValue"), parameter.get("MaxValue")])
    assert values[-1] == row["max"]
    if row["isMinExcluded"]:
        assert values[0] > row["min"]
    else:
        assert values[0] == row["min"]


@pytest.mark.parametrize(("function", "row"), rows(lambda row: row["values"]), ids=named)
def test_a_choice_has_the_words_and_the_default_of_the_code(function, row):
    parameter = parameter_of(function, row["name"])
    assert parameter["AllowedValues"] == row["values"]
    assert parameter["Default"] == row["default"]


def test_a_text_has_the_default_of_the_code():
    texts = {(function, row["name"]): row for function, row in rows(lambda row: not is_number(row) and not row["values"])}
    assert {name for _, name in texts} == {"METRIC_NAMESPACE", "METRIC_SOURCE", STACK} | set(DOCUMENTS) | OF_CHANNELS
    for (function, name), row in texts.items():
        if name == STACK or name in DOCUMENTS or name in OF_CHANNELS:
            continue
        value = model.environment(function)[name]
        assert model.template()["Parameters"][value["Ref"]]["Default"] == row["default"]


@pytest.mark.parametrize("function", model.functions())
def test_a_deployed_function_knows_its_stack(function):
    assert model.environment(function)[STACK] == {"Ref": "AWS::StackName"}


@pytest.mark.parametrize(("name", "value", "is_accepted"), [
    *(("MIN_OBSERVATIONS", value, True) for value in ("", "3", "1000")),
    *(("MIN_OBSERVATIONS", value, False) for value in ("2", "1001", "3.5")),
    *(("SIGMAS", value, True) for value in ("", "0.01", "0.5", "2.5", "3.25", "3", "6", "6.0")),
    *(("SIGMAS", value, False) for value in ("0", "0.0", "0.001", "6.1", "7", "-1", "2.", "x")),
])
def test_what_is_left_to_the_rule_may_be_empty(name, value, is_accepted):
    row = variables()["detector"][name]
    assert (row["min"], row["max"]) == LEFT_TO_THE_RULE[name]
    parameter = parameter_of("detector", name)
    assert parameter["Default"] == ""
    assert bool(re.fullmatch(parameter["AllowedPattern"], value)) == is_accepted


@pytest.mark.parametrize(("variable", "name"), DOCUMENTS.items())
def test_a_document_is_a_file_of_the_layer(variable, name):
    condition, path, nothing = model.environment("detector")[variable]["Fn::If"]
    assert (path, nothing) == ({"Fn::Sub": f"/opt/${{{name}}}"}, "")
    assert model.template()["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": name}, ""]}]}
    pattern = model.template()["Parameters"][name]["AllowedPattern"]
    accepted = {value: bool(re.fullmatch(pattern, value)) for value in ("", "model.json", "a-1_b.json", "../x.json", "model")}
    assert accepted == {"": True, "model.json": True, "a-1_b.json": True, "../x.json": False, "model": False}


def test_the_layer_exists_only_if_a_document_is_named():
    layer = model.template()["Resources"]["ModelLayer"]
    assert layer["Properties"]["ContentUri"] == "model"
    assert model.template()["Conditions"][layer["Condition"]] == {
        "Fn::Or": [{"Condition": "HasPopulation"}, {"Condition": "HasModel"}]
    }
    layers = model.template()["Resources"]["DetectorFunction"]["Properties"]["Layers"]
    assert layers["Fn::If"] == [layer["Condition"], [{"Ref": "ModelLayer"}], {"Ref": "AWS::NoValue"}]


def test_a_variable_that_is_not_set_by_a_parameter_has_no_default():
    required = {
        name for function, named in variables().items() for name, row in named.items() if row["default"] is None
    }
    by_parameter = {
        name
        for function in model.functions()
        for name, value in model.environment(function).items()
        if isinstance(value, dict) and value.get("Ref") in model.template()["Parameters"]
    }
    assert required.isdisjoint(by_parameter)


def test_the_stream_and_the_detector_agree_on_the_retention():
    stream = model.transformed()["Resources"]["TransactionStream"]["Properties"]
    assert stream["RetentionPeriodHours"] == model.environment("detector")["STREAM_RETENTION_HOURS"]


@pytest.mark.parametrize("function", model.functions())
def test_the_metrics_survive_every_log_level_that_can_be_set(function):
    # Lambda drops lines below the level, and an EMF line counts as INFO.
    level = model.transformed()["Resources"][model.logical_id(function)]["Properties"]["LoggingConfig"]["ApplicationLogLevel"]
    assert model.template()["Parameters"][level["Ref"]]["AllowedValues"] == ["TRACE", "DEBUG", "INFO"]


@pytest.mark.parametrize("function", model.functions())
def test_a_function_is_built_from_its_own_folder(function):
    resource = model.template()["Resources"][model.logical_id(function)]
    assert resource["Properties"]["CodeUri"] == f"functions/{function}"
    assert resource["Metadata"]["BuildMethod"] == "rust-cargolambda"
    assert resource["Metadata"]["BuildProperties"] == {"Binary": function}

"""template.yaml sets what config.rs reads: the same names, within the same ranges, with the same defaults."""

import re

import pytest

import model

NUMBER = re.compile(r'env\.number\(\s*names::(\w+),\s*"[^"]*",\s*([^,]+),\s*([^,)]+),?\s*\)')
WORDS = re.compile(r'env\.parsed_with\(\s*names::(\w+),\s*"(\w+) or (\w+)"')


def config(function):
    return model.source(f"functions/{function}/src/config.rs")


def names_all(function):
    """`names::ALL`, each constant replaced by its value."""
    constants = dict(re.findall(r'pub const (\w+): &str = "(\w+)";', config(function)))
    listed = re.search(r"pub const ALL: \[&str; \d+\] = \[([^\]]*)\]", config(function)).group(1)
    return [constants[name] for name in re.findall(r"\w+", listed)]


def parameter_of(function, variable):
    """The parameter that a variable takes its value from."""
    return model.template()["Parameters"][model.environment(function)[variable]["Ref"]]


def matches(pattern):
    """The pattern's findings in every function's config.rs, the function before them."""
    return [(function, *found) for function in model.functions() for found in pattern.findall(config(function))]


def number(function, expression):
    """A number written in config.rs: a literal, a constant, or a field of the rule's defaults; None if it is open."""
    expression = expression.strip()
    if not expression:
        return None
    literal = expression.replace("_", "")
    if re.fullmatch(r"\d+(\.\d+)?", literal):
        return float(literal)
    if field := re.fullmatch(r"default\.(\w+)", expression):
        rule = model.source("crates/anomaly-core/src/rule.rs").split("impl Default for RuleSettings")[1]
        return number(function, re.search(rf"{field.group(1)}: ([^,]+),", rule).group(1))
    constant = re.search(rf"const {re.escape(expression)}\b[^=]*= (?:NonZeroUsize::new\()?([\d_.]+)", config(function))
    return number(function, constant.group(1)) if constant else None


@pytest.mark.parametrize("function", model.functions())
def test_the_template_sets_exactly_the_variables_that_the_function_reads(function):
    assert sorted(model.environment(function)) == sorted(names_all(function))


@pytest.mark.parametrize(("function", "variable", "default", "bounds"), matches(NUMBER))
def test_a_number_has_the_range_and_the_default_of_the_code(function, variable, default, bounds):
    parameter = parameter_of(function, variable)
    low, high = (number(function, bound) for bound in bounds.replace("..=", "..").split(".."))
    assert parameter["Type"] == "Number"
    assert float(parameter["Default"]) == number(function, default)
    assert parameter.get("MaxValue") == high
    if low is None:  # Open below: above zero.
        assert parameter["MinValue"] > 0
    else:
        assert parameter["MinValue"] == low


@pytest.mark.parametrize(("function", "variable", "one", "other"), matches(WORDS))
def test_a_choice_has_the_words_of_the_code(function, variable, one, other):
    parameter = parameter_of(function, variable)
    assert parameter["AllowedValues"] == [one, other]
    assert parameter["Default"] == one


@pytest.mark.parametrize(("count", "is_accepted"), [("", True), ("2", False), ("3", True), ("1000", True), ("1001", False)])
def test_the_minimum_of_observations_may_be_left_to_the_rule(count, is_accepted):
    assert '"3 to 1000"' in config("detector")
    pattern = parameter_of("detector", "MIN_OBSERVATIONS")["AllowedPattern"]
    assert bool(re.fullmatch(pattern, count)) == is_accepted


def test_the_ranges_were_found_in_the_code():
    numbers = {variable for _, variable, *_ in matches(NUMBER)}
    words = {variable for _, variable, *_ in matches(WORDS)}
    found = numbers | words | {"MIN_OBSERVATIONS"}
    knobs = {
        variable
        for function in model.functions()
        for variable, value in model.environment(function).items()
        if value.get("Ref") in model.template()["Parameters"]
    }
    assert knobs - found == {"METRIC_NAMESPACE", "METRIC_SOURCE"}


@pytest.mark.parametrize("variable", ["METRIC_NAMESPACE", "METRIC_SOURCE"])
def test_a_name_has_the_default_of_the_code(variable):
    default = parameter_of("alerter", variable)["Default"]
    assert re.search(rf'names::{variable},\s*ascii,\s*"{default}"', config("alerter"))


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

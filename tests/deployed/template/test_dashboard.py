"""The dashboard is valid JSON and shows exactly the metrics that the functions emit."""

import json
import re

import model

NAMESPACE = "TheNamespace"
SOURCE = "TheSource"
STACK = "TheStack"


def body():
    [dashboard] = model.properties(model.transformed(), "AWS::CloudWatch::Dashboard").values()
    text, variables = dashboard["DashboardBody"]["Fn::Sub"]
    known = {"MetricNamespace": NAMESPACE, "MetricSource": SOURCE, "AWS::StackName": STACK}
    check_variables(set(re.findall(r"\$\{([\w.:]+)\}", text)), variables)
    return json.loads(re.sub(r"\$\{([\w.:]+)\}", lambda found: known.get(found.group(1), found.group(1)), text))


def check_variables(used, given):
    """Asserts that each variable is given beside the text, or is a pseudo parameter, a parameter or a resource that always exists."""
    document = model.transformed()
    for name in used - set(given):
        resource = document["Resources"].get(name.split(".")[0], {})
        assert name.startswith("AWS::") or name in document["Parameters"] or (resource and "Condition" not in resource), name


def metrics():
    """Every metric of every widget, with CloudWatch's shorthands expanded and options left out."""
    return [metric for widget in body()["widgets"] for metric in expanded(widget["properties"]["metrics"])]


def expanded(rows):
    previous = []
    for row in rows:
        row = [part for part in row if not isinstance(part, dict)]
        if row and row[0] == "...":
            row = previous[: len(previous) - len(row[1:])] + row[1:]
        previous = [previous[at] if part == "." else part for at, part in enumerate(row)]
        yield tuple(previous)


def emitted():
    """Every metric that the code emits, as CloudWatch names it."""
    for function in model.functions():
        for name in model.contract()[function]["metrics"]:
            yield (NAMESPACE, name, "Function", function, model.contract()["stack"], STACK)
    metric, source, stack = model.contract()["anomaly_count"]
    yield (NAMESPACE, metric, source, SOURCE, stack, STACK)


def test_the_dashboard_shows_exactly_the_metrics_that_the_functions_emit():
    shown = [metric for metric in metrics() if metric[0] == NAMESPACE]
    assert sorted(shown) == sorted(emitted())


def test_the_functions_of_the_code_are_the_functions_of_the_metrics():
    for function in model.functions():
        assert model.contract()[function]["dimension"] == function


def test_every_metric_names_one_resource():
    for namespace, name, *dimensions in metrics():
        assert len(dimensions) == (4 if namespace == NAMESPACE else 2), (namespace, name)


def test_widgets_fill_the_grid_without_overlap():
    cells = [cell for widget in body()["widgets"] for cell in covered(widget)]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))


def covered(widget):
    columns = range(widget["x"], widget["x"] + widget["width"])
    rows = range(widget["y"], widget["y"] + widget["height"])
    return [(x, y) for x in columns for y in rows]

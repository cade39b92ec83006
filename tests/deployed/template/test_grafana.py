"""The dashboard for Grafana shows what exists: metrics that the functions emit, and metrics of AWS that the template's own dashboard shows,
of the same resources."""

import json
import re

import pytest

import model
import test_dashboard as ours

GRAFANA = json.loads((model.ROOT / "docs/grafana.json").read_text())
CLOUDWATCH = {"type": "cloudwatch", "uid": "${DS_CLOUDWATCH}"}
# The variables that a user sets, and what the template's dashboard has in their place.
GIVEN = {"namespace": ours.NAMESPACE, "source": ours.SOURCE, "stack": ours.STACK}
# A variable for a resource finds the name that CloudFormation gave it. It begins with the stack's and the logical id.
PHYSICAL_NAME = re.compile(r"/\^\$\{stack:regex\}-(\w+)-/")
# Names in the body of the template's dashboard that its Sub gives a value.
ALIASES = {"StreamName": "TransactionStream", "Delivery": "ArchiveDelivery"}
GRID_COLUMNS = 24


def panels():
    return [panel for panel in GRAFANA["panels"] if panel["type"] != "row"]


def queries():
    """Every query for one metric."""
    return [target for panel in panels() for target in panel["targets"] if not target["expression"]]


def variables():
    return {variable["name"]: variable for variable in GRAFANA["templating"]["list"]}


def resources():
    """The logical id of each variable that stands for a resource."""
    found = {name: PHYSICAL_NAME.fullmatch(variable.get("regex", "")) for name, variable in variables().items()}
    return {name: match[1] for name, match in found.items() if match}


def filled(text):
    """A value with the template's names in place of Grafana's variables."""
    known = GIVEN | resources()
    return re.sub(r"\$\{?(\w+)\}?", lambda found: known[found[1]], text)


def metric(query):
    """A query as the template's dashboard names a metric."""
    dimensions = [filled(part) for pair in query["dimensions"].items() for part in pair]
    return (filled(query["namespace"]), query["metricName"], *dimensions)


def emitted():
    """Every metric that the code emits, anomalies in shadow among them."""
    [*_, (namespace, _, *dimensions)] = functions = list(ours.emitted())
    return {*functions, (namespace, model.contract()["shadow_count"], *dimensions)}


def of_aws():
    """Every metric of AWS in the template's dashboard, with the logical id of its resource, or a log group's name."""
    metrics = [metric for metric in ours.metrics() if metric[0] != ours.NAMESPACE]
    return {(*names, resource(value)) for *names, value in metrics}


def resource(value):
    name = ALIASES.get(value, value).split(".")[0]
    group = model.transformed()["Resources"][name]["Properties"].get("LogGroupName")
    return group["Fn::Sub"].replace("${AWS::StackName}", ours.STACK) if group else name


def test_it_shows_exactly_the_metrics_that_the_functions_emit():
    assert {metric(query) for query in queries() if query["namespace"] == "$namespace"} == emitted()


def test_it_shows_metrics_of_aws_that_the_dashboard_of_the_template_shows():
    shown = {metric(query) for query in queries() if query["namespace"] != "$namespace"}
    assert shown
    assert shown - of_aws() == set()


def test_a_variable_finds_its_resource_by_a_metric_that_the_resource_has():
    assert len(resources()) > 0
    for name, logical_id in resources().items():
        query = variables()[name]["query"]
        assert (query["namespace"], query["metricName"], query["dimensionKey"], logical_id) in of_aws()


def test_the_stack_is_found_by_a_metric_of_the_detector():
    query = variables()["stack"]["query"]
    filters = [part for pair in query["dimensionFilters"].items() for part in pair]
    assert (filled(query["namespace"]), query["metricName"], *filters, query["dimensionKey"], ours.STACK) in emitted()


@pytest.mark.parametrize(("name", "parameter"), [("namespace", "MetricNamespace"), ("source", "MetricSource")])
def test_a_variable_begins_as_the_default_of_its_parameter(name, parameter):
    assert variables()[name]["query"] == model.template()["Parameters"][parameter]["Default"]


def test_every_variable_that_is_used_exists():
    used = set(re.findall(r"\$\{?([a-z_]+)", json.dumps([GRAFANA["panels"], GRAFANA["templating"]])))
    assert used <= set(variables())


def test_an_expression_refers_to_queries_of_its_own_panel():
    for panel in panels():
        known = {target["id"] for target in panel["targets"]}
        used = {name for target in panel["targets"] for name in re.findall(r"\b[a-z]\w*\b", target["expression"])}
        assert used <= known


def test_import_asks_for_the_data_source_and_everything_reads_it():
    [given] = GRAFANA["__inputs"]
    assert (f"${{{given['name']}}}", given["pluginId"]) == (CLOUDWATCH["uid"], CLOUDWATCH["type"])
    asked = [*panels(), *(target for panel in panels() for target in panel["targets"])]
    asked += [variable for variable in variables().values() if variable["type"] == "query"]
    assert all(reader["datasource"] == CLOUDWATCH for reader in asked)


def test_every_panel_has_its_own_id_a_unit_and_a_description():
    ids = [panel["id"] for panel in GRAFANA["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels():
        assert panel["fieldConfig"]["defaults"]["unit"] and panel["description"].endswith("."), panel["title"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(references) == len(set(references)), panel["title"]


def test_panels_fill_the_grid_without_overlap():
    cells = [cell for panel in GRAFANA["panels"] for cell in covered(panel["gridPos"])]
    assert len(cells) == len(set(cells))
    assert len(cells) == GRID_COLUMNS * (max(y for _, y in cells) + 1)


def covered(place):
    return [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])]

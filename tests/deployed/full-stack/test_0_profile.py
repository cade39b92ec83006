"""A stack of its own with the rule profile, a population table and a model that gives its opinion, which is gone before anything passes
through the one that the others share."""

import io
import json
import shutil
import ssl
import time
import urllib.request
import zipfile

import pytest

from local import ROOT, until
from reference import Reference
from stack import Stack
from subscribers import Endpoint, documents, of
from transactions import UNUSUAL_AMOUNT, transaction, with_anomaly

DATA = ROOT / "tests/data/parity/profile"
# Files of the folder model/ while the stack is deployed, by the variable that names each.
FILES = {"POPULATION": "full-stack-population.json", "MODEL": "full-stack-model.json"}
SOURCES = {"POPULATION": DATA / "population.json", "MODEL": DATA / "model.json"}
USER = "profiled"
# Seconds from a transaction to its alert.
ALERT_SECONDS = 120


@pytest.fixture(scope="module")
def deployed(emulator):
    for variable, name in FILES.items():
        shutil.copy(SOURCES[variable], ROOT / "model" / name)
    try:
        stack = Stack(
            emulator, "profile", MetricNamespace="Profile", Rule="profile", ModelMode="annotate",
            Population=FILES["POPULATION"], Model=FILES["MODEL"],
        )
        stack.deploy()
    finally:
        for name in FILES.values():
            (ROOT / "model" / name).unlink()
    yield stack
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()


def layer_of(stack):
    """The files of the detector's layer."""
    functions = stack.client("lambda")
    configuration = functions.get_function_configuration(FunctionName=stack.outputs["DetectorFunctionName"])
    [layer] = configuration["Layers"]
    location = functions.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]["Location"]
    # The emulator's location says http even where it serves https.
    context = ssl.create_default_context(cafile=stack.emulator.certificate)
    with urllib.request.urlopen(location.replace("http://", "https://"), timeout=30, context=context) as response:
        archive = zipfile.ZipFile(io.BytesIO(response.read()))
    return {name: archive.read(name) for name in archive.namelist()}


def test_the_layer_brings_the_documents_to_where_the_detector_reads_them(deployed):
    environment, files = deployed.environment_of("DetectorFunctionName"), layer_of(deployed)
    assert environment["RULE"] == "profile"
    assert environment["SIGMAS"] == ""
    for variable, name in FILES.items():
        assert environment[variable] == f"/opt/{name}"
        assert files[name] == SOURCES[variable].read_bytes()


@pytest.fixture(scope="module")
def started(deployed):
    """The emulator does not unpack layers into /opt, so the detector reads the same files where they are."""
    environment = deployed.environment_of("DetectorFunctionName")
    deployed.configure("DetectorFunctionName", environment | {name: str(path) for name, path in SOURCES.items()})
    return deployed


def test_an_alert_of_profile_explains_itself_and_has_the_models_opinion(started):
    endpoint, topic = Endpoint(started), started.outputs["TopicArn"]
    started.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    started.put(*with_anomaly(USER), transaction(USER, 99, 41.0, int(time.time() * 1000)))
    alerts = lambda: of(USER, documents(endpoint.alerts()))
    until("the alert", ALERT_SECONDS, lambda: len(alerts()) == 1)
    endpoint.stop()
    [alert] = alerts()
    assert (alert["rule"], alert["amount"]) == ("profile", UNUSUAL_AMOUNT)
    explanation = alert["explanation"]
    parts = sum(explanation[part] for part in ("own", "habit", "heat", "population"))
    assert alert["score"] == pytest.approx(parts)
    assert explanation["newLevel"] is False
    assert len(explanation["model"]["parts"]) == 3
    known = set(json.loads(SOURCES["MODEL"].read_text())["features"])
    assert {part["feature"] for part in explanation["model"]["parts"]} <= known


def test_the_state_is_that_of_a_plain_fold(started):
    reference = Reference(started, {USER})
    until("the state", 30, lambda: started.items("StateTableName")[USER]["state"] == reference.states[USER])
    assert reference.states[USER][0] == 3, "the format of profile"
    assert len(reference.anomalies[USER]) == 1

"""The package, assembled from what `sam build` left: from a folder and a bucket to a stack that alerts, without a build. The stack is gone
before anything passes through the one that the others share.

Its model is an archive beside the code, as the package's README says."""

import base64
import hashlib
import zipfile

import pytest

from assemble import assemble
from local import LOGS, ROOT
from stack import Stack

BUILT = ROOT / ".aws-sam" / "build"
BINARIES = {name: BUILT / f"{name.capitalize()}Function" / "bootstrap" for name in ("detector", "alerter", "notifier")}
PACKAGE = LOGS / "package"
DATA = ROOT / "tests/data/parity/profile"
BUCKET, PREFIX, MODEL = "releases", "sigma/1/", "models/trained.zip"
PARAMETERS = {
    "CodeBucket": BUCKET, "CodePrefix": PREFIX, "ModelArchive": MODEL, "MetricNamespace": "Package", "Rule": "profile",
    "Population": "population.json", "Model": "model.json",
}


def checksum(archive):
    """As Lambda says it."""
    return base64.b64encode(hashlib.sha256(archive.read_bytes()).digest()).decode()


@pytest.fixture(scope="module")
def package():
    assemble(PACKAGE, BINARIES)
    return PACKAGE


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An archive of a model that is not of the package."""
    path = tmp_path_factory.mktemp("model") / "trained.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (PARAMETERS["Population"], PARAMETERS["Model"]):
            archive.write(DATA / name, name)
    return path


@pytest.fixture(scope="module")
def packaged(emulator, package, trained):
    stack = Stack(emulator, "packaged", package / "template.yaml", **PARAMETERS)
    s3 = stack.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for path in package.iterdir():
        s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}{path.name}", Body=path.read_bytes())
    s3.put_object(Bucket=BUCKET, Key=MODEL, Body=trained.read_bytes())
    stack.deploy()
    yield stack
    stack.empty("FailureBucketName")
    stack.empty("ArchiveBucketName")
    stack.delete()


def test_the_same_binaries_give_the_same_package(package, tmp_path):
    assemble(tmp_path / "again", BINARIES)
    again = (tmp_path / "again/SHA256SUMS").read_text()
    assert again == (package / "SHA256SUMS").read_text()


@pytest.mark.parametrize(("name", "output"), [("detector", "DetectorFunctionName"), ("alerter", "AlerterFunctionName")])
def test_a_function_runs_the_archive_of_the_package(packaged, package, name, output):
    [archive] = package.glob(f"{name}-*.zip")
    configuration = packaged.client("lambda").get_function_configuration(FunctionName=packaged.outputs[output])
    assert configuration["CodeSha256"] == checksum(archive)


def test_the_detector_has_the_archive_with_the_model(packaged, trained):
    functions = packaged.client("lambda")
    configuration = functions.get_function_configuration(FunctionName=packaged.outputs["DetectorFunctionName"])
    [layer] = configuration["Layers"]
    assert functions.get_layer_version_by_arn(Arn=layer["Arn"])["Content"]["CodeSha256"] == checksum(trained)
    variables = configuration["Environment"]["Variables"]
    assert (variables["POPULATION"], variables["MODEL"]) == ("/opt/population.json", "/opt/model.json")


def test_it_alerts(packaged, sigma):
    # The emulator does not unpack layers into /opt.
    variables = packaged.environment_of("DetectorFunctionName")
    files = {"POPULATION": str(DATA / "population.json"), "MODEL": str(DATA / "model.json")}
    packaged.configure("DetectorFunctionName", variables | files)
    report = sigma("verify", "--stack", packaged.name, "--timeout", "2min", "--json")
    assert [step["name"] for step in report["steps"] if not step["ok"]] == []

"""The packaged template is template.yaml with its code in a bucket, and nothing else; archives do not depend on when they are made."""

import copy
import functools
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

import model
from assemble import assemble
from bucket_template import ARCHITECTURE, packaged, replaced
from licences import document

ARCHIVES = {name: f"{name}-0123456789ab.zip" for name in model.functions()}
PREFIX = "sigma-1.2.3/"
MODEL = "model-0123456789ab.zip"
TEXT = packaged(model.TEMPLATE.read_text(), ARCHIVES, MODEL, PREFIX)
# What the package asks beyond template.yaml.
ADDED = {"CodeBucket", "CodePrefix", "ModelArchive"}


@functools.cache
def template():
    """The packaged template as written, with the short forms of intrinsics expanded."""
    return yaml_parse(TEXT)


@functools.cache
def transformed():
    """The template after the SAM transform, with every intrinsic still in place."""
    document = copy.deepcopy(template())
    del document["Transform"]
    return transform(document, {}, model.NoManagedPolicies())


def in_bucket(name):
    return {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Fn::Sub": "${CodePrefix}" + name}}


def without_code(document):
    """A template's resources but for where their code is and how it is built."""
    resources = copy.deepcopy(document["Resources"])
    for resource in resources.values():
        for name in ("CodeUri", "ContentUri"):
            resource.get("Properties", {}).pop(name, None)
        for name in ("BuildMethod", "BuildProperties"):
            resource.get("Metadata", {}).pop(name, None)
    return resources


def test_its_resources_are_those_of_the_template():
    assert without_code(template()) == without_code(model.template())


@pytest.mark.parametrize("section", ["Transform", "Rules", "Mappings", "Globals", "Outputs"])
def test_a_section_without_code_is_the_same(section):
    assert template()[section] == model.template()[section]


def test_its_parameters_are_those_of_the_template_and_where_the_code_is():
    ours, theirs = template()["Parameters"], model.template()["Parameters"]
    assert set(ours) - set(theirs) == ADDED
    changed = {name for name in theirs if ours[name] != theirs[name]}
    assert changed == {"Architecture", "Population", "Model"}
    texts = ("Description", "ConstraintDescription", "AllowedValues")
    for name in changed:
        assert {key: ours[name][key] for key in ours[name] if key not in texts} == {
            key: theirs[name][key] for key in theirs[name] if key not in texts
        }


def test_it_deploys_the_one_instruction_set_that_is_packaged():
    architecture = template()["Parameters"]["Architecture"]
    assert (architecture["AllowedValues"], architecture["Default"]) == ([ARCHITECTURE], ARCHITECTURE)


def test_every_parameter_is_in_a_group():
    groups = template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    assert sorted(name for group in groups for name in group["Parameters"]) == sorted(template()["Parameters"])


def test_a_function_has_the_archive_of_its_name():
    for function, name in ARCHIVES.items():
        deployed = transformed()["Resources"][model.logical_id(function)]
        assert deployed["Properties"]["Code"] == in_bucket(name)


def test_the_model_is_the_archive_that_the_parameter_names():
    [layer] = model.properties(transformed(), "AWS::Lambda::LayerVersion").values()
    packaged_one = in_bucket(MODEL)["S3Key"]
    key = {"Fn::If": ["HasModelArchive", {"Ref": "ModelArchive"}, packaged_one]}
    assert layer["Content"] == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": key}


def test_the_only_condition_of_its_own_is_whether_an_archive_is_named():
    conditions = dict(template()["Conditions"])
    assert conditions.pop("HasModelArchive") == {"Fn::Not": [{"Fn::Equals": [{"Ref": "ModelArchive"}, ""]}]}
    assert conditions == model.template()["Conditions"]


def test_an_archive_that_is_not_named_is_that_of_the_package_that_is_deployed():
    parameters = template()["Parameters"]
    assert (parameters["CodePrefix"]["Default"], parameters["ModelArchive"]["Default"]) == (PREFIX, "")


def test_an_edit_that_does_not_apply_is_an_error():
    with pytest.raises(ValueError, match="CodeUri"):
        replaced("CodeUri: elsewhere\n", r"CodeUri: functions/(\w+)\n", str, 1)


def test_cfn_lint_has_no_finding(tmp_path):
    path = tmp_path / "template.yaml"
    path.write_text(TEXT)
    command = [Path(sys.executable).parent / "cfn-lint", "--include-checks", "I", "--", path]
    done = subprocess.run(command, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture
def binaries(tmp_path):
    """Files with what matters of a binary: the versions of glibc that it asks for."""
    paths = {name: tmp_path / name for name in ARCHIVES}
    for name, path in paths.items():
        path.write_bytes(b"\x7fELF of %b\0GLIBC_2.2.5\0GLIBC_2.34\0" % name.encode())
    return paths


def test_the_package_has_the_archives_that_its_template_names(binaries, tmp_path):
    assemble(tmp_path / "package", binaries)
    written = (tmp_path / "package/template.yaml").read_text()
    archives = sorted(path.name for path in (tmp_path / "package").glob("*.zip"))
    assert [name.split("-")[0] for name in archives] == ["alerter", "detector", "model", "notifier"]
    assert all(name in written for name in archives)


def test_a_function_can_be_started_and_its_archive_has_no_time(binaries, tmp_path):
    assemble(tmp_path / "package", binaries)
    [archive] = (tmp_path / "package").glob("detector-*.zip")
    [entry] = zipfile.ZipFile(archive).infolist()
    assert (entry.filename, entry.external_attr >> 16, entry.date_time) == ("bootstrap", 0o755, (1980, 1, 1, 0, 0, 0))


def test_every_file_of_the_package_has_its_checksum(binaries, tmp_path):
    assemble(tmp_path / "package", binaries, [tmp_path / "detector"])
    sums = dict(reversed(line.split()) for line in (tmp_path / "package/SHA256SUMS").read_text().splitlines())
    files = {path.name: path.read_bytes() for path in (tmp_path / "package").iterdir() if path.name != "SHA256SUMS"}
    assert sums == {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}


def test_a_licence_that_several_packages_have_is_there_once_and_one_without_a_text_by_name(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a/LICENSE-MIT").write_text("do what you like\n")
    (tmp_path / "b/license.txt").write_text("do what you like")
    of = lambda name: {"name": name, "version": "1.0.0", "license": "MIT", "manifest_path": str(tmp_path / name / "Cargo.toml")}
    written = document([of(name) for name in ("c", "b", "a")])
    assert written.startswith("a 1.0.0, b 1.0.0\n\ndo what you like\n")
    assert written.count("do what you like") == 1 and written.endswith("c 1.0.0: MIT\n")


def test_a_function_that_lambda_could_not_load_is_refused(binaries, tmp_path):
    binaries["alerter"].write_bytes(b"\x7fELF\0GLIBC_2.35\0")
    with pytest.raises(SystemExit, match="alerter needs glibc 2.35"):
        assemble(tmp_path / "package", binaries)

"""The linters pass without a finding, and every suppression is needed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import model

BIN = Path(sys.executable).parent
QUIET = {**os.environ, "SAM_CLI_TELEMETRY": "0", "NO_COLOR": "1"}


def run(*command):
    done = subprocess.run(command, cwd=model.ROOT, env=QUIET, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def checkov():
    """checkov's report, which also counts parsing errors."""
    command = [os.environ["CHECKOV"], "--file", "template.yaml", "--framework", "cloudformation", "--skip-download"]
    done = subprocess.run([*command, "--output", "json"], cwd=model.ROOT, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def suppressions():
    """(check, resource) of every inline suppression."""
    for name, resource in model.template()["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            assert len(skip["comment"]) > 20, f"{skip['id']} of {name} is suppressed without a reason"
            yield skip["id"], f"{resource['Type']}.{name}"


def test_sam_validates_the_template():
    code, output = run(BIN / "sam", "validate", "--lint", "--region", "us-east-1")
    assert code == 0, output
    assert "is a valid SAM Template" in output


def test_cfn_lint_has_no_finding_down_to_information():
    code, output = run(BIN / "cfn-lint", "--include-checks", "I", "--", "template.yaml")
    assert (code, output) == (0, "")


def test_checkov_has_no_finding_and_every_suppression_is_needed():
    report = checkov()
    failed = [(check["check_id"], check["resource"]) for check in report["results"]["failed_checks"]]
    skipped = [(check["check_id"], check["resource"]) for check in report["results"]["skipped_checks"]]
    assert failed == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["resource_count"] == len(model.template()["Resources"])
    assert sorted(skipped) == sorted(suppressions())


def test_nothing_is_suppressed_for_cfn_lint():
    assert "cfn-lint" not in model.TEMPLATE.read_text()
    assert not list(model.ROOT.glob(".cfnlintrc*"))

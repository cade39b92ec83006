"""A binary of the wrong instruction set is recognised, and the guide builds and deploys the same one."""

import re
import sys
from pathlib import Path

import pytest

import model
from architecture import MACHINES, machine_of, mismatch


def elf(machine, order=1):
    return b"\x7fELF\x02" + bytes([order]) + bytes(10) + b"\x02\x00" + machine.to_bytes(2, "little") + bytes(44)


def test_every_architecture_of_the_template_is_known():
    assert sorted(MACHINES) == sorted(model.template()["Parameters"]["Architecture"]["AllowedValues"])


@pytest.mark.parametrize("architecture", MACHINES)
def test_a_binary_fits_its_own_architecture_alone(architecture):
    for built, machine in MACHINES.items():
        found = mismatch(elf(machine), architecture)
        assert (found is None) == (built == architecture)
        assert found is None or f"built for {built}" in found


def test_an_unknown_machine_is_named_by_its_number():
    assert "ELF machine 243" in mismatch(elf(243), "arm64")


@pytest.mark.parametrize("binary", [b"", b"\x7fELF\x02\x01", b"#!/bin/sh\necho a longer script\n", elf(62, order=2)])
def test_what_lambda_could_not_run_is_an_error(binary):
    with pytest.raises(ValueError):
        machine_of(binary)


def test_a_real_binary_of_this_machine_is_recognised():
    assert machine_of(Path(sys.executable).resolve().read_bytes()) in MACHINES.values()


def test_the_guide_builds_and_deploys_the_same_architecture():
    guide = (model.ROOT / "docs/deploy.md").read_text()
    commands = re.findall(r"^(sam \w+) --parameter-overrides Architecture=(\w+)", guide, re.MULTILINE)
    assert commands == [("sam build", "arm64"), ("sam deploy", "arm64")]

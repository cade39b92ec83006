"""One emulator and one stack for all. The files run in the order of their names, and each finds what those before it left."""

import json
import signal
import subprocess

import pytest

from emulator import Emulator
from local import LOGS, ROOT
from stack import Stack
from subscribers import Subscribers

SIGMA = ROOT / "target" / "debug" / "sigma"


@pytest.fixture(scope="session")
def emulator():
    emulator = Emulator()
    yield emulator
    emulator.stop()


@pytest.fixture(scope="session")
def stack(emulator):
    stack = Stack(emulator)
    stack.deploy()
    return stack


@pytest.fixture(scope="session")
def subscribers(stack):
    subscribers = Subscribers(stack)
    yield subscribers
    subscribers.stop()


@pytest.fixture(scope="session")
def sigma(emulator):
    """Runs a command of `sigma` against the emulator and returns what it prints as JSON."""
    def run_sigma(*arguments, exit_status=0):
        command = [str(part) for part in (SIGMA, *arguments)]
        result = subprocess.run(command, env=emulator.environment(), capture_output=True, text=True, timeout=300)
        assert result.returncode == exit_status, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return json.loads(result.stdout)

    return run_sigma


class Running:
    """A command of `sigma` that goes on while the test does something else."""

    def __init__(self, process):
        self.process = process

    def runs(self):
        assert self.process.poll() is None, self.process.communicate()
        return True

    def result(self, seconds=300):
        out, errors = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, (out, errors)
        return json.loads(out)


@pytest.fixture
def sigma_running(emulator):
    """Starts a command of `sigma` against the emulator; ends it if the test has not waited for it."""
    started = []

    def start(*arguments):
        command = [str(part) for part in (SIGMA, *arguments)]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, env=emulator.environment(), stdout=pipe, stderr=pipe, text=True))
        return Running(started[-1])

    yield start
    for process in started:
        process.kill()
        process.wait()


def pytest_configure():
    # A run that is told to end ends what it has started, as one that is interrupted does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter, exitstatus):
    if exitstatus:
        terminalreporter.write_line(f"the logs of the emulator, of SAM and of cargo lambda are in {LOGS}")

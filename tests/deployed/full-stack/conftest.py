"""One emulator and one stack for all tests. The files run in the order of their names, each on the state that the earlier ones left."""

import json
import signal
import subprocess
from contextlib import contextmanager

import pytest

from emulator import Emulator
from faults import Faults
from local import LOGS, ROOT, until
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
    stack = Stack(emulator, AnomalyAlarmNotifies="true")
    stack.deploy()
    return stack


@pytest.fixture(scope="session")
def subscribers(stack):
    subscribers = Subscribers(stack)
    yield subscribers
    subscribers.stop()


@pytest.fixture(scope="session")
def sigma(emulator):
    """Runs a command of `sigma` against the emulator. Returns the JSON that it prints."""
    def run_sigma(*arguments, exit_status=0):
        command = [str(part) for part in (SIGMA, *arguments)]
        result = subprocess.run(command, env=emulator.environment(), capture_output=True, text=True, timeout=300)
        assert result.returncode == exit_status, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return json.loads(result.stdout)

    return run_sigma


@pytest.fixture(scope="session")
def mapping(stack):
    """The id of the deployed mapping, disabled, so that nothing else delivers."""
    uuid, functions = stack.outputs["DetectorMappingId"], stack.client("lambda")
    functions.update_event_source_mapping(UUID=uuid, Enabled=False)
    until("the mapping to be disabled", 30, lambda: functions.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    return uuid


class Running:
    """A command of `sigma` that runs while the test does something else."""

    def __init__(self, process):
        self.process = process

    def is_running(self):
        assert self.process.poll() is None, self.process.communicate()
        return True

    def result(self, seconds=300):
        out, errors = self.process.communicate(timeout=seconds)
        assert self.process.returncode == 0, (out, errors)
        return json.loads(out)


@pytest.fixture(scope="module")
def sigma_running(emulator):
    """Starts a command of `sigma` against the emulator, and ends it if the test has not waited for it."""
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


# Seconds. Long enough for calls that fail and are retried; an alert whose alerter died waits until both have run out.
ALERTER_TIMEOUT, VISIBILITY_TIMEOUT = 15, 18


@pytest.fixture(scope="session")
def proxy(emulator):
    proxy = Faults(emulator)
    yield proxy
    proxy.stop()


@pytest.fixture(scope="module")
def faults(proxy, stack):
    """The proxy between both functions and the emulator, without a fault so far. A failed alert is soon redelivered."""
    proxy.clear()
    with behind(proxy, stack, "DetectorFunctionName"), behind(proxy, stack, "AlerterFunctionName", Timeout=ALERTER_TIMEOUT):
        with visibility_timeout(stack, VISIBILITY_TIMEOUT):
            yield proxy


@contextmanager
def behind(proxy, stack, output, **settings):
    """Temporarily gives the deployed function another endpoint, and other settings."""
    configuration = stack.client("lambda").get_function_configuration(FunctionName=stack.outputs[output])
    variables = configuration["Environment"]["Variables"]
    stack.configure(output, variables | {"AWS_ENDPOINT_URL": proxy.url}, **settings)
    try:
        yield
    finally:
        stack.configure(output, variables, **{name: configuration[name] for name in settings})


@contextmanager
def visibility_timeout(stack, seconds):
    sqs, queue, name = stack.client("sqs"), stack.outputs["AnomalyQueueUrl"], "VisibilityTimeout"
    before = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=[name])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={name: str(seconds)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=queue, Attributes=before)


def pytest_configure():
    # A run that is terminated stops its processes, like one that is interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_terminal_summary(terminalreporter, exitstatus):
    if exitstatus:
        terminalreporter.write_line(f"the logs of the emulator, of SAM and of cargo lambda are in {LOGS}")

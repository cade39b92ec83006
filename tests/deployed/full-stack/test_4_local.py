"""`make local`, as events/README.md shows it: its own commands, line by line, then every event with `cargo lambda invoke`. It has an AWS
of its own, so nothing here touches the stack."""

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from local import LOGS, ROOT, Daemon, free_port, is_listening, run, until

EVENTS = ROOT / "events"
# Seconds. A function that is invoked for the first time may have to be compiled.
COMPILE_SECONDS = 900
DELIVERY_SECONDS = 60
END_SECONDS = 30
FUNCTIONS = {"kinesis": "detector", "sqs": "alerter"}
# The last words of the welcome.
READY = "Ctrl-C ends everything."
# cargo-lambda, and nothing of the caller's AWS.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}


def names():
    return sorted(file.name.removesuffix(".expected.json") for file in EVENTS.glob("*.expected.json"))


def expected(name):
    return json.loads((EVENTS / f"{name}.expected.json").read_text())


def documented():
    """The commands in the first block of code of events/README.md, without their comments."""
    block = (EVENTS / "README.md").read_text().split("```")[1]
    return [line.split(" #")[0].strip() for line in block.splitlines() if line.strip()]


def documented_in_text(pattern):
    """The one command in the text of events/README.md that matches a pattern."""
    [command] = re.findall(f"`({pattern})`", (EVENTS / "README.md").read_text())
    return command


def shell(command):
    """Runs a command as people type it. Returns what it prints, which is a response."""
    return json.loads(run(["bash", "-c", command], ENVIRONMENT, "cargo-lambda-invoke.log", COMPILE_SECONDS))


def log(daemon):
    return Path(daemon.log).read_text()


def command_of(pid):
    """The command line of a process; none if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


class Local:
    """`make local`, from its start to the event that was invoked last."""

    def __init__(self, command):
        # `env` takes assignments before a command, as a shell does.
        self.daemon = Daemon(["env", *command.split()], ENVIRONMENT, "make-local.log")
        until("make local to be ready", COMPILE_SECONDS, lambda: self.daemon.is_running() and READY in log(self.daemon))
        self.responses = {}

    def welcome(self):
        """The lines that it tells people to type."""
        return [line.strip() for line in log(self.daemon).splitlines() if line.startswith("  ")]

    def flags(self):
        """What a line that it prints has in addition to the documented one: the port, if the usual one is taken."""
        [line] = [line for line in self.welcome() if line.startswith(documented()[1])]
        return line.removeprefix(documented()[1])

    def invoke(self, name):
        """Invokes an event, after the one that it names as its predecessor; each once."""
        if name in self.responses:
            return
        if before := expected(name).get("after"):
            self.invoke(before)
        function = FUNCTIONS[name.split("-")[0]]
        self.responses[name] = shell(f"cargo lambda invoke {function} --data-file events/{name}.json{self.flags()}")

    def processes(self):
        """The process and all its descendants. Functions are in sessions of their own, but never without their parents."""
        found = [self.daemon.process.pid]
        for pid in found:
            found += [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in file.read_text().split()]
        return found


@pytest.fixture(scope="module")
def local():
    local = Local(documented()[0])
    yield local
    local.daemon.stop()


@pytest.fixture(scope="module")
def invoked(local):
    """After every event, in an order that is not that of their names."""
    for name in reversed(names()):
        local.invoke(name)
    return local


def test_the_documented_commands_are_the_printed_ones_and_get_the_expected_responses(local):
    start, *invocations = documented()
    assert start == "make local"
    assert [line.removesuffix(local.flags()) for line in local.welcome() if "invoke" in line] == invocations
    for command in invocations:
        name = re.search(r"events/(\S+)\.json", command)[1]
        local.responses[name] = shell(command + local.flags())
        assert local.responses[name] == expected(name)["response"]


@pytest.mark.parametrize("name", names())
def test_an_event_gets_its_expected_response(invoked, name):
    assert invoked.responses[name] == expected(name)["response"]


def test_each_alert_is_printed_once_as_people_would_read_it(invoked):
    starts = sorted(start for name in names() for start in expected(name).get("alerts", []))
    texts = lambda: sorted(line for line in log(invoked.daemon).splitlines() if line.startswith("ANOMALY DETECTED"))
    until("the alerts", DELIVERY_SECONDS, lambda: len(texts()) >= len(starts))
    assert len(texts()) == len(starts)
    assert all(text.startswith(start) for text, start in zip(texts(), starts))
    assert "Subject: Transaction Anomaly Alert\n\nANOMALY DETECTED: User bob " in log(invoked.daemon)


def test_each_bad_record_is_printed_with_its_reason(invoked):
    reasons = sorted(reason for name in names() for reason in expected(name).get("quarantined", []))
    assert sorted(re.findall(r"^In quarantine: ([\w-]+)", log(invoked.daemon), re.MULTILINE)) == reasons


def test_the_summary_comes_at_once_and_within_a_minute_not_again(invoked):
    command = documented_in_text(r"cargo lambda invoke alerter --data-ascii [^`]+") + invoked.flags()
    summaries = lambda: len(re.findall(r"^Subject: .*\n\n\d+ anomal(?:y|ies) since the last summary: ", log(invoked.daemon), re.MULTILINE))
    assert shell(command) == {"batchItemFailures": []}
    until("the summary", DELIVERY_SECONDS, summaries)
    assert shell(command) == {"batchItemFailures": []}
    until("a refusal", DELIVERY_SECONDS, lambda: "There was a summary within the last minute." in log(invoked.daemon))
    assert summaries() == 1


def all_end_at(number, local):
    """As a terminal does: every process of the foreground group gets the signal."""
    processes = local.processes()
    os.killpg(local.daemon.process.pid, number)
    local.daemon.process.wait(timeout=END_SECONDS)
    until("every process to end", END_SECONDS, lambda: not any(command_of(pid) for pid in processes))


def test_ctrl_c_ends_everything_that_it_started(invoked):
    assert any(b"target/debug/detector" in command_of(pid) for pid in invoked.processes())
    all_end_at(signal.SIGINT, invoked)


def test_settings_reach_the_functions_and_a_closed_terminal_ends_everything(invoked):
    again = Local(documented_in_text(r"SIGMAS=3 make local"))
    try:
        assert any(b"watch" in command_of(pid) for pid in again.processes())
        again.invoke("kinesis-anomaly")
        detectors = [pid for pid in again.processes() if b"target/debug/detector" in command_of(pid)]
        assert any(b"SIGMAS=3" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in detectors)
        all_end_at(signal.SIGHUP, again)
    finally:
        again.daemon.stop()


@pytest.fixture(scope="module")
def unconfigured():
    """`cargo lambda watch` by itself, and where it takes invocations."""
    port = free_port()
    command = ["cargo", "lambda", "watch", "--ignore-changes", "--invoke-address", "127.0.0.1", "--invoke-port", port]
    daemon = Daemon(command, ENVIRONMENT | {"RUST_BACKTRACE": "1"}, "cargo-lambda-watch.log")
    until("cargo lambda watch to listen", 60, lambda: daemon.is_running() and is_listening(port))
    yield daemon, f"http://127.0.0.1:{port}/2015-03-31/functions"
    daemon.stop()


@pytest.mark.parametrize("function", FUNCTIONS.values())
def test_without_make_local_a_function_says_so_in_one_line_and_no_invocation_waits(unconfigured, function):
    daemon, functions = unconfigured
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{functions}/{function}/invocations", data=b"{}", timeout=COMPILE_SECONDS)
        reason = json.load(refused.value)["errorMessage"]
        assert reason.startswith(f"the {function} is not configured: ") and "`make local`" in reason
    assert log(daemon).splitlines().count(f"error: {reason}") == 1
    assert "backtrace" not in log(daemon)


def test_without_cargo_lambda_it_says_in_one_line_how_to_get_it():
    sigma, cargo = ROOT / "target" / "debug" / "sigma", LOGS / "cargo-alone"
    cargo.mkdir(exist_ok=True)
    (cargo / "cargo").touch()
    result = subprocess.run([sigma, "local"], env={"PATH": str(cargo)}, capture_output=True, text=True, timeout=30)
    [line] = result.stderr.splitlines()
    assert (result.returncode, result.stdout) == (1, "")
    assert line.startswith("error: cargo-lambda is missing: `make local`")

"""Processes and waiting: what the tests need of this machine."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "target" / "full-stack"
# Seconds between two looks at something that is awaited.
POLL_SECONDS = 0.2


def until(what, seconds, look):
    """The first true value that `look` gives, within `seconds`; otherwise a failure that says what was awaited."""
    end = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() >= end:
            raise AssertionError(f"{what}: not within {seconds} s; last seen: {found!r}")
        time.sleep(POLL_SECONDS)


def free_port():
    """A port that is free now; nobody else on this machine is expected to take it in the next second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether somebody takes connections at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(command, env, log, seconds=600):
    """Runs a command from the root of the checkout to its end, its output in the log and in the failure."""
    result = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=env, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    with (LOGS / log).open("a") as file:
        file.write(f"$ {' '.join(map(str, command))}\n{result.stdout}\n")
    assert result.returncode == 0, f"{command} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


class Daemon:
    """A process of the tests that runs until it is stopped, in a group of its own, so that its children end with it."""

    def __init__(self, command, env, log):
        self.log = LOGS / log
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
            )

    def runs(self):
        """Fails with the log's end if the process has ended by itself."""
        assert self.process.poll() is None, f"{self.log} says:\n{self.log.read_text()[-4000:]}"
        return True

    def stop(self):
        """First asks the process, which then cleans up, then ends what is left of its group."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

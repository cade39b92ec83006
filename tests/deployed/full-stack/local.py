"""Local processes, ports and waiting."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LOGS = ROOT / "target" / "full-stack"
# Seconds between two polls.
POLL_SECONDS = 0.2


def until(what, seconds, poll):
    """Returns the first true value of `poll` within `seconds`; otherwise fails and says what it was waiting for."""
    end = time.monotonic() + seconds
    while True:
        if found := poll():
            return found
        if time.monotonic() >= end:
            raise AssertionError(f"{what}: not within {seconds} s; last seen: {found!r}")
        time.sleep(POLL_SECONDS)


def free_port():
    """A port that is free now. Nothing else on this machine is expected to take it in the next second."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port):
    """Whether a process accepts connections at the port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(command, env, log, seconds=600):
    """Runs a command to its end, from the root of the checkout. Its output goes to the log, and to the failure if it fails."""
    result = subprocess.run(
        [str(part) for part in command], cwd=ROOT, env=env, text=True, timeout=seconds, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    with (LOGS / log).open("a") as file:
        file.write(f"$ {' '.join(map(str, command))}\n{result.stdout}\n")
    assert result.returncode == 0, f"{command} ended with {result.returncode}:\n{result.stdout}"
    return result.stdout


class Daemon:
    """A process that runs until the tests stop it, in a process group of its own, so that its children end with it."""

    def __init__(self, command, env, log):
        self.log = LOGS / log
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [str(part) for part in command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True,
            )

    def is_running(self):
        """Fails with the end of the log if the process has ended by itself."""
        assert self.process.poll() is None, f"it has stopped; the end of {self.log}:\n{self.log.read_text()[-4000:]}"
        return True

    def stop(self):
        """First terminates the process, which then cleans up, then kills the rest of its group."""
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

"""What the processes of a deployed stack take: memory, and shares of a CPU."""

import time

import psutil

FUNCTIONS = {"detector": "DetectorFunctionName", "alerter": "AlerterFunctionName"}
MB = 1_000_000


class Usage:
    """The functions' instances, the emulator, the proxy, and other processes that one follows."""

    def __init__(self, stack, faults):
        self.stack, self.started, self.elapsed = stack, time.monotonic(), 0
        self.others = {"emulator": stack.emulator.daemon.process.pid, "proxy": faults.daemon.process.pid}
        # Seconds of CPU of each process by what it is, the largest memory of one process and that of the last look, in MB.
        self.cpu_seconds, self.memory_max, self.memory_now, self.before = {}, {}, {}, {}
        self.look()
        self.before = dict(self.cpu_seconds)

    def follow(self, **pids):
        self.others |= pids

    def look(self):
        """Notes what each process has taken so far."""
        self.elapsed = time.monotonic() - self.started
        for name, output in FUNCTIONS.items():
            for instance in self.stack.emulator.instances(self.stack.outputs[output]):
                self.note(name, instance.pid)
        for name, pid in self.others.items():
            self.note(name, pid)

    def note(self, name, pid):
        """Leaves out a process that has ended."""
        try:
            process = psutil.Process(pid)
            times, memory = process.cpu_times(), process.memory_info().rss / MB
        except psutil.NoSuchProcess:
            return
        self.cpu_seconds[name, pid] = times.user + times.system
        self.memory_now[name] = memory
        self.memory_max[name] = max(memory, self.memory_max.get(name, 0))

    def cpus(self):
        """CPUs by what used them, from the beginning to the last look."""
        total = {}
        for (name, pid), seconds in self.cpu_seconds.items():
            total[name] = total.get(name, 0) + seconds - self.before.get((name, pid), 0)
        return {name: round(seconds / self.elapsed, 3) for name, seconds in total.items()}

    def line(self):
        memory = ", ".join(f"{name} {megabytes:.0f} MB" for name, megabytes in self.memory_now.items())
        return f"{memory}; CPUs: " + ", ".join(f"{name} {cpus:.2f}" for name, cpus in self.cpus().items())

    def report(self):
        rounded = {name: round(megabytes, 1) for name, megabytes in self.memory_max.items()}
        return {"cpus": self.cpus(), "memory_max_mb": rounded}

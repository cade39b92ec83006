"""Faults between the deployed functions and the emulator: microburst, a proxy that fails calls as the services do."""

import json
import os
import urllib.request
from collections import Counter
from pathlib import Path

import boto3

from emulator import REGION, ROOT_KEY
from local import Daemon, free_port, is_listening, until
from stack import CLIENT

# Milliseconds. "Slow" is below the function's time-out for one attempt of a call (3 s), "too late" is above it: the call then takes
# effect after the caller has stopped waiting for it.
SLOW_MS = 700
TOO_LATE_MS = 3_500
# The error codes in the services' API references.
THROTTLES = {
    "dynamodb": "ProvisionedThroughputExceededException", "sqs": "RequestThrottled", "sns": "Throttling",
    "cloudwatch": "Throttling",
}
# A claim in the ledger and its end, which marks an alert as published or completed, as JMESPath.
CLAIM, MARK = "contains(UpdateExpression, ':claimed')", "contains(UpdateExpression, ':status')"
# A call that changes nothing.
WARM_UP = {"dynamodb": "list_tables", "sqs": "list_queues", "sns": "list_topics", "cloudwatch": "list_metrics"}


def throttled(service):
    return {"error": {"code": THROTTLES[service], "status": 400}}


# The faults of a call. "response lost" and "too late" take effect without the caller's knowledge.
KINDS = {
    "throttled": throttled,
    "failed": lambda _: {"error": {"code": "InternalFailure", "status": 500}},
    "reset": lambda _: {"reset": True},
    "slow": lambda _: {"latency": SLOW_MS},
    "response lost": lambda _: {"response": {"abort_bytes": 0}},
    "too late": lambda _: {"latency": TOO_LATE_MS},
    # Held for longer than the caller waits, then dropped, and so is each retry: it never takes effect.
    "held": lambda _: {"latency": TOO_LATE_MS, "reset": True, "times": None},
}


class Faults:
    """The proxy. It speaks plain HTTP to the functions and TLS to the emulator, and forwards every call that has no pending fault."""

    def __init__(self, emulator):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        # (service, operation, kind) of each fault added, by the proxy's own id.
        self.added = {}
        command = [
            os.environ["MINISTACK_PYTHON"], "-P", Path(__file__).with_name("faults_main.py"), "--upstream", emulator.url,
            "--no-resign", "--host", "127.0.0.1", "--port", self.port,
        ]
        self.daemon = Daemon(command, emulator.environment(), "microburst.log")
        until("microburst to listen", 60, lambda: self.daemon.is_running() and is_listening(self.port))
        self.warm_up()

    def warm_up(self):
        """Makes one call to each service: at the first one, microburst takes seconds to read all descriptions of the service."""
        for service, operation in WARM_UP.items():
            keys = {"aws_access_key_id": ROOT_KEY, "aws_secret_access_key": ROOT_KEY}
            client = boto3.client(service, region_name=REGION, endpoint_url=self.url, config=CLIENT, **keys)
            getattr(client, operation)()

    def add(self, service, operation, *kinds, body=None):
        """Adds each kind once, in this order, for the next calls of the operation whose body matches the JMESPath expression."""
        rules = [{"operation": operation, "times": 1} | rule(service, kind, body) for kind in kinds]
        for kind, added in zip(kinds, self.control("PATCH", "rules", rules)):
            self.added[added["id"]] = (service, operation, kind)

    def begin_outage(self, service, kind, body=None):
        """From now on, until the faults are cleared, every call to the service has this fault, or every one whose body matches."""
        added, = self.control("PATCH", "rules", [rule(service, kind, body)])
        self.added[added["id"]] = (service, "every call", kind)

    def injected(self):
        """Number of times that each (service, operation, kind) was injected."""
        counts = Counter()
        for found in self.control("GET", "rules"):
            counts[self.added[found["id"]]] += found["fired_count"]
        return counts

    def are_spent(self):
        """Whether every fault that was added has been injected."""
        return all(found["fired_count"] for found in self.control("GET", "rules"))

    def clear(self):
        """Removes all faults."""
        self.control("DELETE", "rules", [])
        self.added.clear()

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_microburst/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def stop(self):
        self.daemon.stop()


def rule(service, kind, body):
    return {"service": service} | KINDS[kind](service) | ({"body": body} if body else {})

"""The result that the deployed stack has to reach: a plain fold of the stream's records, by tests/deployed/src/bin/fold.rs."""

import base64
import json
import os
import subprocess

from local import ROOT

FOLD = ROOT / "target" / "debug" / "fold"


class Reference:
    """The fold of all records under these partition keys, which are the users' ids; of every record, if none are given."""

    def __init__(self, stack, users=None, seconds=60):
        records = [(shard, record) for shard, records in stack.records().items() for record in records if of(users, record)]
        lines = [line(shard, record) for shard, record in records]
        environment = os.environ | stack.environment_of("DetectorFunctionName")
        command = [FOLD, "--stream-arn", stack.outputs["StreamArn"]]
        result = subprocess.run(command, env=environment, input="".join(lines), capture_output=True, text=True, timeout=seconds)
        assert result.returncode == 0, result.stderr
        folded, self.records = json.loads(result.stdout), len(lines)
        # What is in the stream once or several times.
        self.payloads = {record["Data"] for _, record in records}
        # The stored state of each user, as bytes.
        self.states = {user: base64.b64decode(state) for user, state in folded["states"].items()}
        # Ids of the anomalies of each user, in order.
        self.anomalies = folded["anomalies"]
        # Payloads that are not transactions, by sequence number.
        self.rejected = {number: base64.b64decode(payload) for number, payload in folded["rejected"].items()}

    def ids(self):
        """Ids of all anomalies."""
        return {anomaly for anomalies in self.anomalies.values() for anomaly in anomalies}


def of(users, record):
    return users is None or record["PartitionKey"] in users


def line(shard, record):
    return json.dumps({
        "shardId": shard, "sequenceNumber": record["SequenceNumber"], "payload": base64.b64encode(record["Data"]).decode(),
        "arrivalTimeMs": int(record["ApproximateArrivalTimestamp"].timestamp() * 1000),
    }) + "\n"

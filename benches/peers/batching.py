"""The same detector, which commits as ours does: users whose item is there, and that neither have nor get an anomaly to send, 25 in one
BatchExecuteStatement. The others, and those in conflict, are written one by one.
"""

import json
import time

from botocore.exceptions import ClientError

import detector
from detector import RETENTION_SECONDS, TABLE, commit, dynamodb, fold, load, put, read

STATEMENTS_MAX = 25
UPDATE = f'UPDATE "{TABLE}" SET "state"=? SET "version"=? SET "expiresAt"=? WHERE "userId"=? AND "version"=?'


def commit_all(works):
    """Each user with what was written; None if nothing could be."""
    for start in range(0, len(works), STATEMENTS_MAX):
        together = []
        for user, records, stored in works[start : start + STATEMENTS_MAX]:
            had_outbox = bool(stored["outbox"])
            fold(stored, records)
            if stored["version"] is None or had_outbox or stored["outbox"]:
                yield user, records, alone(user, stored, records)
            else:
                together.append((user, records, stored))
        if together:
            yield from execute(together)


def alone(user, stored, records):
    try:
        return put(user, stored)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            return None
        return again(user, records, error.response.get("Item"))


def again(user, records, item):
    """After a conflict: the records are folded onto the item that is there."""
    return commit(user, read(item) if item else load([user])[user], records)


def execute(together):
    statements = [statement(user, stored) for user, _, stored in together]
    try:
        responses = dynamodb.batch_execute_statement(Statements=statements)["Responses"]
    except ClientError:
        responses = [{"Error": {"Code": "InternalServerError"}}] * len(together)
    for (user, records, stored), response in zip(together, responses):
        error = response.get("Error")
        if not error:
            stored["version"] += 1
            yield user, records, stored
        elif error["Code"] == "ConditionalCheckFailed":
            yield user, records, again(user, records, response.get("Item"))
        else:
            yield user, records, None


def statement(user, stored):
    parameters = [
        {"S": json.dumps(stored["state"], separators=(",", ":"))},
        {"N": str(stored["version"] + 1)},
        {"N": str(int(time.time()) + RETENTION_SECONDS)},
        {"S": user},
        {"N": str(stored["version"])},
    ]
    return {"Statement": UPDATE, "Parameters": parameters, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}


detector.commit_all = commit_all
handler = detector.handler

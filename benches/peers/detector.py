"""The detector as a good Python engineer would deploy it: boto3, records coalesced per user, state cached while the container is
warm, one conditional PutItem for each user and batch with the anomalies in an outbox attribute, then SendMessageBatch, then the
outbox cleared. A bad record goes to quarantine; a user whose write fails is reported, and only that user's records are redelivered.
"""

import base64
import hashlib
import json
import os
import time
from collections import OrderedDict

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import rule

TABLE = os.environ["STATE_TABLE_NAME"]
ANOMALY_QUEUE = os.environ["ANOMALY_QUEUE_URL"]
QUARANTINE_QUEUE = os.environ["QUARANTINE_QUEUE_URL"]
CACHE_USERS_MAX = int(os.environ.get("CACHE_USERS_MAX", "10000"))
RETENTION_SECONDS = 90 * 86_400
COMMIT_ATTEMPTS_MAX = 5
KEYS_PER_GET = 100

config = Config(connect_timeout=1, read_timeout=3, retries={"mode": "standard", "max_attempts": 3})
dynamodb = boto3.client("dynamodb", config=config)
sqs = boto3.client("sqs", config=config)
cache = OrderedDict()


def handler(event, context):
    users, bad, failed = {}, [], []
    for record in event["Records"]:
        kinesis = record["kinesis"]
        try:
            transaction = decode(kinesis)
        except (ValueError, KeyError, TypeError):
            bad.append(kinesis)
            continue
        shard = record["eventID"].split(":")[0]
        place = (shard, int(kinesis["sequenceNumber"]), record["eventSourceARN"])
        users.setdefault(transaction["userId"], []).append((place, transaction))
    loaded = load([user for user in users if user not in cache])
    unsent = []
    works = [(user, records, cache.pop(user, None) or loaded[user]) for user, records in users.items()]
    for user, records, stored in commit_all(works):
        if stored is None:
            failed.append(min(place[1] for place, _ in records))
        elif stored["outbox"]:
            unsent.append((user, stored, records))
        else:
            remember(user, stored)
    failed += settle(unsent)
    failed += quarantine(bad)
    return {"batchItemFailures": [{"itemIdentifier": str(min(failed))}] if failed else []}


def decode(kinesis):
    transaction = json.loads(base64.b64decode(kinesis["data"]))
    user, amount, event_time = transaction["userId"], transaction["amount"], transaction["timestamp"]
    if not (isinstance(user, str) and 0 < len(user) <= 256 and user.isprintable()):
        raise ValueError("userId")
    if isinstance(amount, bool) or not abs(amount) <= 1e12:
        raise ValueError("amount")
    if not 0 <= event_time <= kinesis["approximateArrivalTimestamp"] * 1000 + 300_000:
        raise ValueError("timestamp")
    return transaction


def load(users):
    """The stored states of users; a user without one gets an empty state."""
    loaded = {user: {"state": rule.empty_state(), "outbox": [], "version": None} for user in users}
    for start in range(0, len(users), KEYS_PER_GET):
        request = {TABLE: {"Keys": [{"userId": {"S": user}} for user in users[start : start + KEYS_PER_GET]]}}
        while request:
            response = dynamodb.batch_get_item(RequestItems=request)
            for item in response["Responses"].get(TABLE, []):
                loaded[item["userId"]["S"]] = read(item)
            request = response.get("UnprocessedKeys")
    return loaded


def read(item):
    return {
        "state": json.loads(item["state"]["S"]),
        "outbox": json.loads(item["outbox"]["S"]) if "outbox" in item else [],
        "version": int(item["version"]["N"]),
    }


def commit_all(works):
    """Each user with what was written; None if nothing could be."""
    for user, records, stored in works:
        yield user, records, commit(user, stored, records)


def commit(user, stored, records):
    """Folds and writes, and does both again after each conflict; None if the state could not be written."""
    for _ in range(COMMIT_ATTEMPTS_MAX):
        fold(stored, records)
        try:
            return put(user, stored)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                return None
            item = error.response.get("Item")
            stored = read(item) if item else load([user])[user]
    return None


def fold(stored, records):
    for place, transaction in records:
        found = rule.step(stored["state"], place[0], place[1], transaction)
        if found:
            stored["outbox"].append(message(place, transaction, found))


def put(user, stored):
    now = time.time()
    version = int(now * 1000) if stored["version"] is None else stored["version"] + 1
    item = {
        "userId": {"S": user},
        "state": {"S": json.dumps(stored["state"], separators=(",", ":"))},
        "version": {"N": str(version)},
        "expiresAt": {"N": str(int(now) + RETENTION_SECONDS)},
    }
    if stored["outbox"]:
        item["outbox"] = {"S": json.dumps(stored["outbox"])}
    request = {"TableName": TABLE, "Item": item, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    if stored["version"] is None:
        request["ConditionExpression"] = "attribute_not_exists(userId)"
    else:
        request["ConditionExpression"] = "#version = :replaced"
        request["ExpressionAttributeNames"] = {"#version": "version"}
        request["ExpressionAttributeValues"] = {":replaced": {"N": str(stored["version"])}}
    dynamodb.put_item(**request)
    stored["version"] = version
    return stored


def message(place, transaction, found):
    shard, sequence, stream = place
    mean, stddev, threshold, score, count = found
    identity = hashlib.md5(f"{stream}/{shard}/{sequence}".encode()).hexdigest()
    return {"version": 1, "id": identity, **transaction, "mean": mean, "stddev": stddev, "threshold": threshold,
            "score": score, "count": count, "shardId": shard, "sequenceNumber": str(sequence)}  # fmt: skip


def settle(unsent):
    """Sends the outboxes and clears those that are confirmed. Returns the sequence numbers to be redelivered."""
    bodies = [json.dumps(one) for _, stored, _ in unsent for one in stored["outbox"]]
    confirmed = send(ANOMALY_QUEUE, bodies)
    failed, start = [], 0
    for user, stored, records in unsent:
        end = start + len(stored["outbox"])
        if all(confirmed[start:end]):
            stored["outbox"] = []
            try:
                remember(user, put(user, stored))
            except ClientError:
                pass  # It is sent again with the user's next batch, under the same ids.
        else:
            failed.append(min(place[1] for place, _ in records))
        start = end
    return failed


def send(queue, bodies):
    confirmed = [False] * len(bodies)
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(i), "MessageBody": bodies[i]} for i in range(start, min(start + 10, len(bodies)))]
        try:
            for entry in sqs.send_message_batch(QueueUrl=queue, Entries=entries).get("Successful", []):
                confirmed[int(entry["Id"])] = True
        except ClientError:
            pass
    return confirmed


def quarantine(bad):
    confirmed = send(QUARANTINE_QUEUE, [json.dumps(kinesis) for kinesis in bad])
    return [int(kinesis["sequenceNumber"]) for kinesis, is_confirmed in zip(bad, confirmed) if not is_confirmed]


def remember(user, stored):
    cache[user] = stored
    if len(cache) > CACHE_USERS_MAX:
        cache.popitem(last=False)

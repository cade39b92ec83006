"""Runs the handler on files of events, with DynamoDB and SQS answered at botocore's HTTP layer: serialisation, signing and parsing
are done, the network is not. Reads paths from standard input, one a line; answers each with a line of JSON: CPU seconds of this
process from the event's text to the answer's, and what was done.
"""

import io
import json
import sys
import time

from botocore.awsrequest import AWSResponse

import detector

counts = {"requests": 0, "messages": 0}


class Raw(io.BytesIO):
    """The part of urllib3's response that botocore reads."""

    def stream(self, **_):
        while chunk := self.read(65_536):
            yield chunk


def answer(request, event_name, **_):
    """The answer of an AWS that takes everything. Registered before the event is sent, so nothing leaves the process."""
    counts["requests"] += 1
    body = b"{}"
    if event_name.endswith("BatchGetItem"):
        body = b'{"Responses":{},"UnprocessedKeys":{}}'
    elif event_name.endswith("SendMessageBatch"):
        entries = json.loads(request.body)["Entries"]
        counts["messages"] += len(entries)
        body = json.dumps({"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries], "Failed": []}).encode()
    return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, Raw(body))


detector.dynamodb.meta.events.register("before-send.dynamodb", answer)
detector.sqs.meta.events.register("before-send.sqs", answer)
print("{}", flush=True)
for path in sys.stdin:
    with open(path.strip(), encoding="utf-8") as file:
        events = file.read().splitlines()
    counts.update(requests=0, messages=0)
    started = time.process_time()
    answers = [json.dumps(detector.handler(json.loads(event), None)) for event in events]
    seconds = time.process_time() - started
    failures = sum("itemIdentifier" in one for one in answers)
    print(json.dumps({"cpuSeconds": seconds, "failures": failures, **counts}), flush=True)

"""Runs the handler of the module that it is given, `detector` or `batching`, on files of events. The responses of DynamoDB and SQS are
made at botocore's HTTP layer, so the measurement includes serialisation, signing and parsing, but not the network. Reads paths from
standard input, one a line, and prints a line of JSON for each: the CPU seconds of this process from the event's text to the response's
text, and the numbers of failures, requests and messages.
"""

import importlib
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


def respond(request, event_name, **_):
    """The response of an AWS that accepts every request. Called before the request is sent, so nothing leaves the process."""
    counts["requests"] += 1
    body = b"{}"
    if event_name.endswith("BatchGetItem"):
        body = b'{"Responses":{},"UnprocessedKeys":{}}'
    elif event_name.endswith("SendMessageBatch"):
        entries = json.loads(request.body)["Entries"]
        counts["messages"] += len(entries)
        body = json.dumps({"Successful": [{"Id": e["Id"], "MessageId": "m"} for e in entries], "Failed": []}).encode()
    elif event_name.endswith("BatchExecuteStatement"):
        executed = ['{"TableName":"user-state"}'] * request.body.count(b'"Statement":')
        body = f'{{"Responses":[{",".join(executed)}]}}'.encode()
    return AWSResponse(request.url, 200, {"Content-Type": "application/x-amz-json-1.0"}, Raw(body))


detector.dynamodb.meta.events.register("before-send.dynamodb", respond)
detector.sqs.meta.events.register("before-send.sqs", respond)
handler = importlib.import_module(sys.argv[1]).handler
print("{}", flush=True)
for path in sys.stdin:
    with open(path.strip(), encoding="utf-8") as file:
        events = file.read().splitlines()
    counts.update(requests=0, messages=0)
    started = time.process_time()
    responses = [json.dumps(handler(json.loads(event), None)) for event in events]
    seconds = time.process_time() - started
    failures = sum("itemIdentifier" in one for one in responses)
    print(json.dumps({"cpuSeconds": seconds, "failures": failures, **counts}), flush=True)

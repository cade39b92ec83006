"""The detector that commits in batches as a function: the loop of a custom runtime over http.client. It does less than awslambdaric, the
managed runtime's client (no logging set-up, no tracing header, no X-Ray), so its cost is a lower bound.
"""

import http.client
import json
import os

connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
API = "/2018-06-01/runtime/invocation"

import batching  # noqa: E402  INIT: everything is imported and every client created before the first event is requested.

while True:
    connection.request("GET", f"{API}/next")
    response = connection.getresponse()
    request_id, event = response.headers["Lambda-Runtime-Aws-Request-Id"], json.loads(response.read())
    result = json.dumps(batching.handler(event, None))
    connection.request("POST", f"{API}/{request_id}/response", body=result.encode())
    connection.getresponse().read()

"""Stand-ins for the receivers of the channels, on loopback and with TLS. Each accepts only what the library of the real one accepts."""

import datetime
import functools
import http.server
import importlib.resources
import json
import ssl
import threading
from urllib.parse import urlsplit

import jsonschema
from pagerduty import EventsApiV2Client
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook

ROUTING_KEY = "0123456789abcdef0123456789abcdef"
SIGNING_KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
OLD_SIGNING_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
# The most that Slack and Teams take.
SLACK_CHARACTERS, TEAMS_BYTES = 3_000, 28_000


def slack(_, body):
    """Slack's own models refuse blocks that the service would refuse, as far as they know its limits."""
    message = json.loads(body)
    blocks = Block.parse_all(message["blocks"])
    assert 0 < len(blocks) <= 4 and message["text"]
    for block in blocks:
        block.validate_json()
    texts = [text for block in message["blocks"] for text in (block.get("text"), *block.get("elements", [])) if text]
    assert sum(len(text["text"]) for text in texts) <= SLACK_CHARACTERS
    assert all((text["type"], text["emoji"]) == ("plain_text", False) for text in texts)
    return message


@functools.cache
def card_schema():
    """The schema of Adaptive Cards 1.4, as Microsoft publishes it."""
    return json.loads((importlib.resources.files("adaptive_cards") / "schemas/schema-1.4.json").read_text())


def teams(_, body):
    assert len(body) <= TEAMS_BYTES
    message = json.loads(body)
    [attachment] = message["attachments"]
    assert (message["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    jsonschema.validate(attachment["content"], card_schema())
    return message


class Recorder(EventsApiV2Client):
    """PagerDuty's client, which keeps what it would send."""

    def post(self, _, json):
        self.sent = json | self.auth_method.auth_param
        return Answered(json.get("dedup_key"))


class Answered:
    """What PagerDuty answers to an event."""

    def __init__(self, dedup_key):
        self.dedup_key, self.status_code, self.is_success = dedup_key, 202, True

    def json(self):
        return {"status": "success", "dedup_key": self.dedup_key}


def pagerduty(_, body):
    """The event is the one that PagerDuty's own client would have sent."""
    event = json.loads(body)
    payload, client = event["payload"], Recorder(ROUTING_KEY)
    more = {name: payload[name] for name in ("timestamp", "component")}
    client.trigger(
        payload["summary"], payload["source"], event["dedup_key"], payload["severity"], more, payload["custom_details"],
    )
    assert event == client.sent
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert len(payload["summary"]) <= 1024 and len(event["dedup_key"]) <= 255
    datetime.datetime.fromisoformat(payload["timestamp"])
    return event


def webhook(headers, body):
    """Both keys verify, as while one replaces the other."""
    for key in (SIGNING_KEY, OLD_SIGNING_KEY):
        event = Webhook(key).verify(body, {name.lower(): value for name, value in headers.items()})
    assert event["type"] == "anomaly.alert" and event["data"]["id"] == headers["webhook-id"]
    return event


CHECKS = {"/slack": slack, "/teams": teams, "/pagerduty": pagerduty, "/webhook": webhook}


class Receiver:
    """One stand-in. What its check refuses is answered with 400 and kept apart."""

    def __init__(self, path, certificate, port=0):
        receiver = self
        self.path, self.certificate, self.accepted, self.refused = path, certificate, [], []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.send_response(receiver.receive(urlsplit(self.path).path, self.headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("server.key"))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}{path}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, path, headers, body):
        assert path == self.path
        try:
            self.accepted.append(CHECKS[path](headers, body))
        except Exception as error:
            self.refused.append((repr(error), body))
            return 400
        return 200

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def restart(self):
        """The same receiver, at the same address."""
        accepted = self.accepted
        self.__init__(self.path, self.certificate, self.port)
        self.accepted = accepted


class Receivers:
    """All stand-ins, and the secret that leads to them."""

    def __init__(self, certificate):
        self.slack, self.teams, self.pagerduty, self.webhook = (Receiver(path, certificate) for path in CHECKS)

    def all(self):
        return [self.slack, self.teams, self.pagerduty, self.webhook]

    def secret(self):
        return json.dumps({
            "slack": {"url": self.slack.url},
            "teams": {"url": self.teams.url},
            "pagerduty": {"routingKey": ROUTING_KEY, "url": self.pagerduty.url},
            "webhook": {"url": self.webhook.url, "keys": [SIGNING_KEY, OLD_SIGNING_KEY]},
        })

    def stop(self):
        for receiver in self.all():
            receiver.stop()

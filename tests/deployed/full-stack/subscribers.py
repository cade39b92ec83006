"""The subscribers: an SQS queue and an HTTP endpoint of the alerts, and an HTTP endpoint of the alarms."""

import http.server
import json
import threading

from local import until


ALERT_SUBJECT = "Transaction Anomaly Alert"


class Endpoint:
    """An HTTP endpoint on loopback. It confirms the subscription, as a real one has to, and keeps every notification."""

    def __init__(self, stack):
        endpoint = self
        self.stack, self.notifications = stack, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.receive(body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/alerts"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, body):
        if body["Type"] == "SubscriptionConfirmation":
            # By token: the emulator's SubscribeURL says http even where it serves https.
            self.stack.client("sns").confirm_subscription(TopicArn=body["TopicArn"], Token=body["Token"])
        else:
            self.notifications.append(body)

    def alerts(self):
        """Notifications from the alerter."""
        return [body for body in self.notifications if body["Subject"] == ALERT_SUBJECT]

    def alarms(self):
        """Names of the alarms that went off."""
        documents = [json.loads(body["Message"]) for body in self.notifications]
        return [document["AlarmName"] for document in documents if document.get("NewStateValue") == "ALARM"]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Subscribers:
    """The subscribers of the stack's topics, with confirmed subscriptions."""

    def __init__(self, stack):
        self.stack, self.from_queue = stack, []
        topic = stack.outputs["TopicArn"]
        self.queue_url = stack.client("sqs").create_queue(QueueName="subscriber")["QueueUrl"]
        queue_arn = self.allow_topic(topic)
        self.endpoint, self.operations = Endpoint(stack), Endpoint(stack)
        sns, operations = stack.client("sns"), stack.outputs["OperationsTopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue_arn)
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=self.endpoint.url)
        sns.subscribe(TopicArn=operations, Protocol="http", Endpoint=self.operations.url)
        until("all subscriptions to be confirmed", 30, lambda: (self.confirmed(topic), self.confirmed(operations)) == (2, 1))

    def allow_topic(self, topic):
        """Lets only the topic send to the queue."""
        sqs = self.stack.client("sqs")
        attributes = sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=["QueueArn"])["Attributes"]
        statement = {
            "Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": attributes["QueueArn"], "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=self.queue_url, Attributes={"Policy": policy})
        return attributes["QueueArn"]

    def confirmed(self, topic):
        attributes = self.stack.client("sns").get_topic_attributes(TopicArn=topic)["Attributes"]
        return int(attributes["SubscriptionsConfirmed"])

    def documents(self):
        """Every alert that the queue has received so far."""
        self.from_queue += documents(self.stack.messages(self.queue_url))
        return self.from_queue

    def alerts_of(self, user):
        """The user's alerts as the queue and as the endpoint received them."""
        return of(user, self.documents()), of(user, documents(self.endpoint.alerts()))

    def ids(self):
        """Ids of the alerts that the queue and that the endpoint have received, including those within digests."""
        return ids(self.documents()), ids(documents(self.endpoint.alerts()))

    def forget(self):
        """Drops all alerts that both have received so far."""
        self.documents().clear()
        self.endpoint.notifications.clear()

    def stop(self):
        self.endpoint.stop()
        self.operations.stop()


def documents(notifications):
    """The alerter's own documents."""
    return [json.loads(body["Message"]) for body in notifications if body["Subject"] == ALERT_SUBJECT]


def of(user, alerts):
    return [document for document in alerts if document.get("userId") == user]


def ids(documents):
    return [alert["id"] for document in documents for alert in document.get("digest", [document])]

"""Each function's role was sufficient for the tests before this one. These tests show that it permits nothing else."""

from botocore.exceptions import ClientError

DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}


def calls_outside_of_the_detector(out):
    return {
        "read the ledger": ("dynamodb", "get_item", {"TableName": out["LedgerTableName"], "Key": {"id": {"S": "x"}}}),
        "write the ledger": ("dynamodb", "put_item", {"TableName": out["LedgerTableName"], "Item": {"id": {"S": "x"}}}),
        "delete a state": ("dynamodb", "delete_item", {"TableName": out["StateTableName"], "Key": {"userId": {"S": "x"}}}),
        "list all states": ("dynamodb", "scan", {"TableName": out["StateTableName"]}),
        "take anomalies": ("sqs", "receive_message", {"QueueUrl": out["AnomalyQueueUrl"]}),
        "take from quarantine": ("sqs", "receive_message", {"QueueUrl": out["QuarantineQueueUrl"]}),
        "send to a dead-letter queue": ("sqs", "send_message", {"QueueUrl": out["AnomalyDeadLetterQueueUrl"], "MessageBody": "x"}),
        "publish": ("sns", "publish", {"TopicArn": out["TopicArn"], "Message": "x"}),
        "put transactions": ("kinesis", "put_record", {"StreamName": out["StreamName"], "PartitionKey": "x", "Data": b"x"}),
        "read failed records": ("s3", "get_object", {"Bucket": out["FailureBucketName"], "Key": "x"}),
        "write the archive": ("s3", "put_object", {"Bucket": out["ArchiveBucketName"], "Key": "x", "Body": b"x"}),
        "count anomalies": ("cloudwatch", "put_metric_data", datum("AnomalyDetection")),
        "read roles": ("iam", "list_roles", {}),
    }


def calls_outside_of_the_alerter(out):
    return {
        "read the ledger": ("dynamodb", "get_item", {"TableName": out["LedgerTableName"], "Key": {"id": {"S": "x"}}}),
        "delete from the ledger": ("dynamodb", "delete_item", {"TableName": out["LedgerTableName"], "Key": {"id": {"S": "x"}}}),
        "change a state": ("dynamodb", "update_item", {"TableName": out["StateTableName"], "Key": {"userId": {"S": "x"}}}),
        "send anomalies": ("sqs", "send_message", {"QueueUrl": out["AnomalyQueueUrl"], "MessageBody": "x"}),
        "take from quarantine": ("sqs", "receive_message", {"QueueUrl": out["QuarantineQueueUrl"]}),
        "subscribe": ("sns", "subscribe", {"TopicArn": out["TopicArn"], "Protocol": "email", "Endpoint": "x@example.com"}),
        "publish elsewhere": ("sns", "publish", {"TopicArn": out["OperationsTopicArn"], "Message": "x"}),
        "count in another namespace": ("cloudwatch", "put_metric_data", datum("Other")),
        "read transactions": ("kinesis", "list_shards", {"StreamName": out["StreamName"]}),
        "read the archive": ("s3", "list_objects_v2", {"Bucket": out["ArchiveBucketName"]}),
    }


def datum(namespace):
    return {"Namespace": namespace, "MetricData": [{"MetricName": "Denied", "Value": 1.0}]}


def credentials_of(stack, logical_id):
    """Credentials of a role. AWS would refuse them, because the role trusts only Lambda; the emulator does not check trust."""
    arn = stack.client("iam").get_role(RoleName=stack.resources()[logical_id])["Role"]["Arn"]
    found = stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="full-stack")["Credentials"]
    return {
        "aws_access_key_id": found["AccessKeyId"], "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


def denied(stack, keys, service, operation, arguments):
    """Whether the call is refused for lack of permission, and not for another reason."""
    try:
        getattr(stack.client(service, **keys), operation)(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"] in DENIED
    return False


def not_denied(stack, role, calls):
    keys = credentials_of(stack, role)
    return [what for what, call in calls.items() if not denied(stack, keys, *call)]


def test_the_detector_may_do_nothing_else(stack):
    assert not_denied(stack, "DetectorRole", calls_outside_of_the_detector(stack.outputs)) == []


def test_the_alerter_may_do_nothing_else(stack):
    assert not_denied(stack, "AlerterRole", calls_outside_of_the_alerter(stack.outputs)) == []


def test_the_calls_that_a_role_grants_are_not_denied(stack):
    """Without this, the two tests above would also pass with useless credentials."""
    client = stack.client("dynamodb", **credentials_of(stack, "DetectorRole"))
    table = stack.outputs["StateTableName"]
    response = client.batch_get_item(RequestItems={table: {"Keys": [{"userId": {"S": "anna"}}]}})
    assert len(response["Responses"][table]) == 1
    sqs = stack.client("sqs", **credentials_of(stack, "AlerterRole"))
    assert sqs.get_queue_attributes(QueueUrl=stack.outputs["AnomalyQueueUrl"], AttributeNames=["QueueArn"])["Attributes"]

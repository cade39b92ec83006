"""Settings that emulators do not emulate, and mistakes that services would report only when it is too late."""

import pytest

import model

KEY_OF = {"create": {"Fn::GetAtt": ["EncryptionKey", "Arn"]}, "aws-managed": None}
TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}
QUEUE_VISIBILITY_SECONDS_MAX = 43_200


def each(kind, **parameters):
    found = model.properties(model.deployed(**parameters), kind)
    assert found, kind
    return found.values()


def key(choice):
    """The value of a property that takes a key."""
    return KEY_OF.get(choice, choice)


def parameter(name):
    return model.template()["Parameters"][name]


def test_every_parameter_has_a_description_and_is_in_one_group():
    groups = model.template()["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    grouped = [name for group in groups for name in group["Parameters"]]
    assert sorted(grouped) == sorted(model.template()["Parameters"])
    assert all(parameter(name)["Description"] for name in grouped)


# ---- Kinesis mapping


def test_a_record_reaches_the_failure_bucket_before_the_stream_forgets_it():
    retention_seconds_min = parameter("StreamRetentionHours")["MinValue"] * 3_600
    assert parameter("RecordAgeMaxSeconds")["MaxValue"] < retention_seconds_min
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping") if "BisectBatchOnFunctionError" in m]
    assert mapping["MaximumRecordAgeInSeconds"] == parameter("RecordAgeMaxSeconds")["Default"]
    assert mapping["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailureBucket", "Arn"]}}}
    assert mapping["BisectBatchOnFunctionError"] is True
    assert mapping["MaximumRetryAttempts"] >= 0


def test_every_mapping_reports_failures_one_by_one():
    for mapping in each("AWS::Lambda::EventSourceMapping"):
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


# ---- SQS mapping


@pytest.mark.parametrize("timeout_seconds", parameter("AlerterTimeoutSeconds")["AllowedValues"])
def test_a_message_stays_invisible_for_six_timeouts_and_the_batching_window(timeout_seconds):
    deployed = model.deployed(AlerterTimeoutSeconds=timeout_seconds)
    visibility_seconds = deployed["AnomalyQueue"]["Properties"]["VisibilityTimeout"]
    window_seconds_max = parameter("AlerterBatchingWindowSeconds")["MaxValue"]
    assert deployed["AlerterFunction"]["Properties"]["Timeout"] == timeout_seconds
    assert 6 * timeout_seconds + window_seconds_max <= visibility_seconds <= QUEUE_VISIBILITY_SECONDS_MAX


def test_the_alerters_concurrency_is_bounded():
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping") if "ScalingConfig" in m]
    assert mapping["ScalingConfig"] == {"MaximumConcurrency": parameter("AlerterConcurrencyMax")["Default"]}


def test_the_ledger_remembers_longer_than_a_message_can_wait():
    queues = model.properties(model.deployed(), "AWS::SQS::Queue")
    waiting_seconds = sum(queues[name]["MessageRetentionPeriod"] for name in ("AnomalyQueue", "AnomalyDeadLetterQueue"))
    assert parameter("LedgerRetentionDays")["MinValue"] * 86_400 > waiting_seconds


def test_the_factor_that_the_detector_is_told_is_the_one_of_its_mapping():
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping", ParallelizationFactor=4) if "ParallelizationFactor" in m]
    deployed = model.deployed(ParallelizationFactor=4)["DetectorFunction"]["Properties"]["Environment"]["Variables"]
    assert mapping["ParallelizationFactor"] == deployed["PARALLELIZATION_FACTOR"] == 4


def test_the_alerter_knows_how_long_the_detector_keeps_a_state():
    kept = [model.environment(function)["STATE_RETENTION_DAYS"] for function in ("alerter", "detector")]
    assert kept == [{"Ref": "StateRetentionDays"}] * 2


# ---- State


@pytest.mark.parametrize("choice", model.KEYS)
def test_every_table_expires_its_items_recovers_and_is_encrypted(choice):
    for table in each("AWS::DynamoDB::Table", KmsKey=choice):
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAt", "Enabled": True}
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table["SSESpecification"].get("KMSMasterKeyId") == key(choice)


@pytest.mark.parametrize(("table", "attribute", "adapter"), [
    ("StateTable", "userId", "functions/detector/src/window_store/dynamodb.rs"),
    ("LedgerTable", "id", "functions/alerter/src/ledger/dynamodb.rs"),
])
def test_a_table_has_the_key_that_its_adapter_uses(table, attribute, adapter):
    schema = model.deployed()[table]["Properties"]["KeySchema"]
    assert schema == [{"AttributeName": attribute, "KeyType": "HASH"}]
    assert f'"{attribute}"' in model.source(adapter)
    assert "expiresAt" in model.source(adapter)


@pytest.mark.parametrize(("retain", "policy"), [("true", "Retain"), ("false", "Delete")])
def test_resources_with_state_outlive_the_stack_on_request(retain, policy):
    for name in ("StateTable", "LedgerTable", "ArchiveBucket", "FailureBucket", "EncryptionKey"):
        resource = model.deployed(RetainOnDelete=retain)[name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (policy, policy), name


# ---- Encryption


@pytest.mark.parametrize("choice", model.KEYS)
def test_streams_queues_logs_and_functions_are_encrypted(choice):
    for stream in each("AWS::Kinesis::Stream", KmsKey=choice):
        assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": key(choice) or "alias/aws/kinesis"}
    for queue in each("AWS::SQS::Queue", KmsKey=choice):
        assert queue.get("KmsMasterKeyId") == key(choice)
        assert queue.get("SqsManagedSseEnabled", False) == (key(choice) is None)
    for group in each("AWS::Logs::LogGroup", KmsKey=choice):
        assert group.get("KmsKeyId") == key(choice)
    for function in each("AWS::Lambda::Function", KmsKey=choice):
        assert function.get("KmsKeyArn") == key(choice)


@pytest.mark.parametrize("choice", model.KEYS)
def test_the_topic_has_a_key_that_alarms_can_use_or_none(choice):
    [topic] = each("AWS::SNS::Topic", KmsKey=choice)
    assert topic.get("KmsMasterKeyId") == key(choice)


def test_a_key_is_created_only_on_request():
    keys = [bool(model.of_type(model.deployed(KmsKey=choice), "AWS::KMS::Key")) for choice in model.KEYS]
    assert keys == [choice == "create" for choice in model.KEYS]


@pytest.mark.parametrize("principal", ["cloudwatch.amazonaws.com", {"Fn::Sub": "logs.${AWS::Region}.amazonaws.com"}])
def test_a_created_key_may_be_used_by_alarms_and_logs(principal):
    [created] = each("AWS::KMS::Key")
    assert created["EnableKeyRotation"] is True
    [statement] = [s for s in created["KeyPolicy"]["Statement"] if s["Principal"] == {"Service": principal}]
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(statement["Action"])
    assert statement["Condition"]


# ---- In transit


def test_queues_topic_and_buckets_refuse_plain_http():
    deployed = model.deployed()
    policies = [("AWS::SQS::QueuePolicy", "Queues"), ("AWS::SNS::TopicPolicy", "Topics"), ("AWS::S3::BucketPolicy", "Bucket")]
    protected = {name for kind, field in policies for name in names_protected(model.properties(deployed, kind), field)}
    kinds = ("AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::S3::Bucket")
    assert protected == {name for kind in kinds for name in model.of_type(deployed, kind)}


def names_protected(policies, field):
    """Logical ids of the resources to which policies deny access without TLS."""
    for policy in policies.values():
        [deny] = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
        assert (deny["Principal"], deny["Condition"]) == ("*", TLS_ONLY)
        attached = policy[field] if isinstance(policy[field], list) else [policy[field]]
        yield from (reference["Ref"] for reference in attached)


def test_alarms_of_this_account_may_publish_to_the_topic():
    [policy] = each("AWS::SNS::TopicPolicy")
    [allow] = [s for s in policy["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert (allow["Principal"], allow["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


# ---- Archive


@pytest.mark.parametrize("choice", model.KEYS)
def test_every_bucket_is_private_versioned_encrypted_and_expires_its_objects(choice):
    for bucket in each("AWS::S3::Bucket", KmsKey=choice):
        [encryption] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert encryption["ServerSideEncryptionByDefault"].get("KMSMasterKeyID") == key(choice)
        assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4
        assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
        [rule] = bucket["LifecycleConfiguration"]["Rules"]
        assert rule["Status"] == "Enabled"
        assert {"ExpirationInDays", "NoncurrentVersionExpiration", "AbortIncompleteMultipartUpload"} <= rule.keys()


def test_the_archive_buffers_within_the_limits_of_firehose_and_writes_a_line_for_each_record():
    [delivery] = each("AWS::KinesisFirehose::DeliveryStream")
    destination = delivery["ExtendedS3DestinationConfiguration"]
    assert 60 <= destination["BufferingHints"]["IntervalInSeconds"] <= 900
    assert 1 <= destination["BufferingHints"]["SizeInMBs"] <= 128
    [processor] = destination["ProcessingConfiguration"]["Processors"]
    assert processor["Type"] == "AppendDelimiterToRecord"
    assert delivery["KinesisStreamSourceConfiguration"]["KinesisStreamARN"] == {"Fn::GetAtt": ["TransactionStream", "Arn"]}


def test_a_stack_without_an_archive_has_none_of_its_resources():
    gone = set(model.deployed()) - set(model.deployed(Archive="disabled"))
    assert gone == {name for name in model.deployed() if name.startswith("Archive")}

"""Settings that emulators do not emulate, and mistakes that services would report only when it is too late."""

import json
import re

import pytest

import model

KEY_OF = {"create": {"Fn::GetAtt": ["EncryptionKey", "Arn"]}, "aws-managed": None}
# What a number counts, or is a multiple of.
UNITS = re.compile(
    r"[Ss]econds?\b|[Hh]ours|[Dd]ays|[Mm]illiseconds|MB\b|units/s|[Mm]essages/s|deviation|[Rr]ecords|[Bb]atch|[Ss]hards|[Aa]nomal|[Aa]lerts|"
    r"[Uu]ser states|writes|currency|[Oo]bservations|[Rr]edeliveries|%"
)
TLS_ONLY = {"Bool": {"aws:SecureTransport": "false"}}
QUEUE_VISIBILITY_SECONDS_MAX = 43_200
LAMBDA_RECORD_AGE_SECONDS_MAX = 604_800
# SNS suspends an e-mail subscription above this.
MAILS_PER_SECOND_MAX = 10


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


@pytest.mark.parametrize("name", sorted(model.template()["Parameters"]))
def test_the_description_of_a_number_says_its_unit(name):
    described = parameter(name)
    if described["Type"] == "Number":
        assert UNITS.search(described["Description"]), described["Description"]


# ---- The stream


def test_a_stream_has_one_shard_unless_more_are_asked_for():
    [stream] = each("AWS::Kinesis::Stream")
    assert (stream["StreamModeDetails"], stream["ShardCount"]) == ({"StreamMode": "PROVISIONED"}, 1)
    [stream] = each("AWS::Kinesis::Stream", StreamMode="ON_DEMAND")
    assert "ShardCount" not in stream


def test_an_existing_stream_takes_the_place_of_the_created_one_everywhere():
    without = model.deployed(StreamArn=model.STREAM)
    assert set(model.deployed()) - set(without) == {"TransactionStream"}
    assert "TransactionStream" in str(model.deployed())
    assert "TransactionStream" not in str(without)
    assert without["DetectorFunctionTransactions"]["Properties"]["EventSourceArn"] == model.STREAM
    delivery = without["ArchiveDelivery"]["Properties"]["KinesisStreamSourceConfiguration"]
    assert delivery["KinesisStreamARN"] == model.STREAM
    for role in ("DetectorRole", "ArchiveRole"):
        assert statement(without[role], "ReadTransactions")["Resource"] == model.STREAM


def test_the_name_of_an_existing_stream_is_the_end_of_its_arn():
    given = model.values({"StreamArn": model.STREAM})
    name = {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::Sub": "${StreamArn}/"}]}]}
    named = {
        "output": model.transformed()["Outputs"]["StreamName"]["Value"],
        "command": model.transformed()["Outputs"]["SendCommand"]["Value"]["Fn::Sub"][1]["Name"],
        "dashboard": model.transformed()["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"][1]["StreamName"],
        "alarm": model.transformed()["Resources"]["StreamThrottlesAlarm"]["Properties"]["Dimensions"][0]["Value"],
    }
    for place, value in named.items():
        assert model.resolve(value, given) == name, place
    # As CloudFormation resolves it, and as it does without an existing stream, where the index has to exist too.
    assert (f"{model.STREAM}/".split("/")[1], "/".split("/")[1]) == ("payments", "")
    assert model.resolve(model.transformed()["Outputs"]["StreamArn"]["Value"], given) == model.STREAM


def test_producers_of_other_accounts_may_put_into_a_created_stream_and_encrypt_for_it():
    accounts = ["111122223333", "444455556666"]
    [policy] = each("AWS::Kinesis::ResourcePolicy", ProducerAccounts=",".join(accounts))
    [put] = policy["ResourcePolicy"]["Statement"]
    assert put["Principal"] == {"AWS": ",".join(accounts)}
    assert {"kinesis:PutRecord", "kinesis:PutRecords"} <= set(put["Action"])
    assert put["Resource"] == policy["ResourceArn"] == {"Fn::GetAtt": ["TransactionStream", "Arn"]}
    [created] = each("AWS::KMS::Key", ProducerAccounts=",".join(accounts))
    [encrypt] = [s for s in created["KeyPolicy"]["Statement"] if s["Sid"] == "ProducersEncrypt"]
    assert (encrypt["Principal"], encrypt["Action"]) == (put["Principal"], "kms:GenerateDataKey")
    assert encrypt["Condition"] == {"StringEquals": {"kms:ViaService": {"Fn::Sub": "kinesis.${AWS::Region}.amazonaws.com"}}}
    assert not model.of_type(model.deployed(), "AWS::Kinesis::ResourcePolicy")


@pytest.mark.parametrize(("parameters", "broken"), [
    ({}, []),
    ({"AlerterBatchSize": 11}, ["LargeBatchNeedsWindow"]),
    ({"AlerterBatchSize": 11, "AlerterBatchingWindowSeconds": 1}, []),
    ({"AlerterBatchSize": 10_000, "AlerterBatchingWindowSeconds": 0}, ["LargeBatchNeedsWindow"]),
    ({"StreamKmsKey": "key"}, ["StreamKeyNeedsAStream"]),
    ({"StreamKmsKey": "key", "StreamArn": model.STREAM}, []),
    ({"ProducerAccounts": "111122223333"}, []),
    ({"ProducerAccounts": "111122223333", "StreamArn": model.STREAM}, ["ProducersNeedACreatedStream"]),
    ({"ProducerAccounts": "111122223333", "KmsKey": "aws-managed"}, ["ProducersNeedACreatedStream"]),
    ({"DigestHours": 0}, ["BudgetNeedsSummaries"]),
    ({"DigestHours": 0, "PagesPerDayMax": 0}, []),
    (model.RESPONDS, []),
    ({"Channels": "respond"}, ["ResponseNeedsAFreeze"]),
    ({"Channels": "slack,respond", "ResponseSamples": "true"}, []),
    ({"Channels": "slack"}, []),
    ({"StepUpFunctionArn": model.STEP_UP}, ["ResponseNeedsItsChannel"]),
    ({"FreezeFunctionArn": model.FREEZE, "Channels": "slack"}, ["ResponseNeedsItsChannel"]),
    ({"OnNoAnswer": "freeze"}, ["ResponseNeedsItsChannel"]),
    ({"ResponseSamples": "true"}, ["ResponseNeedsItsChannel"]),
])
def test_parameters_that_contradict_each_other_are_refused(parameters, broken):
    assert model.broken_rules(**parameters) == broken


def statement(role, sid):
    [found] = [s for policy in role["Properties"]["Policies"] for s in policy["PolicyDocument"]["Statement"] if s["Sid"] == sid]
    return found


# ---- Kinesis mapping


def kinesis_mapping(**parameters):
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping", **parameters) if "BisectBatchOnFunctionError" in m]
    return mapping


def test_a_record_reaches_the_failure_bucket_shortly_before_the_stream_forgets_it():
    for hours in parameter("StreamRetentionHours")["AllowedValues"]:
        age = kinesis_mapping(StreamRetentionHours=hours)["MaximumRecordAgeInSeconds"]
        assert age == min(hours * 3_600 - 3_600, LAMBDA_RECORD_AGE_SECONDS_MAX)


def test_a_record_is_retried_for_as_long_as_its_age_allows():
    parameters = model.template()["Parameters"]
    assert kinesis_mapping()["MaximumRetryAttempts"] == parameters["RetryAttemptsMax"]["Default"] == -1
    assert kinesis_mapping(RetryAttemptsMax=100)["MaximumRetryAttempts"] == 100
    assert kinesis_mapping(RecordAgeMaxSeconds=3_600)["MaximumRecordAgeInSeconds"] == 3_600
    assert parameters["RecordAgeMaxSeconds"]["MaxValue"] == LAMBDA_RECORD_AGE_SECONDS_MAX


def test_a_batch_that_fails_is_halved_and_kept_in_the_failure_bucket():
    assert kinesis_mapping()["DestinationConfig"] == {"OnFailure": {"Destination": {"Fn::GetAtt": ["FailureBucket", "Arn"]}}}
    assert kinesis_mapping()["BisectBatchOnFunctionError"] is True


def test_mappings_are_written_in_the_template_under_the_names_that_sam_gave_them():
    # Whatever is referred to is then a resource of the template; and a stack of an earlier version is updated in place.
    written = model.of_type(model.template(), "AWS::Lambda::EventSourceMapping")
    of_channels = [f"NotifierFunction{channel}" for channel in ("PagerDuty", "Respond", "Slack", "Teams", "Webhook")]
    assert sorted(written) == ["AlerterFunctionAnomalies", "DetectorFunctionTransactions", *of_channels]
    assert written.keys() == model.of_type(model.transformed(), "AWS::Lambda::EventSourceMapping").keys()
    # A layer is renamed by its content, so that a change makes a new version.
    names = [re.sub("^(ModelLayer)[0-9a-f]{10}$", r"\1", name) for name in model.transformed()["Resources"]]
    assert sorted(names) == sorted(model.template()["Resources"])


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


def test_the_quarantine_takes_the_largest_message_that_the_detector_sends():
    source = (model.ROOT / "crates/message-queue/src/sqs.rs").read_text()
    [kibibytes] = re.findall(r"bytes_max: (\d+) \* 1024", source)
    assert model.properties(model.deployed(), "AWS::SQS::Queue")["QuarantineQueue"]["MaximumMessageSize"] == int(kibibytes) * 1024


def test_the_factor_that_the_detector_is_told_is_the_one_of_its_mapping():
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping", ParallelizationFactor=4) if "ParallelizationFactor" in m]
    deployed = model.deployed(ParallelizationFactor=4)["DetectorFunction"]["Properties"]["Environment"]["Variables"]
    assert mapping["ParallelizationFactor"] == deployed["PARALLELIZATION_FACTOR"] == 4


def test_the_alerter_knows_the_size_of_a_full_batch():
    [mapping] = [m for m in each("AWS::Lambda::EventSourceMapping", AlerterBatchSize=7) if "ScalingConfig" in m]
    variables = model.deployed(AlerterBatchSize=7)["AlerterFunction"]["Properties"]["Environment"]["Variables"]
    assert mapping["BatchSize"] == variables["BATCH_SIZE"] == 7


def test_all_instances_together_stay_below_what_suspends_a_mailbox():
    a_second = parameter("MaxMessagesPerSecond")["Default"] * parameter("AlerterConcurrencyMax")["Default"]
    assert a_second < MAILS_PER_SECOND_MAX


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
        assert not {"ProvisionedThroughput", "OnDemandThroughput"} & table.keys()
        assert table["SSESpecification"]["SSEEnabled"] is True
        assert table["SSESpecification"].get("KMSMasterKeyId") == key(choice)


@pytest.mark.parametrize(("table", "attribute", "adapter"), [
    ("StateTable", "userId", "functions/detector/src/window_store/dynamodb/item.rs"),
    ("LedgerTable", "id", "functions/alerter/src/ledger/layout.rs"),
])
def test_a_table_has_the_key_that_its_adapter_uses(table, attribute, adapter):
    schema = model.deployed()[table]["Properties"]["KeySchema"]
    assert schema == [{"AttributeName": attribute, "KeyType": "HASH"}]
    assert f'"{attribute}"' in model.source(adapter)
    assert "expiresAt" in model.source(adapter)


def test_the_index_of_what_waits_is_sparse_small_and_as_its_adapter_uses_it():
    table = model.deployed()["LedgerTable"]["Properties"]
    [index] = table["GlobalSecondaryIndexes"]
    keys = [key["AttributeName"] for key in index["KeySchema"]]
    assert (index["IndexName"], keys, index["Projection"]) == ("digest", ["digestKey", "digestRank"], {"ProjectionType": "KEYS_ONLY"})
    layout = model.source("functions/alerter/src/ledger/layout.rs")
    assert all(f'"{name}"' in layout for name in [index["IndexName"], *keys])


@pytest.mark.parametrize(("hours", "expression"), [(1, "rate(1 hour)"), (24, {"Fn::Sub": "rate(${DigestHours} hours)"})])
def test_the_schedule_asks_the_alerter_for_a_summary(hours, expression):
    schedule = model.deployed(DigestHours=hours)["DigestSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == expression
    assert schedule["Target"]["Arn"] == {"Fn::GetAtt": ["AlerterFunction", "Arn"]}
    code = model.source("functions/alerter/src/event.rs")
    assert f'r#"{schedule["Target"]["Input"]}"#' in code


def test_what_waited_before_summaries_were_switched_off_is_still_told():
    schedule = model.deployed(DigestHours=0, PagesPerDayMax=0)["DigestSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(24 hours)"


def test_people_are_mailed_pages_and_summaries_and_machines_hear_everything():
    [mail] = [s for s in each("AWS::SNS::Subscription", AlertEmail="a@b.c") if s["TopicArn"] == {"Ref": "AlertTopic"}]
    told, untold = mail["FilterPolicy"]["$or"]
    assert (told, untold) == ({"disposition": ["page", "summary"]}, {"disposition": [{"exists": False}]})
    code = model.source("functions/alerter/src/publication.rs")
    assert all(f'=> "{audience}"' in code for audience in told["disposition"])


def test_provisioned_units_scale_at_70_percent_between_their_bounds():
    bounds = {"StateWriteUnitsMin": 7, "StateWriteUnitsMax": 8, "StateReadUnitsMin": 5, "StateReadUnitsMax": 6}
    deployed = model.deployed(StateBilling="PROVISIONED", MaxWriteRequestUnits=9, **bounds)
    table = deployed["StateTable"]["Properties"]
    assert table["BillingMode"] == "PROVISIONED"
    assert table["ProvisionedThroughput"] == {"ReadCapacityUnits": 5, "WriteCapacityUnits": 7}
    assert "OnDemandThroughput" not in table
    targets = model.properties(deployed, "AWS::ApplicationAutoScaling::ScalableTarget")
    found = {name: (t["ScalableDimension"], t["MinCapacity"], t["MaxCapacity"]) for name, t in targets.items()}
    assert found == {
        "StateWriteScaling": ("dynamodb:table:WriteCapacityUnits", 7, 8),
        "StateReadScaling": ("dynamodb:table:ReadCapacityUnits", 5, 6),
    }
    assert all(target["ResourceId"] == {"Fn::Sub": "table/${StateTable}"} for target in targets.values())
    for name, policy in model.properties(deployed, "AWS::ApplicationAutoScaling::ScalingPolicy").items():
        target = policy["ScalingTargetId"]["Ref"]
        tracked = policy["TargetTrackingScalingPolicyConfiguration"]
        assert (name, tracked["TargetValue"]) == (f"{target}Policy", 70)
        metric = targets[target]["ScalableDimension"].split(":")[-1].replace("Units", "Utilization")
        assert tracked["PredefinedMetricSpecification"] == {"PredefinedMetricType": f"DynamoDB{metric}"}


def test_the_bill_of_on_demand_writes_can_be_bounded():
    table = model.deployed(MaxWriteRequestUnits=200)["StateTable"]["Properties"]
    assert table["OnDemandThroughput"] == {"MaxWriteRequestUnits": 200}
    assert not model.of_type(model.deployed(), "AWS::ApplicationAutoScaling::ScalableTarget")


@pytest.mark.parametrize(("retain", "policies"), [("true", ("RetainExceptOnCreate", "Retain")), ("false", ("Delete", "Delete"))])
def test_resources_with_state_outlive_the_stack_on_request(retain, policies):
    for name in ("StateTable", "LedgerTable", "ArchiveBucket", "FailureBucket"):
        resource = model.deployed(RetainOnDelete=retain)[name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == policies, name


# ---- Encryption


@pytest.mark.parametrize("choice", model.KEYS)
def test_streams_queues_logs_and_functions_are_encrypted(choice):
    for stream in each("AWS::Kinesis::Stream", KmsKey=choice):
        assert stream["StreamEncryption"] == {"EncryptionType": "KMS", "KeyId": key(choice) or "alias/aws/kinesis"}
    for queue in each("AWS::SQS::Queue", KmsKey=choice):
        assert queue.get("KmsMasterKeyId") == key(choice)
        assert queue.get("SqsManagedSseEnabled", False) == (key(choice) is None)
    samples = {"Channels": "respond", "ResponseSamples": "true"}
    for group in each("AWS::Logs::LogGroup", KmsKey=choice, **samples):
        assert group.get("KmsKeyId") == key(choice)
    for function in each("AWS::Lambda::Function", KmsKey=choice, **samples):
        assert function.get("KmsKeyArn") == key(choice)


@pytest.mark.parametrize("choice", model.KEYS)
def test_a_topic_has_a_key_that_alarms_can_use_or_none(choice):
    for topic in each("AWS::SNS::Topic", KmsKey=choice):
        assert topic.get("KmsMasterKeyId") == key(choice)


@pytest.mark.parametrize("retain", ["true", "false"])
def test_a_created_key_outlives_the_stack_and_its_replacement(retain):
    key = model.deployed(RetainOnDelete=retain)["EncryptionKey"]
    assert (key["DeletionPolicy"], key["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


def test_the_descriptions_say_what_a_key_of_ones_own_needs():
    needed = parameter("KmsKey")["Description"]
    services = [f"{name}.amazonaws.com" for name in ("cloudwatch", "logs.REGION", "sns", "delivery.logs")]
    for word in ("IAM", "region", "kms:CreateGrant", *services):
        assert word in needed


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


def test_queues_topics_and_buckets_refuse_plain_http():
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


def test_alarms_of_this_account_may_publish_to_the_topic_of_operations_alone():
    policies = model.properties(model.deployed(), "AWS::SNS::TopicPolicy").values()
    [(topics, allow)] = [(p["Topics"], s) for p in policies for s in p["PolicyDocument"]["Statement"] if s["Effect"] == "Allow"]
    assert topics == [{"Ref": "OperationsTopic"}]
    assert (allow["Principal"], allow["Action"]) == ({"Service": "cloudwatch.amazonaws.com"}, "sns:Publish")
    assert allow["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(("alerts", "operations", "subscribed"), [
    ("", "", {}),
    ("a@x.example", "", {"AlertTopic": "a@x.example", "OperationsTopic": "a@x.example"}),
    ("", "o@x.example", {"OperationsTopic": "o@x.example"}),
    ("a@x.example", "o@x.example", {"AlertTopic": "a@x.example", "OperationsTopic": "o@x.example"}),
])
def test_alarms_are_mailed_to_operations_or_else_to_who_gets_the_alerts(alerts, operations, subscribed):
    found = model.properties(model.deployed(AlertEmail=alerts, OperationsEmail=operations), "AWS::SNS::Subscription").values()
    assert {subscription["TopicArn"]["Ref"]: subscription["Endpoint"] for subscription in found} == subscribed


# ---- Archive


@pytest.mark.parametrize("choice", model.KEYS)
def test_every_bucket_is_private_versioned_encrypted_and_expires_its_objects(choice, **parameters):
    for bucket in each("AWS::S3::Bucket", KmsKey=choice, **parameters):
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


# ---- Audit


@pytest.mark.parametrize(("asked", "protected"), [("true", True), ("false", False)])
def test_tables_refuse_to_be_deleted_on_request(asked, protected):
    tables = list(each("AWS::DynamoDB::Table", DeletionProtection=asked))
    assert [table["DeletionProtectionEnabled"] for table in tables] == [protected] * 2


def audit_bucket(**parameters):
    return model.deployed(AuditExport="enabled", **parameters)["AuditBucket"]


def test_a_stack_without_an_audit_export_has_none_of_its_resources():
    gained = set(model.deployed(AuditExport="enabled")) - set(model.deployed())
    assert gained and all(name.startswith("Audit") for name in gained)
    assert not [name for name in model.deployed() if name.startswith("Audit")]
    assert all("ObjectLock" not in str(resource) for resource in model.deployed().values())


@pytest.mark.parametrize("mode", parameter("AuditExportLockMode")["AllowedValues"])
def test_an_export_is_locked_for_as_long_as_it_is_to_be_kept(mode):
    bucket = audit_bucket(AuditExportRetentionDays=400, AuditExportLockMode=mode)["Properties"]
    assert bucket["ObjectLockEnabled"] is True
    assert bucket["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled"
    assert bucket["ObjectLockConfiguration"]["Rule"] == {"DefaultRetention": {"Mode": mode, "Days": 400}}
    [rule] = bucket["LifecycleConfiguration"]["Rules"]
    assert rule["ExpirationInDays"] == 400  # Only hides it; the version goes a week later, when nothing locks it any more.
    assert parameter("AuditExportLockMode")["Default"] == "GOVERNANCE"


@pytest.mark.parametrize("retain", ["true", "false"])
def test_the_audit_bucket_outlives_the_stack(retain):
    bucket = audit_bucket(RetainOnDelete=retain)
    assert (bucket["DeletionPolicy"], bucket["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")


@pytest.mark.parametrize("choice", model.KEYS)
def test_the_audit_bucket_is_as_private_and_encrypted_as_the_others(choice):
    test_every_bucket_is_private_versioned_encrypted_and_expires_its_objects(choice, AuditExport="enabled")
    policy = model.deployed(AuditExport="enabled")["AuditBucketPolicy"]["Properties"]
    assert list(names_protected({"AuditBucketPolicy": policy}, "Bucket")) == ["AuditBucket"]


@pytest.mark.parametrize("choice", model.KEYS)
def test_the_ledger_is_exported_once_a_day_with_the_key_of_the_stack(choice):
    schedule = model.deployed(AuditExport="enabled", KmsKey=choice)["AuditSchedule"]["Properties"]
    assert schedule["ScheduleExpression"] == "rate(1 day)"
    target = schedule["Target"]
    assert target["Arn"] == {"Fn::Sub": "arn:${AWS::Partition}:scheduler:::aws-sdk:dynamodb:exportTableToPointInTime"}
    text = target["Input"]["Fn::Sub"]
    text, values = (text, {}) if isinstance(text, str) else text
    request = json.loads(text)
    assert (request["TableArn"], request["S3Bucket"], request["S3Prefix"]) == ("${LedgerTable.Arn}", "${AuditBucket}", "ledger")
    # A name that the API does not have would be found out only by the first export.
    assert set(request) <= {"TableArn", "S3Bucket", "S3BucketOwner", "S3Prefix", "S3SseAlgorithm", "S3SseKmsKeyId", "ExportFormat", "ClientToken"}
    assert request["S3SseAlgorithm"] == ("AES256" if choice == "aws-managed" else "KMS")
    assert values.get("Key") == key(choice)
    assert ("S3SseKmsKeyId" in request) == (choice != "aws-managed")


def test_an_export_that_cannot_be_started_is_told():
    deployed = model.deployed(AuditExport="enabled")
    alarm = deployed["AuditExportAlarm"]["Properties"]
    group = {"Ref": "AuditScheduleGroup"}
    assert alarm["Dimensions"] == [{"Name": "ScheduleGroup", "Value": group}]
    assert deployed["AuditSchedule"]["Properties"]["GroupName"] == group
    assert alarm["AlarmActions"] == [{"Ref": "OperationsTopic"}]

"""Every failure that nobody would notice has an alarm, and every alarm notifies somebody."""

import pytest

import model

# With what exists only on request.
DEPLOYED = model.deployed(**model.CHANNELS)


def alarms():
    return model.properties(DEPLOYED, "AWS::CloudWatch::Alarm")


def alarm_on(metric, dimension, resource):
    """The only alarm on a metric of a resource."""
    dimensions = [{"Name": dimension, "Value": resource}]
    found = [a for a in alarms().values() if (watched := watched_by(a))["MetricName"] == metric and watched["Dimensions"] == dimensions]
    assert len(found) == 1, (metric, resource)
    return found[0]


def watched_by(alarm):
    """The one metric of an alarm, perhaps in an expression."""
    if "Metrics" not in alarm:
        return alarm
    [watched] = [metric["MetricStat"]["Metric"] for metric in alarm["Metrics"] if "MetricStat" in metric]
    return watched


def dead_letter_queues():
    queues = model.properties(DEPLOYED, "AWS::SQS::Queue").values()
    return [queue["RedrivePolicy"]["deadLetterTargetArn"]["Fn::GetAtt"][0] for queue in queues if "RedrivePolicy" in queue]


def mappings(source_type):
    """Event source mappings that read from a type of resource."""
    sources = model.of_type(DEPLOYED, source_type)
    found = model.properties(DEPLOYED, "AWS::Lambda::EventSourceMapping").items()
    return {name: mapping for name, mapping in found if mapping["EventSourceArn"]["Fn::GetAtt"][0] in sources}


def test_every_queue_where_messages_end_up_has_an_alarm_on_its_first_message():
    quarantine = model.environment("detector")["QUARANTINE_QUEUE_URL"]["Ref"]
    assert dead_letter_queues()
    for queue in [*dead_letter_queues(), quarantine]:
        alarm = alarm_on("ApproximateNumberOfMessagesVisible", "QueueName", {"Fn::GetAtt": [queue, "QueueName"]})
        assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")


def test_every_queue_that_is_read_has_a_dead_letter_queue_and_an_alarm_on_its_age():
    queues = model.properties(DEPLOYED, "AWS::SQS::Queue")
    assert mappings("AWS::SQS::Queue")
    for mapping in mappings("AWS::SQS::Queue").values():
        queue = mapping["EventSourceArn"]["Fn::GetAtt"][0]
        assert "RedrivePolicy" in queues[queue]
        # A channel's messages may be received many times, which the age does not tell; test_channels.py tests its alarm.
        if f"{queue.removesuffix('Queue')}StuckAlarm" not in alarms():
            alarm_on("ApproximateAgeOfOldestMessage", "QueueName", {"Fn::GetAtt": [queue, "QueueName"]})


def test_every_stream_that_is_read_has_an_alarm_on_its_iterator_age_and_on_its_failed_records():
    assert mappings("AWS::Kinesis::Stream")
    for name, mapping in mappings("AWS::Kinesis::Stream").items():
        alarm_on("IteratorAge", "FunctionName", mapping["FunctionName"])
        alarm_on("OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", {"Ref": name})
        # Lambda counts a delivery only if it succeeded. A record whose delivery failed is counted here alone.
        dropped = alarm_on("DroppedEventCount", "EventSourceMappingUUID", {"Ref": name})
        assert (dropped["Statistic"], dropped["Threshold"]) == ("Sum", 0)
        assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}  # Without this there are no such metrics.


def test_a_stream_that_nobody_reads_has_an_alarm():
    assert mappings("AWS::Kinesis::Stream")
    for name in mappings("AWS::Kinesis::Stream"):
        alarm = alarm_on("PolledEventCount", "EventSourceMappingUUID", {"Ref": name})
        # An empty poll is a sample of 0, so there is no sample at all only if nothing polls.
        assert (alarm["Statistic"], alarm["Threshold"], alarm["ComparisonOperator"]) == ("SampleCount", 1, "LessThanThreshold")
        assert alarm["TreatMissingData"] == "breaching"


def test_every_stream_and_every_table_has_an_alarm_on_its_throttles():
    [stream] = model.of_type(DEPLOYED, "AWS::Kinesis::Stream")
    alarm_on("WriteProvisionedThroughputExceeded", "StreamName", {"Ref": stream})
    for table in model.of_type(DEPLOYED, "AWS::DynamoDB::Table"):
        alarm_on("WriteThrottleEvents", "TableName", {"Ref": table})
    # The ledger is only ever updated.
    alarm_on("ReadThrottleEvents", "TableName", {"Ref": "StateTable"})


def test_an_alarm_on_a_table_ends():
    # CloudWatch ignores missing data of DynamoDB's metrics, and throttles are only there while they last.
    of_tables = [alarm for alarm in alarms().values() if watched_by(alarm)["Namespace"] == "AWS/DynamoDB"]
    assert len(of_tables) == 3
    for alarm in of_tables:
        watched, filled = alarm["Metrics"]
        assert (filled["Expression"], filled["ReturnData"]) == (f"FILL({watched['Id']}, 0)", True)
        assert watched["ReturnData"] is False
        # FILL takes a sample that is late for a zero, until it is there.
        assert (alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (2, 1)


@pytest.mark.parametrize(("function", "metric"), [
    ("detector", "UsersFailed"), ("detector", "QuarantineFailed"), ("alerter", "AlertsFailed"),
])
def test_a_batch_that_fails_in_part_has_an_alarm(function, metric):
    assert metric in model.contract()[function]["metrics"]
    [alarm] = [alarm for alarm in alarms().values() if alarm.get("MetricName") == metric]
    assert alarm["Namespace"] == model.values({})["MetricNamespace"]
    assert alarm["Dimensions"] == [
        {"Name": "Function", "Value": function}, {"Name": model.contract()["stack"], "Value": {"Ref": "AWS::StackName"}},
    ]


def test_alerts_that_do_not_arrive_are_told_to_another_topic():
    alarm = alarm_on("NumberOfNotificationsFailed", "TopicName", {"Fn::GetAtt": ["AlertTopic", "TopicName"]})
    assert alarm["AlarmActions"] == [{"Ref": "OperationsTopic"}]


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
@pytest.mark.parametrize("function", model.functions())
def test_every_function_has_an_alarm_on_errors_and_on_throttles(function, metric):
    alarm_on(metric, "FunctionName", {"Ref": model.logical_id(function)})


def test_the_archive_has_an_alarm_on_its_age():
    [delivery] = model.of_type(DEPLOYED, "AWS::KinesisFirehose::DeliveryStream")
    alarm_on("DeliveryToS3.DataFreshness", "DeliveryStreamName", {"Ref": delivery})


def test_every_alarm_tells_the_operators_that_it_went_off_and_that_it_is_over():
    for name, alarm in alarms().items():
        assert alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "OperationsTopic"}], name


def test_every_alarm_but_that_on_polling_is_quiet_without_traffic():
    loud = [name for name, alarm in alarms().items() if alarm["TreatMissingData"] != "notBreaching"]
    assert loud == ["DetectorPollingAlarm"]


def test_no_two_alarms_watch_the_same():
    single = [watched_by(alarm) for alarm in alarms().values() if "ThresholdMetricId" not in alarm]
    watched = [(metric["MetricName"], str(metric["Dimensions"])) for metric in single]
    assert len(watched) == len(set(watched))


def test_the_anomaly_alarm_is_that_of_the_flink_baseline():
    alarm = alarm_on("AnomalyCount", "Source", model.values({})["MetricSource"])
    assert alarm["Namespace"] == model.values({})["MetricNamespace"]
    assert (alarm["Statistic"], alarm["Period"], alarm["Threshold"]) == ("Sum", 300, 1)
    assert (alarm["ComparisonOperator"], alarm["EvaluationPeriods"]) == ("GreaterThanThreshold", 1)


def test_only_the_anomaly_alarm_has_to_be_asked_to_notify():
    # Every anomaly is told by policy already.
    assert [name for name, alarm in alarms().items() if "ActionsEnabled" in alarm] == ["AnomalyAlarm"]
    asked = model.properties(model.deployed(AnomalyAlarmNotifies="true"), "AWS::CloudWatch::Alarm")["AnomalyAlarm"]
    assert (alarms()["AnomalyAlarm"]["ActionsEnabled"], asked["ActionsEnabled"]) == ("false", "true")


def test_a_policy_that_cannot_be_read_has_an_alarm():
    [alarm] = [alarm for alarm in alarms().values() if alarm.get("MetricName") == "PolicyUnusable"]
    assert alarm["Dimensions"][0] == {"Name": "Function", "Value": "alerter"}


def test_the_band_alarm_watches_what_its_detector_is_trained_on():
    [detector] = model.properties(DEPLOYED, "AWS::CloudWatch::AnomalyDetector").values()
    [alarm] = [alarm for alarm in alarms().values() if "ThresholdMetricId" in alarm]
    trained_on = detector["MetricMathAnomalyDetector"]["MetricDataQueries"]
    [band] = [metric for metric in alarm["Metrics"] if metric["Id"] == alarm["ThresholdMetricId"]]
    assert [metric for metric in alarm["Metrics"] if metric != band] == trained_on
    [shown] = [metric for metric in trained_on if metric["ReturnData"]]
    assert band["Expression"]["Fn::Sub"] == f"ANOMALY_DETECTION_BAND({shown['Id']}, ${{AnomalyBandWidth}})"


def test_the_band_is_that_of_this_stack_and_silence_is_usual():
    [detector] = model.properties(DEPLOYED, "AWS::CloudWatch::AnomalyDetector").values()
    watched, filled = detector["MetricMathAnomalyDetector"]["MetricDataQueries"]
    metric, source, stack = model.contract()["anomaly_count"]
    assert watched["MetricStat"]["Metric"]["MetricName"] == metric
    dimensions = {dimension["Name"]: dimension["Value"] for dimension in watched["MetricStat"]["Metric"]["Dimensions"]}
    assert dimensions == {source: model.values({})["MetricSource"], stack: {"Ref": "AWS::StackName"}}
    assert filled["Expression"] == f"FILL({watched['Id']}, 0)"


def test_a_width_of_zero_leaves_the_band_out():
    without = model.deployed(**model.CHANNELS, AnomalyBandWidth=0)
    assert not model.of_type(without, "AWS::CloudWatch::AnomalyDetector")
    assert set(DEPLOYED) - set(without) == {"AnomalyBand", "AnomalyBandAlarm"}

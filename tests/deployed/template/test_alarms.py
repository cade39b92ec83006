"""Every failure that nobody would notice has an alarm, and every alarm notifies somebody."""

import pytest

import model

DEPLOYED = model.deployed()


def alarms():
    return model.properties(DEPLOYED, "AWS::CloudWatch::Alarm")


def alarm_on(metric, dimension, resource):
    """The only alarm on a metric of a resource."""
    dimensions = [{"Name": dimension, "Value": resource}]
    found = [a for a in alarms().values() if a.get("MetricName") == metric and a["Dimensions"] == dimensions]
    assert len(found) == 1, (metric, resource)
    return found[0]


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
        alarm_on("ApproximateAgeOfOldestMessage", "QueueName", {"Fn::GetAtt": [queue, "QueueName"]})


def test_every_stream_that_is_read_has_an_alarm_on_its_iterator_age_and_on_its_failed_records():
    assert mappings("AWS::Kinesis::Stream")
    for name, mapping in mappings("AWS::Kinesis::Stream").items():
        alarm_on("IteratorAge", "FunctionName", mapping["FunctionName"])
        alarm_on("OnFailureDestinationDeliveredEventCount", "EventSourceMappingUUID", {"Ref": name})
        assert mapping["MetricsConfig"] == {"Metrics": ["EventCount"]}  # Without this there is no such metric.


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
@pytest.mark.parametrize("function", model.functions())
def test_every_function_has_an_alarm_on_errors_and_on_throttles(function, metric):
    alarm_on(metric, "FunctionName", {"Ref": model.logical_id(function)})


def test_the_archive_has_an_alarm_on_its_age():
    [delivery] = model.of_type(DEPLOYED, "AWS::KinesisFirehose::DeliveryStream")
    alarm_on("DeliveryToS3.DataFreshness", "DeliveryStreamName", {"Ref": delivery})


def test_every_alarm_goes_to_the_topic_and_is_quiet_without_traffic():
    for name, alarm in alarms().items():
        assert alarm["AlarmActions"] == [{"Ref": "AlertTopic"}], name
        assert alarm["TreatMissingData"] == "notBreaching", name


def test_the_anomaly_alarm_is_that_of_the_flink_baseline():
    alarm = alarm_on("AnomalyCount", "Source", model.values({})["MetricSource"])
    assert alarm["Namespace"] == model.values({})["MetricNamespace"]
    assert (alarm["Statistic"], alarm["Period"], alarm["Threshold"]) == ("Sum", 300, 1)
    assert (alarm["ComparisonOperator"], alarm["EvaluationPeriods"]) == ("GreaterThanThreshold", 1)


def test_the_band_alarm_watches_the_metric_that_its_detector_is_trained_on():
    [detector] = model.properties(DEPLOYED, "AWS::CloudWatch::AnomalyDetector").values()
    [alarm] = [alarm for alarm in alarms().values() if "ThresholdMetricId" in alarm]
    [band] = [metric for metric in alarm["Metrics"] if metric["Id"] == alarm["ThresholdMetricId"]]
    [watched] = [metric["MetricStat"] for metric in alarm["Metrics"] if "MetricStat" in metric]
    assert {**watched["Metric"], "Stat": watched["Stat"]} == detector
    assert detector["MetricName"] == "AnomalyCount"
    assert "ANOMALY_DETECTION_BAND" in band["Expression"]["Fn::Sub"]


def test_a_width_of_zero_leaves_the_band_out():
    without = model.deployed(AnomalyBandWidth=0)
    assert not model.of_type(without, "AWS::CloudWatch::AnomalyDetector")
    assert set(DEPLOYED) - set(without) == {"AnomalyBand", "AnomalyBandAlarm"}

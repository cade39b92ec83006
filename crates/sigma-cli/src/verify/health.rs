//! Whether the stack says of itself that it works.

use aws_sdk_cloudwatch::types::StateValue;

use super::clients::{Clients, failed};
use super::stack::Stack;

/// Most names in one call of `DescribeAlarms` (API limit).
const ALARMS_MAX: usize = 100;

/// The event source mapping of the detector: enabled, and its last invocation was not a problem.
pub(super) async fn mapping(clients: &Clients, stack: &Stack) -> anyhow::Result<String> {
    let call = clients.lambda.get_event_source_mapping().uuid(&stack.mapping_id);
    let mapping = call.send().await.map_err(|error| failed("Lambda cannot read the mapping")(&error))?;
    let state = mapping.state().unwrap_or("unknown");
    let reason = mapping.state_transition_reason().unwrap_or("no reason given");
    anyhow::ensure!(
        state == "Enabled",
        "the mapping {id} is {state} ({reason}): enable it with `aws lambda update-event-source-mapping --uuid {id} --enabled`, or \
         wait if it is still changing",
        id = stack.mapping_id
    );
    let result = mapping.last_processing_result().unwrap_or("no records processed");
    anyhow::ensure!(
        !result.starts_with("PROBLEM"),
        "its last result is \"{result}\": look at the detector's log (output DetectorLogGroupName)"
    );
    Ok(format!("{state}, last result: {result}"))
}

/// The alarms of the stack, except those on anomalies. If an alert has come through, the stream is polled whatever the alarm on it says.
pub(super) async fn alarms(clients: &Clients, stack: &Stack, has_alerted: bool) -> anyhow::Result<String> {
    let asked = stack.alarms.iter().filter(|alarm| !(has_alerted && alarm.is_on_polling));
    let asked: Vec<String> = asked.map(|alarm| alarm.name.clone()).collect();
    let mut firing = Vec::new();
    for names in asked.chunks(ALARMS_MAX) {
        let call = clients.cloudwatch.describe_alarms().set_alarm_names(Some(names.to_vec()));
        let answer = call.send().await.map_err(|error| failed("CloudWatch cannot describe the alarms")(&error))?;
        firing.extend(
            answer
                .metric_alarms()
                .iter()
                .filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm))
                .filter_map(|alarm| alarm.alarm_name().map(str::to_owned)),
        );
    }
    anyhow::ensure!(firing.is_empty(), "{}: docs/runbook.md says what to do", firing.join(", "));
    Ok(format!("{} alarms", asked.len()))
}

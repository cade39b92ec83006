//! An anomaly message, from the queue or from an outbox: any message that can be read is written back as the same message.

use anomaly_core::AnomalyMessage;

pub(super) fn run(input: &[u8]) {
    let Ok(message) = serde_json::from_slice::<AnomalyMessage>(input) else { return };
    let numbers = [message.amount, message.mean, message.stddev, message.threshold, message.score];
    assert!(numbers.iter().all(|x| x.is_finite()));
    assert!(message.text().contains(&message.user_id));
    let json = serde_json::to_string(&message).unwrap();
    assert_eq!(serde_json::from_str::<AnomalyMessage>(&json).unwrap(), message);
}

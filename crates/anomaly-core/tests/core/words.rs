//! An anomaly in words.

use anomaly_core::{
    AnomalyId, AnomalyMessage, Before, ExplanationFields, ModelFields, PartFields, RuleKind, SecondOpinionFields,
    Severity, WORDS_BYTES_MAX, profile::Feature,
};
use proptest::prelude::*;

fn message() -> AnomalyMessage {
    AnomalyMessage {
        version: 1,
        id: AnomalyId::try_from("0123456789abcdef0123456789abcdef".to_owned()).unwrap(),
        user_id: "user001".to_owned(),
        amount: 9_120.0,
        event_time_ms: 1_760_000_000_000,
        transaction_id: None,
        merchant_id: Some("merchant_12".to_owned()),
        mean: 244.81,
        stddev: 146.67,
        threshold: 611.48,
        score: 60.5,
        count: 84,
        severity: Severity::Critical,
        rule: RuleKind::Adaptive,
        configuration_id: None,
        shard_id: "shardId-000000000000".to_owned(),
        sequence_number: "7".to_owned(),
        sub_sequence: 0,
        explanation: None,
        second_opinion: None,
    }
}

#[test]
fn an_amount_is_told_beside_what_is_usual() {
    let expected = "9,120.00 is 37 times what user001 usually spends (244.81; rarely above 611.48 in 84 payments).";
    assert_eq!(message().because(Before::default()), expected);
}

#[test]
fn a_repeat_is_told() {
    let text = message().because(Before { anomalies: 2 });
    assert!(text.ends_with("in 84 payments); third unusual payment in 7 days."), "{text}");
    let text = message().because(Before { anomalies: 20 });
    assert!(text.ends_with("; one of more than 20 unusual payments in 7 days."), "{text}");
}

#[test]
fn an_amount_below_the_usual_and_a_negative_mean_have_no_quotient() {
    let below = AnomalyMessage { amount: 1.0, score: -4.0, threshold: 90.0, ..message() };
    let expected = "1.00 is below what user001 usually spends (244.81; rarely below 90.00 in 84 payments).";
    assert_eq!(below.because(Before::default()), expected);
    let refunds = AnomalyMessage { mean: -12.0, threshold: 30.0, amount: 45.0, ..message() };
    let expected = "45.00 is above what user001 usually spends (-12.00; rarely above 30.00 in 84 payments).";
    assert_eq!(refunds.because(Before::default()), expected);
}

#[test]
fn profile_names_what_contributed() {
    let part = |feature, log_odds| PartFields { feature, log_odds };
    let parts =
        vec![part(Feature::MerchantSurprise, 2.0), part(Feature::HourSurprise, 1.0), part(Feature::SumDay, -0.5)];
    let model = Some(ModelFields { log_odds: 3.0, threshold: 1.0, parts });
    let explanation = ExplanationFields { own: 6.0, habit: 0.0, heat: 1.2, population: 2.0, new_level: false, model };
    let text = AnomalyMessage { explanation: Some(explanation), ..message() }.because(Before::default());
    let expected = "; large for anybody; payments just before were unusual too. The trained model calls it an anomaly. Toward fraud \
                    speaks how rarely the user pays merchant_12, an hour that is unusual for the user.";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn the_other_rule_is_heard() {
    let second = |severity| SecondOpinionFields { rule: RuleKind::Profile, score: 2.0, threshold: 900.0, severity };
    let with =
        |severity| AnomalyMessage { second_opinion: Some(second(severity)), ..message() }.because(Before::default());
    assert!(with(None).ends_with(" The rule profile would not have alerted."));
    assert!(with(Some(Severity::High)).ends_with(" The rule profile agrees: high."));
}

proptest! {
    #[test]
    fn any_message_has_one_bounded_line_without_nan(
        amount in -1e12..1e12_f64, mean in -1e12..1e12_f64, threshold in -1e12..1e12_f64, score in -1e6..1e6_f64, count: u32,
        user in "[^\\p{C}\\p{Z}]{1,256}", merchant in "[^\\p{C}\\p{Z}]{1,256}", anomalies: u32, sizes in proptest::array::uniform3(-9.0..9.0_f64),
    ) {
        let [heat, population, habit] = sizes;
        let parts = Feature::ALL.into_iter().take(3).map(|feature| PartFields { feature, log_odds: heat.abs() }).collect();
        let model = Some(ModelFields { log_odds: heat, threshold: habit, parts });
        let explanation = Some(ExplanationFields { own: score, habit, heat, population, new_level: heat > 0.0, model });
        let second_opinion =
            Some(SecondOpinionFields { rule: RuleKind::Profile, score, threshold, severity: Some(Severity::High) });
        let (user_id, merchant_id) = (user, Some(merchant));
        let text = AnomalyMessage { amount, mean, threshold, score, count, user_id, merchant_id, explanation, second_opinion, ..message() }
            .because(Before { anomalies });
        prop_assert!(text.len() <= WORDS_BYTES_MAX, "{}", text.len());
        prop_assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains('\n'), "{}", text);
    }
}

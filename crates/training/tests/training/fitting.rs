use anomaly_core::profile::{Feature, Model};
use training::{Budget, FitSettings, Fitted, TrainingError, Warning, fit};

use crate::archives::{Made, Signal, archive, made};

fn fitted(made: &[Made]) -> Result<Fitted, TrainingError> {
    fit(&archive(made), FitSettings { budget: Budget(5.0) }, || {})
}

#[test]
fn a_planted_signal_is_found() {
    let made = made(100, Signal::NightAtNewMerchant, 1);
    let Fitted { model, report } = fitted(&made).unwrap();
    assert!(report.average_precision.model > 0.95, "{report:?}");
    assert!(report.average_precision.score < 0.1, "{report:?}");
    let at = report.model[3];
    assert!(at.budget == Budget(5.0) && at.recall > Some(0.95), "{report:?}");
    assert!(report.model.iter().zip(&report.score).all(|(model, score)| model.recall >= score.recall));
    assert!(report.warnings.is_empty(), "{report:?}");
    // The threshold keeps the budget on the future.
    let trained = Model::try_from(model).unwrap();
    let archive = archive(&made);
    let future = archive.rows().iter().filter(|row| row.event_time_ms >= report.future_from_ms);
    let alerts = future.clone().filter(|row| row.is_judged && trained.is_anomaly(&row.features)).count();
    assert_eq!(u64::try_from(alerts).unwrap(), report.model[3].alerts);
    assert!(alerts > 0 && alerts * 1_000 <= 5 * future.count());
}

#[test]
fn labels_by_chance_give_no_model() {
    let error = fitted(&made(100, Signal::None, 2)).unwrap_err();
    let TrainingError::NotBetter { model, score, .. } = error else { panic!("{error}") };
    assert!(model <= score);
    assert!(error.to_string().contains(&format!("{model:.4}")), "{error}");
}

#[test]
fn the_same_transactions_give_the_same_model() {
    let made = made(100, Signal::NightAtNewMerchant, 3);
    let [one, two] = [(), ()].map(|()| serde_json::to_string(&fitted(&made).unwrap().model).unwrap());
    assert_eq!(one, two);
}

#[test]
fn an_archive_that_cannot_teach_is_refused_with_what_is_missing() {
    let good = made(60, Signal::NightAtNewMerchant, 4);
    let split = fitted(&good).unwrap().report;
    let with = |is_fraud: &dyn Fn(i64, bool) -> bool| {
        let relabelled = good.iter().cloned().map(|made| {
            let is_fraud = is_fraud(made.transaction.event_time_ms, made.is_fraud);
            Made { is_fraud, ..made }
        });
        fitted(&relabelled.collect::<Vec<_>>()).unwrap_err()
    };
    let error = with(&|at, is_fraud| is_fraud && at >= split.trained_until_ms);
    assert!(matches!(error, TrainingError::NoFraudInTraining { days: 34, .. }), "{error}");
    let error = with(&|at, is_fraud| is_fraud && at < split.future_from_ms);
    assert!(matches!(error, TrainingError::NoFraudInFuture { days: 17, .. }), "{error}");
    let error = with(&|_, _| true);
    assert!(matches!(error, TrainingError::OnlyFraudInTraining { .. }), "{error}");
    let error = fitted(&made(19, Signal::NightAtNewMerchant, 4)).unwrap_err();
    assert!(matches!(error, TrainingError::ShortSpan { days: 18, days_min: 20 }), "{error}");

    let mut unlabelled = training::Archive::new(&crate::archives::rule(3.25), i64::MAX);
    for made in &good {
        unlabelled.add(&made.transaction, None);
    }
    assert_eq!(fit(&unlabelled, FitSettings::default(), || {}).unwrap_err(), TrainingError::NoLabel);
}

#[test]
fn few_frauds_are_warned_of() {
    let made = made(60, Signal::NightAtNewMerchant, 5);
    let thinned = made.into_iter().enumerate().filter(|(index, made)| !made.is_fraud || index % 4 == 0);
    let report = fitted(&thinned.map(|(_, made)| made).collect::<Vec<_>>()).unwrap().report;
    assert!(report.training.frauds_judged < 50);
    assert!(matches!(report.warnings[..], [Warning::FewFraudsInTraining { .. }, Warning::FewFraudsInFuture { .. }]));
}

#[test]
fn a_budget_below_the_equals_on_top_is_warned_of() {
    let made = made(60, Signal::NightAtNewMerchant, 5);
    let fitted = fit(&archive(&made), FitSettings { budget: Budget(0.01) }, || {}).unwrap();
    assert!(matches!(fitted.report.warnings.last(), Some(Warning::NoAlert { equals: 1.. })), "{:?}", fitted.report);
}

#[test]
fn late_transactions_and_retries_teach_nothing() {
    let mut made = made(2, Signal::None, 6);
    let retry = &mut made[100].transaction;
    retry.transaction_id = Some("t1".into());
    let (retry, mut late) = (made[100].clone(), made[0].clone());
    made.insert(101, retry);
    late.is_fraud = true;
    made.push(late);
    let archive = archive(&made);
    assert_eq!(archive.rows().len(), made.len() - 1, "the retry is left out");
    let late = archive.rows().last().unwrap();
    assert!(!late.is_judged && late.is_fraud);
    assert!(Feature::LnAmount.value(&late.features) > 0.0);
}

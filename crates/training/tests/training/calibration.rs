use anomaly_core::profile::{Model, Population};
use anomaly_core::{ModelMode, Position, Rule, ShardId, UserState, Verdict};
use training::{Budget, FitSettings, TrainingError, calibrate, fit};

use crate::archives::{Made, Signal, archive, made, rule};

/// The anomalies that the detector's own step finds in the last fifth.
fn anomalies(made: &[Made], rule: &Rule) -> u64 {
    let shard: ShardId = "shardId-000000000000".parse().unwrap();
    let mut users = std::collections::HashMap::new();
    let mut verdicts = Vec::new();
    for (index, made) in made.iter().enumerate() {
        let position = Position { sequence_number: (index + 1).to_string().parse().unwrap(), sub_sequence: 0 };
        let state = users.entry(&made.transaction.user_id).or_insert_with(|| UserState::new(rule));
        verdicts.push(matches!(state.step(&shard, position, &made.transaction, rule), Verdict::Anomaly(..)));
    }
    let last = &verdicts[verdicts.len() - verdicts.len() / 5..];
    u64::try_from(last.iter().filter(|is_anomaly| **is_anomaly).count()).unwrap()
}

#[test]
fn the_rule_with_the_calibrated_sigmas_keeps_the_budget_on_the_last_fifth() {
    let made = made(50, Signal::NightAtNewMerchant, 7);
    for (budget, at_least) in [(1.0, 1), (5.0, 8), (20.0, 40)] {
        let found = calibrate(&archive(&made), Budget(budget), None).unwrap();
        let allowed = u64::try_from(Budget(budget).alerts(found.measured_on)).unwrap();
        let without = found.without_population;
        assert_eq!(anomalies(&made, &rule(without.sigmas)), without.alerts, "{found:?}");
        assert!((at_least..=allowed).contains(&without.alerts), "{found:?}");

        let population = Population::new(&found.population.ln, &found.population.z).unwrap();
        let with = found.with_population;
        assert_eq!(anomalies(&made, &rule(with.sigmas).with_population(population)), with.alerts, "{found:?}");
        assert!(with.alerts <= allowed && with.sigmas >= without.sigmas, "{found:?}");
    }
}

#[test]
fn the_models_threshold_keeps_the_budget_on_the_last_fifth() {
    let made = made(60, Signal::NightAtNewMerchant, 8);
    let archive = archive(&made);
    let json = fit(&archive, FitSettings::default(), || {}).unwrap().model;
    let model = Model::try_from(json.clone()).unwrap();
    let found = calibrate(&archive, Budget(5.0), Some(&model)).unwrap().without_population;
    let threshold = found.model_threshold.unwrap();
    let model = Model::try_from(anomaly_core::profile::ModelJson { threshold, ..json }).unwrap();
    let rule = rule(6.0).with_model(model, ModelMode::Alert);
    assert!(found.model_alerts.unwrap() > 0);
    assert_eq!(anomalies(&made, &rule), found.model_alerts.unwrap(), "{found:?}");
}

#[test]
fn a_knot_needs_twenty_amounts_beyond_it() {
    let made = made(50, Signal::None, 9);
    for (transactions, knots) in [(200, 3), (399, 3), (400, 4), (4_000, 7), (12_000, 8)] {
        let found = calibrate(&archive(&made[..transactions]), Budget(1.0), None).unwrap();
        assert_eq!(found.population.ln.len(), knots, "{transactions}");
        assert!(found.population.ln.is_sorted());
    }
    let error = calibrate(&archive(&made[..199]), Budget(1.0), None).unwrap_err();
    assert_eq!(error, TrainingError::FewTransactions { transactions: 199, transactions_min: 200 });
}

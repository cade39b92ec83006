//! A sentence of advice for each finding. Each says what was seen, and what to do about it.

use maud::{Markup, html};

use super::format::{count, decimal, number, percent, percent_or_dash};
use backtest::summary::{BacktestSummary, Knobs, Quality, RuleName, RuleSummary, SweepPoint};

/// Alerts per 1,000 above which a quieter threshold is proposed.
const NOISY_PER_1000: f64 = 2.0;
/// The quieter threshold has at most this share of the alerts.
const QUIETER: f64 = 1.0 / 3.0;
/// Share of the alerts from which few users are said to raise most of them.
const FEW_USERS_SHARE: f64 = 0.5;
const FEW_USERS: usize = 5;
/// Share of unjudged transactions from which it is said.
const WARMING_UP_SHARE: f64 = 0.1;
/// Share of records out of order, late or rejected from which it is said.
const ODD_SHARE: f64 = 0.001;
/// Flagged transactions as a multiple of what σ promises from which the amounts are said to have heavy tails.
const HEAVY_TAIL: f64 = 2.0;
/// By how much another σ has to be better to be named.
const F1_GAIN: f64 = 0.02;

/// The findings about the input and the first rule, and which rule is best.
pub(super) fn section(summary: &BacktestSummary) -> Markup {
    let findings = findings(summary);
    html! {
        @if !findings.is_empty() {
            section.findings {
                h2 { "What to make of it" }
                ul { @for finding in &findings { li { (finding) } } }
            }
        }
    }
}

fn findings(summary: &BacktestSummary) -> Vec<Markup> {
    let of_input = [rejected(summary), unsorted(summary)];
    let of_rules = [best_rule(&summary.rules)];
    let of_rule = |rule| {
        [Some(volume(rule)), best_sigmas(rule), heavy_tails(rule), few_users(rule), warming_up(rule), late(rule)]
    };
    let first = summary.rules.first().map(of_rule);
    of_rules.into_iter().chain(first.into_iter().flatten()).chain(of_input).flatten().collect()
}

fn per_1000(rate: f64) -> Markup {
    html! { strong { (decimal(rate)) } " alerts per 1,000" }
}

/// What the rule sends, and what another threshold would.
fn volume(rule: &RuleSummary) -> Markup {
    let own = html! { (rule.label) " gives " (per_1000(rule.alerts_per_1000)) " transactions here, " (decimal(rule.alerts_per_day)) " a day" };
    let quieter = rule.sweep.iter().find(|point| is_quieter(rule, point));
    match quieter {
        Some(point) if rule.alerts_per_1000 > NOISY_PER_1000 => html! {
            (own) "; σ = " (decimal(point.sigmas)) " gives " strong { (decimal(point.alerts_per_1000)) } ", "
            (decimal(point.alerts_per_day)) " a day. If nobody can look at that many, begin there."
        },
        _ if rule.alerts == 0 => {
            html! { (rule.label) " gives no alert here. Try a lower σ to see what is closest to one." }
        }
        _ => html! { (own) "." },
    }
}

fn is_quieter(rule: &RuleSummary, point: &SweepPoint) -> bool {
    point.sigmas > rule.knobs.sigmas && point.alerts_per_1000 <= rule.alerts_per_1000 * QUIETER
}

fn best_rule(rules: &[RuleSummary]) -> Option<Markup> {
    let with_f1 = || rules.iter().filter_map(|rule| Some((rule, rule.detection.as_ref()?.quality)));
    let f1 = |quality: &Quality| quality.f1.unwrap_or(0.0);
    let (rule, quality) = with_f1().max_by(|a, b| f1(&a.1).total_cmp(&f1(&b.1)))?;
    let quality_text = html! {
        "precision " (percent_or_dash(quality.precision)) ", recall " (percent_or_dash(quality.recall))
        ", " (decimal(quality.false_alerts_per_1000)) " false alerts per 1,000"
    };
    Some(html! {
        @if with_f1().count() > 1 { "Of these rules " strong { (rule.label) } " agrees best with the labels: " (quality_text) "." }
        @else { strong { (rule.label) } " against the labels: " (quality_text) "." }
    })
}

/// The point of the sweep with the best F1, if it is worth a word.
fn best_sigmas(rule: &RuleSummary) -> Option<Markup> {
    let own = rule.detection.as_ref()?.quality.f1.unwrap_or(0.0);
    let with_f1 = rule.sweep.iter().filter_map(|point| Some((point, point.quality?)));
    let f1 = |quality: &Quality| quality.f1.unwrap_or(0.0);
    let (point, quality) = with_f1.max_by(|a, b| f1(&a.1).total_cmp(&f1(&b.1)))?;
    (f1(&quality) > own + F1_GAIN).then(|| {
        html! {
            "By F1, " strong { "σ = " (decimal(point.sigmas)) } " suits the labels better than " (decimal(rule.knobs.sigmas)) ": "
            (decimal(f1(&quality))) " against " (decimal(own)) ", with precision " (percent_or_dash(quality.precision))
            " and recall " (percent_or_dash(quality.recall)) "."
        }
    })
}

/// The rate of false alarms that σ has for normal amounts, against what was flagged.
fn heavy_tails(rule: &RuleSummary) -> Option<Markup> {
    let judged = rule.verdicts.normal + rule.alerts;
    if rule.rule != RuleName::Adaptive || judged == 0 {
        return None;
    }
    let promised = promised_share(&rule.knobs);
    let unexplained = rule.detection.as_ref().map_or(rule.alerts, |detection| detection.quality.false_alerts);
    let measured = number(unexplained) / number(judged);
    (measured > promised * HEAVY_TAIL).then(|| {
        html! {
            "Amounts here have heavier tails than a normal distribution: σ = " (decimal(rule.knobs.sigmas)) " would flag "
            (percent(promised)) " of usual normal amounts, and " strong { (percent(measured)) } " of the judged transactions "
            @if rule.detection.is_some() { "without a label " } "were flagged. That is the data and not a fault; only a higher σ helps."
        }
    })
}

/// 1 − Φ(σ), and twice that for both directions.
fn promised_share(knobs: &Knobs) -> f64 {
    let tail = 0.5 * statrs::function::erf::erfc(knobs.sigmas / std::f64::consts::SQRT_2);
    match knobs.direction {
        anomaly_core::Direction::Up => tail,
        anomaly_core::Direction::Both => 2.0 * tail,
    }
}

fn few_users(rule: &RuleSummary) -> Option<Markup> {
    let few: Vec<_> = rule.noisiest_users.iter().take(FEW_USERS).collect();
    let share = number(few.iter().map(|user| user.alerts).sum()) / number(rule.alerts.max(1));
    let is_few = rule.users_alerted > u64::try_from(FEW_USERS * 2).ok()? && share >= FEW_USERS_SHARE;
    let noisiest = few.first().filter(|_| is_few)?;
    Some(html! {
        "Five users raise " strong { (percent(share)) } " of the alerts. Look at " bdi { (noisiest.user_id) } " first: "
        (count(noisiest.alerts)) " alerts in " (count(noisiest.transactions)) " transactions."
    })
}

fn warming_up(rule: &RuleSummary) -> Option<Markup> {
    (rule.warming_up_share > WARMING_UP_SHARE).then(|| {
        html! {
            strong { (percent(rule.warming_up_share)) } " of the transactions could not be judged, since too few of the user's own came before. "
            @if rule.rule == RuleName::Adaptive { "That passes: the long-term baseline fills within a user's first transactions." }
            @else { "Try a longer window than " (count(u64::from(rule.knobs.window_seconds))) " s, or the adaptive rule, which remembers beyond it." }
        }
    })
}

fn late(rule: &RuleSummary) -> Option<Markup> {
    let judged = rule.verdicts.normal + rule.verdicts.warming_up + rule.alerts;
    let is_odd = number(rule.verdicts.late) > ODD_SHARE * number(judged);
    is_odd.then(|| {
        html! { (count(rule.verdicts.late)) " transactions came after the window had passed them and were not judged. Sort the input by time." }
    })
}

fn rejected(summary: &BacktestSummary) -> Option<Markup> {
    let reasons = summary.input.rejected_by_reason.iter();
    let reasons: Vec<_> = reasons.map(|(reason, number)| format!("{} {}", count(*number), reason.as_str())).collect();
    (summary.input.rejected > 0).then(|| {
        html! {
            strong { (count(summary.input.rejected)) } " records are no transactions (" (reasons.join(", "))
            "). In the pipeline they would be in quarantine."
        }
    })
}

fn unsorted(summary: &BacktestSummary) -> Option<Markup> {
    let is_odd = number(summary.input.out_of_order) > ODD_SHARE * number(summary.input.transactions);
    is_odd.then(|| {
        html! {
            (count(summary.input.out_of_order)) " transactions are older than the one before them of the same user. If the stream has them \
             in order, sort the file before you trust these figures."
        }
    })
}

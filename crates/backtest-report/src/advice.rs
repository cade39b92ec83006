//! The findings in words: each says what the data shows and, where something can be done, what to do.

use maud::{Markup, html};

use super::format::{count, decimal, number, percent, percent_or_dash};
use backtest::summary::{BacktestSummary, Difference, Knobs, Quality, RuleName, RuleSummary, SweepPoint};

/// Alerts per 1,000 transactions above which a quieter threshold is proposed.
const NOISY_PER_1000: f64 = 2.0;
/// A quieter threshold raises at most this share of the alerts.
const QUIETER: f64 = 1.0 / 3.0;
/// Share of the alerts from which the [`FEW_USERS`] noisiest users are mentioned, because they raise that much.
const FEW_USERS_SHARE: f64 = 0.5;
const FEW_USERS: usize = 5;
/// Share of unjudged transactions above which they are mentioned.
const WARMING_UP_SHARE: f64 = 0.1;
/// Share of transactions out of order or late above which they are mentioned.
const ODD_SHARE: f64 = 0.001;
/// Amounts have heavy tails if the flagged share is more than this multiple of the share that σ promises.
const HEAVY_TAIL: f64 = 2.0;
/// Gain in F1 above which a better σ is mentioned.
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
    let of_rules = [best_rule(&summary.rules), summary.rules.first().and_then(messages)];
    let of_rule = |rule| {
        [Some(volume(rule)), best_sigmas(rule), heavy_tails(rule), few_users(rule), warming_up(rule), late(rule)]
    };
    let first = summary.rules.first().map(of_rule);
    of_rules.into_iter().chain(first.into_iter().flatten()).chain(of_input).flatten().collect()
}

fn per_1000(rate: f64) -> Markup {
    html! { strong { (decimal(rate)) } " alerts per 1,000" }
}

/// How many alerts the rule raises, and how many a quieter threshold would.
fn volume(rule: &RuleSummary) -> Markup {
    let own = html! { (rule.label) " raises " (per_1000(rule.alerts_per_1000)) " transactions here, " (decimal(rule.alerts_per_day)) " a day" };
    let quieter = rule.sweep.iter().find(|point| is_quieter(rule, point));
    match quieter {
        Some(point) if rule.alerts_per_1000 > NOISY_PER_1000 => html! {
            (own) "; σ = " (decimal(point.sigmas)) " raises " strong { (decimal(point.alerts_per_1000)) } ", "
            (decimal(point.alerts_per_day)) " a day. If nobody can review that many alerts, use the higher σ."
        },
        _ if rule.alerts == 0 => {
            html! { (rule.label) " raises no alerts here. Try a lower σ to see which transactions come closest." }
        }
        _ => html! { (own) "." },
    }
}

/// What one person would get.
fn messages(rule: &RuleSummary) -> Option<Markup> {
    let people = rule.people.as_ref().filter(|_| rule.alerts > 0)?;
    Some(html! {
        "Of " (rule.label) ", one person would get " strong { (decimal(people.messages.mean)) " messages a day" } ", at most "
        (count(people.messages.max)) "; " (decimal(people.messages_without.mean)) " if every alert were a message."
    })
}

fn is_quieter(rule: &RuleSummary, point: &SweepPoint) -> bool {
    point.sigmas > rule.knobs.sigmas && point.alerts_per_1000 <= rule.alerts_per_1000 * QUIETER
}

/// Which rule is better for this input, by how much, and how sure that is.
fn best_rule(rules: &[RuleSummary]) -> Option<Markup> {
    let mut judged = rules.iter().filter_map(|rule| Some((rule, rule.detection.as_ref()?.quality)));
    let first = judged.next()?;
    let best_of_others = judged.max_by(|a, b| f1(&a.1).total_cmp(&f1(&b.1)));
    let Some(other) = best_of_others else {
        return Some(
            html! { "Compared with the labels, " strong { (first.0.label) } " has " (quality_text(&first.1)) "." },
        );
    };
    let Difference { observed, low, high } = other.0.f1_difference?;
    let is_other_better = observed > 0.0;
    let (best, worse) = if is_other_better { (other, first) } else { (first, other) };
    if f1(&best.1) == 0.0 {
        return Some(html! { "None of these rules finds anything that is labelled." });
    }
    // The difference is the other rule's less the first one's; the sentence is about the better one.
    let (low, high) = if is_other_better { (low, high) } else { (-high, -low) };
    Some(html! {
        "For this file " strong { (best.0.label) } " is the better rule: F1 " (decimal(f1(&best.1))) " (" (quality_text(&best.1)) ") against "
        (decimal(f1(&worse.1))) " (" (quality_text(&worse.1)) ") of " (worse.0.label)
        @if low > 0.0 { "." }
        @else { ". The difference is within noise: drawn again from its users, the file gives " (signed(low)) " to " (signed(high)) "." }
    })
}

fn f1(quality: &Quality) -> f64 {
    quality.f1.unwrap_or(0.0)
}

/// A small difference, with its sign.
fn signed(difference: f64) -> String {
    format!("{difference:+.3}")
}

fn quality_text(quality: &Quality) -> Markup {
    html! {
        "precision " (percent_or_dash(quality.precision)) ", recall " (percent_or_dash(quality.recall))
        ", " (decimal(quality.false_alerts_per_1000)) " false alerts per 1,000"
    }
}

/// The point of the sweep with the best F1, if it is worth mentioning.
fn best_sigmas(rule: &RuleSummary) -> Option<Markup> {
    let own = rule.detection.as_ref()?.quality.f1.unwrap_or(0.0);
    let with_f1 = rule.sweep.iter().filter_map(|point| Some((point, point.quality?)));
    let (point, quality) = with_f1.max_by(|a, b| f1(&a.1).total_cmp(&f1(&b.1)))?;
    (f1(&quality) > own + F1_GAIN).then(|| {
        html! {
            "By F1, " strong { "σ = " (decimal(point.sigmas)) } " fits the labels better than " (decimal(rule.knobs.sigmas)) ": "
            (decimal(f1(&quality))) " compared with " (decimal(own)) ", at precision " (percent_or_dash(quality.precision))
            " and recall " (percent_or_dash(quality.recall)) "."
        }
    })
}

/// Compares the flagged share with the rate of false alarms that σ has for normally distributed amounts.
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
            "The amounts here have heavier tails than a normal distribution. If they were normal, σ = "
            (decimal(rule.knobs.sigmas)) " would flag " (percent(promised)) " of usual amounts, but "
            strong { (percent(measured)) } " of the judged transactions were flagged"
            @if rule.detection.is_some() { " without being labelled" } ". This is the data, not a fault: the rule profile judges each user on the user's own scale, and a higher σ raises fewer alerts."
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
            strong { (percent(rule.warming_up_share)) } " of the transactions could not be judged, because the user had too few earlier ones. "
            @if rule.rule == RuleName::Adaptive { "This is temporary: the long-term baseline fills within a user's first transactions." }
            @else if rule.rule == RuleName::Profile { "This is temporary: profile judges from a user's fourth transaction on." }
            @else { "Try a longer window than " (count(u64::from(rule.knobs.window_seconds))) " s, or the adaptive rule, which remembers more than one window." }
        }
    })
}

fn late(rule: &RuleSummary) -> Option<Markup> {
    let judged = rule.verdicts.normal + rule.verdicts.warming_up + rule.alerts;
    let is_odd = number(rule.verdicts.late) > ODD_SHARE * number(judged);
    is_odd.then(|| {
        html! { (count(rule.verdicts.late)) " transactions arrived after the window had passed them and were not judged. Sort the input by time." }
    })
}

fn rejected(summary: &BacktestSummary) -> Option<Markup> {
    let reasons = summary.input.rejected_by_reason.iter();
    let reasons: Vec<_> = reasons.map(|(reason, number)| format!("{} {}", count(*number), reason.as_str())).collect();
    (summary.input.rejected > 0).then(|| {
        html! {
            strong { (count(summary.input.rejected)) } " records are not transactions (" (reasons.join(", "))
            "). The detector would quarantine them."
        }
    })
}

fn unsorted(summary: &BacktestSummary) -> Option<Markup> {
    let is_odd = number(summary.input.out_of_order) > ODD_SHARE * number(summary.input.transactions);
    is_odd.then(|| {
        html! {
            (count(summary.input.out_of_order)) " transactions come after a newer one of the same user. If the stream delivers them \
             in order, sort the file before you trust these figures."
        }
    })
}

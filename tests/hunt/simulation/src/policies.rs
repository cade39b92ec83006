//! The policies of a schedule: set, changed in the middle of batches, and sometimes unreadable.

use std::cell::RefCell;
use std::collections::BTreeMap;

use alert_policy::{Decision, Disposition, Mode, Policy, Reason};
use serde_json::json;

use super::dice::Dice;

/// The end of every rule: long after every schedule.
const UNTIL: &str = "2100-01-01";
/// Pages a day without a policy that says otherwise.
const PAGES_PER_DAY_MAX: u32 = 20;

/// Every policy that could be read, by version.
#[derive(Debug, Default)]
pub(crate) struct Policies(RefCell<BTreeMap<u64, Policy>>);

impl Policies {
    /// Draws the next stored policy: one that can be read, one that cannot, or none.
    pub(crate) fn next(&self, dice: &Dice) -> Option<String> {
        let version = self.0.borrow().keys().last().copied().unwrap_or_default() + 1;
        let (disposition, user) = (DISPOSITIONS.get(dice.index(DISPOSITIONS.len()))?, dice.between(1, 3));
        let rule = json!({
            "id": "r", "match": {"userId": [format!("user{user}")]}, "then": disposition, "until": UNTIL, "why": "w"
        });
        let page = json!({"severity": "warning", "perDay": dice.between(1, 3)});
        let policy = match dice.between(0, 6) {
            0 => return None,
            1 => return Some("{".to_owned()),
            2 => return Some(json!({"schema": 2, "mode": "shadow"}).to_string()),
            3 => json!({"version": version, "mode": "shadow"}),
            4 => json!({"version": version, "page": page}),
            _ => json!({"version": version, "page": page, "rules": [rule]}),
        };
        let json = policy.to_string();
        self.0.borrow_mut().insert(version, Policy::parse(&json).ok()?);
        Some(json)
    }

    /// Whether the policy of its version justifies a decision about a user's alert.
    pub(crate) fn check(&self, user_id: &str, decision: &Decision) -> Result<(), String> {
        let policies = self.0.borrow();
        let policy = policies.get(&decision.policy_version);
        let wanted = policy.and_then(|policy| listed(policy, user_id));
        let is_shadow = policy.is_some_and(|policy| policy.mode == Mode::Shadow);
        let pages_max = policy.and_then(|policy| policy.page.per_day).unwrap_or(PAGES_PER_DAY_MAX);
        let is_told = decision.disposition.is_published();
        match decision.disposition {
            Disposition::Shadow if is_shadow => Ok(()),
            _ if is_shadow => Err("a shadow policy told or hid it".to_owned()),
            _ if decision.pages_per_day_max != pages_max => Err(format!("its day has {pages_max} pages")),
            Disposition::Digest
                if decision.reason == Reason::Budget && wanted.is_none_or(|wanted| wanted == Disposition::Page) =>
            {
                Ok(())
            }
            disposition if wanted == Some(disposition) => Ok(()),
            _ if wanted.is_none() && is_told => Ok(()),
            disposition => Err(format!("no policy justifies {}", disposition.as_str())),
        }
    }
}

const DISPOSITIONS: [&str; 4] = ["page", "digest", "silent", "shadow"];

/// What a rule says of a user.
fn listed(policy: &Policy, user_id: &str) -> Option<Disposition> {
    let document = json!({ "userId": user_id });
    let applies = |rule: &&alert_policy::Rule| rule.pattern.as_ref().is_some_and(|pattern| pattern.matches(&document));
    policy.rules.iter().find(applies).map(|rule| rule.then)
}

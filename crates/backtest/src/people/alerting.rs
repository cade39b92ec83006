//! How alerts are told.

use alert_policy::{Policy, Settings};

use crate::plan::PlanError;

/// How alerts are told: as the alerter is configured, and its policy.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertingSettings {
    /// The live rules, if there are any.
    pub policy: Option<Policy>,
    /// Pages a day (UTC) unless the policy says otherwise; 0 for any number.
    pub pages_per_day_max: u32,
    /// Hours between summaries, at most [`Self::DIGEST_HOURS_MAX`]; 0 for none: then every alert is a page.
    pub digest_hours: u32,
}

impl AlertingSettings {
    /// `PagesPerDayMax` of the template.
    pub const PAGES_PER_DAY_MAX: u32 = 20;
    /// `DigestHours` of the template.
    pub const DIGEST_HOURS: u32 = 24;
    /// A week.
    pub const DIGEST_HOURS_MAX: u32 = 168;

    /// What `decide` has to know of it.
    pub(crate) const fn of_stack(&self) -> Settings {
        Settings { pages_per_day_max: self.pages_per_day_max, has_digest: self.digest_hours > 0 }
    }

    /// Pages a day that are allowed in the end.
    pub(crate) fn pages_per_day_max(&self) -> u32 {
        let of_policy = self.policy.as_ref().and_then(|policy| policy.page.per_day);
        if self.digest_hours > 0 { of_policy.unwrap_or(self.pages_per_day_max) } else { 0 }
    }

    /// Whether this can be told.
    ///
    /// # Errors
    /// [`PlanError`] if summaries are too rare, or if there is a budget without summaries.
    pub(crate) const fn check(&self) -> Result<(), PlanError> {
        match self.digest_hours {
            0 if self.pages_per_day_max > 0 => Err(PlanError::BudgetWithoutDigest),
            hours if hours > Self::DIGEST_HOURS_MAX => Err(PlanError::DigestHours(hours)),
            _ => Ok(()),
        }
    }
}

/// The template's defaults, without a policy.
impl Default for AlertingSettings {
    fn default() -> Self {
        Self { policy: None, pages_per_day_max: Self::PAGES_PER_DAY_MAX, digest_hours: Self::DIGEST_HOURS }
    }
}

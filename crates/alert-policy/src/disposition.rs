//! The four things that can become of an alert.

use serde::{Deserialize, Serialize};

/// What becomes of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Disposition {
    /// People are told at once.
    Page,
    /// People read it in the next summary. Machines get it at once.
    Digest,
    /// Recorded and counted, told to nobody.
    Silent,
    /// Recorded and counted apart, told to nobody: what would have become of it is recorded too.
    Shadow,
}

impl Disposition {
    /// As written in policies, messages and the ledger.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Digest => "digest",
            Self::Silent => "silent",
            Self::Shadow => "shadow",
        }
    }

    /// Whether subscribers of the topic get it.
    #[must_use]
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Page | Self::Digest)
    }
}

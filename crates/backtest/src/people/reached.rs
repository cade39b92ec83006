//! Whether people hear of what is labelled.

use alert_policy::Disposition;

use crate::summary::Reach;

/// How one episode or user reached people, by track: bit n is track n. A plan shows at most 16 of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reached {
    paged: u16,
    waited: u16,
}

/// How many of them a track told at once, and how many only in a summary.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reaches {
    at_once: u64,
    in_summary: u64,
}

impl Reaches {
    /// Counts a labelled alert of an episode or user. One that is told at once at last is no longer one that was only in a summary.
    pub(crate) const fn note(&mut self, reached: &mut Reached, place: usize, disposition: Disposition) {
        let track = 1 << place;
        let (was_paged, has_waited) = (reached.paged & track != 0, reached.waited & track != 0);
        match disposition {
            Disposition::Page if !was_paged => {
                reached.paged |= track;
                self.at_once += 1;
                self.in_summary -= if has_waited { 1 } else { 0 };
            }
            Disposition::Digest if !has_waited => {
                reached.waited |= track;
                self.in_summary += if was_paged { 0 } else { 1 };
            }
            _ => {}
        }
    }

    /// Of this many in all.
    pub(crate) const fn of(self, total: u64) -> Reach {
        let Self { at_once, in_summary } = self;
        Reach { at_once, in_summary, never: total.saturating_sub(at_once + in_summary) }
    }
}

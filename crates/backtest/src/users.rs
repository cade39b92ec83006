//! The users of the input, and what is known of each, whatever the rule.

use hashbrown::HashMap;
use smol_str::SmolStr;

use super::people::Reached;
use super::summary::Delay;

/// Maximum number of users whose transactions are recorded: many more than are shown, since the busiest are known only at the end.
pub(crate) const RECORDED_USERS_MAX: usize = 64;

/// A user's number. Users are numbered from 0 in the order of their first transactions.
pub(crate) type UserNumber = usize;

/// All users so far.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// Ids of usual length are in the table itself: a lookup waits for one place in memory.
    numbers: HashMap<SmolStr, UserNumber>,
    known: Vec<User>,
    recorded: Vec<UserNumber>,
    /// A user with this many transactions replaces the quietest recorded user.
    recorded_from: u64,
}

/// One user.
#[derive(Debug, Default)]
pub(crate) struct User {
    pub(crate) transactions: u64,
    pub(crate) labelled: u64,
    pub(crate) newest_event_time_ms: i64,
    /// Index of the recorder of the user's transactions, if they are recorded.
    pub(crate) recorder: Option<usize>,
    pub(crate) episode: Option<Episode>,
    /// What people heard of the user's labelled transactions.
    pub(crate) reached: Reached,
}

/// Labelled transactions of a user that belong together, as [`Delay`] defines it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Episode {
    pub(crate) first_ms: i64,
    last_ms: i64,
    /// The user's transactions after the first labelled one.
    pub(crate) transactions: u64,
    /// Bit n: track n has flagged a labelled transaction of it.
    pub(crate) detected: u64,
    /// What people heard of it.
    pub(crate) reached: Reached,
}

/// How a transaction relates to its user.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) user: UserNumber,
    /// Event time since the user's newest transaction, in ms; negative if it is older, 0 for the first.
    pub(crate) silence_ms: i64,
    /// Index of the user's recorder, if there is one.
    pub(crate) recorder: Option<usize>,
    /// Whether the recorder has just passed to this user.
    pub(crate) is_recorder_new: bool,
    /// Whether it begins an episode.
    pub(crate) begins_episode: bool,
}

impl Users {
    /// Users with a labelled transaction.
    pub(crate) fn labelled(&self) -> usize {
        self.known.iter().filter(|user| user.labelled > 0).count()
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn get(&self, user: UserNumber) -> Option<&User> {
        self.known.get(user)
    }

    pub(crate) fn get_mut(&mut self, user: UserNumber) -> Option<&mut User> {
        self.known.get_mut(user)
    }

    /// Ids by number.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let mut ids = vec![""; self.known.len()];
        for (id, number) in &self.numbers {
            if let Some(slot) = ids.get_mut(*number) {
                *slot = id;
            }
        }
        ids
    }

    /// Counts a transaction of a user, who may be new.
    pub(crate) fn arrive(&mut self, user_id: &str, event_time_ms: i64, label: Option<bool>) -> Arrival {
        let number = self.number(user_id, event_time_ms);
        let recorded_from = if self.recorded.len() < RECORDED_USERS_MAX { 0 } else { self.recorded_from };
        let mut user = User::default();
        let user = self.known.get_mut(number).unwrap_or(&mut user);
        user.transactions += 1;
        user.labelled += u64::from(label == Some(true));
        let silence_ms = event_time_ms - user.newest_event_time_ms;
        user.newest_event_time_ms = user.newest_event_time_ms.max(event_time_ms);
        let begins_episode = label.is_some_and(|label| user.continue_episode(event_time_ms, label));
        let is_recorder_new = user.recorder.is_none() && user.transactions >= recorded_from;
        if is_recorder_new {
            self.record(number);
        }
        let recorder = self.known.get(number).and_then(|user| user.recorder);
        Arrival { user: number, silence_ms, recorder, is_recorder_new, begins_episode }
    }

    fn number(&mut self, user_id: &str, event_time_ms: i64) -> UserNumber {
        if let Some(number) = self.numbers.get(user_id) {
            return *number;
        }
        let number = self.known.len();
        self.numbers.insert(user_id.into(), number);
        self.known.push(User { newest_event_time_ms: event_time_ms, ..User::default() });
        number
    }

    /// Gives a user a recorder: a free one, or that of the quietest recorded user. Taking it over needs more than twice as many
    /// transactions, so that equally busy users do not take it from each other for ever, and little of a busy user's start is
    /// missing.
    fn record(&mut self, user: UserNumber) {
        let transactions = |users: &Self, user: &UserNumber| users.known.get(*user).map_or(0, |user| user.transactions);
        let recorder = if self.recorded.len() < RECORDED_USERS_MAX {
            self.recorded.push(user);
            self.recorded.len() - 1
        } else {
            let quietest =
                (0..self.recorded.len()).min_by_key(|slot| self.recorded.get(*slot).map(|u| transactions(self, u)));
            let slot = quietest.unwrap_or_default();
            let before = self.recorded.get_mut(slot).map(|recorded| std::mem::replace(recorded, user));
            if let Some(before) = before.and_then(|before| self.known.get_mut(before)) {
                before.recorder = None;
            }
            slot
        };
        if let Some(user) = self.known.get_mut(user) {
            user.recorder = Some(recorder);
        }
        let quietest = self.recorded.iter().map(|user| transactions(self, user)).min();
        self.recorded_from = 2 * quietest.unwrap_or_default() + 16;
    }
}

impl Episode {
    fn new(event_time_ms: i64) -> Self {
        let (first_ms, last_ms) = (event_time_ms, event_time_ms);
        Self { first_ms, last_ms, transactions: 0, detected: 0, reached: Reached::default() }
    }
}

impl User {
    /// Continues the current episode or begins a new one. Returns whether one begins.
    fn continue_episode(&mut self, event_time_ms: i64, is_labelled: bool) -> bool {
        if let Some(episode) = &mut self.episode {
            episode.transactions += 1;
            if !is_labelled {
                return false;
            }
            let is_same = event_time_ms.saturating_sub(episode.last_ms) <= Delay::EPISODE_GAP_MS;
            episode.last_ms = event_time_ms;
            if is_same {
                return false;
            }
        }
        if is_labelled {
            self.episode = Some(Episode::new(event_time_ms));
        }
        is_labelled
    }
}

//! Why there is no model, or no calibration, and what would help.

use anomaly_core::profile::ProfileError;

/// Why training or calibration gives nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TrainingError {
    /// No transaction has a label.
    #[error(
        "no transaction has a label, and a model learns from labels: name their column or field with --label-column, or use \
         `sigma calibrate`, which needs none"
    )]
    NoLabel,
    /// The span is too short for the split.
    #[error(
        "the archive spans {days} days: training needs {days_min}, so that a week of it is left after the last three tenths and the gap \
         of 7 days; add older transactions"
    )]
    ShortSpan {
        /// Whole days from the first to the last event time.
        days: i64,
        /// Whole days that it takes.
        days_min: i64,
    },
    /// Nothing to learn from.
    #[error(
        "none of the {judged} judged transactions of the training part (the first {days} days) is labelled as fraud: add older \
         transactions, or check that a label means fraud where it is 1, true, yes or fraud"
    )]
    NoFraudInTraining {
        /// Judged transactions of the part.
        judged: u64,
        /// Its length in whole days.
        days: i64,
    },
    /// Nothing but fraud.
    #[error("all {judged} judged transactions of the training part are labelled as fraud: check the label's column")]
    OnlyFraudInTraining {
        /// Judged transactions of the part.
        judged: u64,
    },
    /// Nothing to measure with.
    #[error(
        "none of the {judged} judged transactions of the future part (the last {days} days) is labelled as fraud, so a model cannot be \
         measured: add newer transactions, and leave out the last weeks if their fraud is not known yet"
    )]
    NoFraudInFuture {
        /// Judged transactions of the part.
        judged: u64,
        /// Its length in whole days.
        days: i64,
    },
    /// The model is no gain.
    #[error(
        "the model is not better than the amount alone, beyond chance: average precision {model:.4} on the future, against {score:.4} of \
         the score, with a standard error of {error:.4} (trained on {frauds} frauds, measured on {frauds_future}). Keep the rule without \
         a model, or train on more labelled transactions"
    )]
    NotBetter {
        /// Average precision of the model.
        model: f64,
        /// Average precision of the rule's score.
        score: f64,
        /// Standard error of their difference.
        error: f64,
        /// Frauds learnt from.
        frauds: u64,
        /// Frauds of the future part.
        frauds_future: u64,
    },
    /// Too few transactions for a table.
    #[error(
        "{transactions} transactions are too few: a population table needs {transactions_min}; use a longer archive"
    )]
    FewTransactions {
        /// Transactions of the archive.
        transactions: u64,
        /// How many it takes.
        transactions_min: u64,
    },
    /// What came out cannot be used.
    #[error("the result cannot be used")]
    Unusable(#[from] ProfileError),
}

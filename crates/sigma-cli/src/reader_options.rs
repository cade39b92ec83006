//! The flags that say how recorded transactions are read: shared by `replay`, `calibrate` and `train`.

use std::path::PathBuf;

use backtest::{ColumnNames, InputFormat, ReaderSettings, TimeFormat};
use clap::Args;
use clap::builder::TypedValueParser;

use crate::choice::one_of;

/// How to read transactions.
#[derive(Debug, Clone, Args)]
pub struct ReaderOptions {
    /// Format of the transactions.
    #[arg(long, value_parser = input_format(), default_value = "auto")]
    pub format: InputFormat,
    /// Form of the times in a CSV: auto, iso, s, ms, or a pattern such as '%d/%m/%Y %H:%M'.
    #[arg(long, default_value = "auto", help_heading = "Columns of a CSV")]
    pub time_format: TimeFormat,
    /// File of labels for transactions, as `sigma export-labels` writes it: JSON lines or CSV with transactionId and label.
    #[arg(long, value_name = "FILE")]
    pub labels: Option<PathBuf>,
    /// Columns of a CSV.
    #[command(flatten)]
    pub columns: ColumnOptions,
}

impl ReaderOptions {
    /// The flags as the reader takes them.
    pub(crate) fn settings(&self) -> ReaderSettings {
        ReaderSettings {
            format: self.format,
            columns: self.columns.names(),
            time_format: self.time_format.clone(),
            labels: self.labels.clone(),
        }
    }
}

/// Flags that name columns; the others are found by usual names.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Columns of a CSV")]
#[expect(clippy::struct_field_names, reason = "a flag has the name of its field")]
pub struct ColumnOptions {
    /// The user.
    #[arg(
        long,
        value_name = "NAME",
        help = "CSV column with the user [default: userId, user, customer, card, account, cc_num or the like]"
    )]
    pub user_column: Option<String>,
    /// The amount.
    #[arg(long, value_name = "NAME", help = "CSV column with the amount [default: amount, amt, value or the like]")]
    pub amount_column: Option<String>,
    /// The event time.
    #[arg(
        long,
        value_name = "NAME",
        help = "CSV column with the time [default: timestamp, time, date, trans_date_trans_time or the like]"
    )]
    pub time_column: Option<String>,
    /// The transaction's id.
    #[arg(
        long,
        value_name = "NAME",
        help = "CSV column with the transaction's id, which identifies retries [default: transactionId, trans_num or the like]"
    )]
    pub id_column: Option<String>,
    /// The merchant.
    #[arg(
        long,
        value_name = "NAME",
        help = "CSV column with the merchant, which a model looks at [default: merchantId, merchant, terminal or the like]"
    )]
    pub merchant_column: Option<String>,
    /// The label.
    #[arg(
        long,
        value_name = "NAME",
        help = "Column or JSON field that says whether a transaction is anomalous [default: label, is_fraud, class or the like]"
    )]
    pub label_column: Option<String>,
}

impl ColumnOptions {
    /// The columns as the reader takes them.
    fn names(&self) -> ColumnNames {
        let Self { user_column, amount_column, time_column, id_column, merchant_column, label_column } = self.clone();
        ColumnNames {
            user: user_column,
            amount: amount_column,
            time: time_column,
            id: id_column,
            merchant: merchant_column,
            label: label_column,
        }
    }
}

/// A parser for the format of an input.
fn input_format() -> impl TypedValueParser<Value = InputFormat> {
    one_of([
        (InputFormat::Auto, "auto", "Detected from the name and the first character of each file"),
        (InputFormat::Jsonl, "jsonl", "The stream's records, one a line or concatenated"),
        (InputFormat::Csv, "csv", "Comma-separated, or similar, with a header"),
    ])
}

//! The columns of a CSV, and the values that count as a label.

use crate::summary::Columns;

/// Columns that the caller names. The others are found by names that are usual for card transactions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnNames {
    /// The user's id.
    pub user: Option<String>,
    /// The amount.
    pub amount: Option<String>,
    /// The event time.
    pub time: Option<String>,
    /// The transaction's id.
    pub id: Option<String>,
    /// The merchant.
    pub merchant: Option<String>,
    /// Whether the transaction is anomalous; also a JSON field.
    pub label: Option<String>,
}

/// The indices of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Indices {
    pub(crate) user: usize,
    pub(crate) amount: usize,
    pub(crate) time: usize,
    pub(crate) id: Option<usize>,
    pub(crate) merchant: Option<usize>,
    pub(crate) label: Option<usize>,
}

/// Why a column cannot be found.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ColumnError {
    #[error("no column in the header ({header}) is known to hold the {what}; name one with {flag}")]
    Unknown { what: &'static str, flag: &'static str, header: String },
    #[error("{flag} names {name:?}, which is not in the header ({header})")]
    Missing { name: String, flag: &'static str, header: String },
}

/// Usual names, in lower case and without punctuation, the most specific first. They are those of public data sets of card
/// transactions (`Sparkov`, `PaySim`, `TabFormer`, the Fraud Detection Handbook) and of this stream's record.
const USER: &[&str] = &[
    "userid",
    "user",
    "customerid",
    "customer",
    "clientid",
    "client",
    "cardid",
    "cardnumber",
    "cardno",
    "ccnum",
    "card",
    "accountid",
    "accountnumber",
    "account",
    "iban",
    "nameorig",
];
const AMOUNT: &[&str] = &["amount", "amt", "transactionamount", "transactionamt", "txamount", "value", "total"];
const TIME: &[&str] = &[
    "timestamp",
    "eventtime",
    "transdatetranstime",
    "transactiontime",
    "transactiondatetime",
    "transactiondate",
    "txdatetime",
    "datetime",
    "time",
    "date",
    "createdat",
    "unixtime",
];
const ID: &[&str] = &["transactionid", "transid", "transnum", "txid", "txnid"];
const MERCHANT: &[&str] = &[
    "merchantid",
    "merchant",
    "merchantname",
    "merchantnumber",
    "terminalid",
    "terminal",
    "shopid",
    "shop",
    "namedest",
];
const LABEL: &[&str] = &["label", "isfraud", "fraud", "txfraud", "isanomaly", "anomaly", "class"];

/// A column to look for.
struct Wanted<'a> {
    what: &'static str,
    flag: &'static str,
    given: Option<&'a String>,
    usual: &'static [&'static str],
}

impl Wanted<'_> {
    /// Its index; `None` if the caller names none and the header has no usual name.
    fn find(&self, header: &[String]) -> Result<Option<usize>, ColumnError> {
        let Some(name) = self.given else {
            let mut usual = self.usual.iter();
            return Ok(usual.find_map(|usual| header.iter().position(|name| plain(name) == *usual)));
        };
        let found = header.iter().position(|other| other == name);
        let found = found.or_else(|| header.iter().position(|other| plain(other) == plain(name)));
        found.map(Some).ok_or_else(|| ColumnError::Missing {
            name: name.clone(),
            flag: self.flag,
            header: listed(header),
        })
    }

    fn require(&self, header: &[String]) -> Result<usize, ColumnError> {
        let unknown = || ColumnError::Unknown { what: self.what, flag: self.flag, header: listed(header) };
        self.find(header)?.ok_or_else(unknown)
    }
}

impl ColumnNames {
    /// Finds the columns in a header.
    pub(crate) fn find(&self, header: &[String]) -> Result<(Columns, Indices), ColumnError> {
        let wanted = |what, flag, given, usual| Wanted { what, flag, given, usual };
        let indices = Indices {
            user: wanted("user", "--user-column", self.user.as_ref(), USER).require(header)?,
            amount: wanted("amount", "--amount-column", self.amount.as_ref(), AMOUNT).require(header)?,
            time: wanted("time", "--time-column", self.time.as_ref(), TIME).require(header)?,
            id: wanted("transaction id", "--id-column", self.id.as_ref(), ID).find(header)?,
            merchant: wanted("merchant", "--merchant-column", self.merchant.as_ref(), MERCHANT).find(header)?,
            label: wanted("label", "--label-column", self.label.as_ref(), LABEL).find(header)?,
        };
        let name = |index: usize| header.get(index).cloned().unwrap_or_default();
        let columns = Columns {
            user: name(indices.user),
            amount: name(indices.amount),
            time: name(indices.time),
            id: indices.id.map(name),
            merchant: indices.merchant.map(name),
            label: indices.label.map(name),
        };
        Ok((columns, indices))
    }
}

/// The fields of a file of labels.
#[derive(Debug)]
pub(crate) struct LabelField;

impl LabelField {
    /// The name of the field that a column of this name holds: names that are usual for the id, the user and the label, and those of the
    /// stream's record.
    pub(crate) fn name_of(column: &str) -> &str {
        let plain = plain(column);
        match plain.as_str() {
            "amount" => "amount",
            "timestamp" => "timestamp",
            name if ID.contains(&name) => "transactionId",
            name if USER.contains(&name) => "userId",
            name if LABEL.contains(&name) => "label",
            _ => column,
        }
    }
}

fn listed(header: &[String]) -> String {
    header.join(", ")
}

/// A name in lower case and without punctuation.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Whether a field of this name is usually a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    LABEL.contains(&plain(name).as_str())
}

/// Whether the text of a label means "anomalous": a number other than 0, or a word for yes.
pub(crate) fn truth(text: &str) -> bool {
    const YES: [&str; 7] = ["true", "t", "yes", "y", "fraud", "anomaly", "anomalous"];
    let text = text.trim();
    match text.parse::<f64>() {
        Ok(number) => number != 0.0 && !number.is_nan(),
        Err(_) => YES.iter().any(|yes| text.eq_ignore_ascii_case(yes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Vec<String> {
        text.split(',').map(str::to_owned).collect()
    }

    fn found(text: &str) -> [Option<String>; 6] {
        let (columns, _) = ColumnNames::default().find(&header(text)).unwrap();
        [Some(columns.user), Some(columns.amount), Some(columns.time), columns.id, columns.merchant, columns.label]
    }

    #[test]
    fn the_columns_of_well_known_data_sets_are_found() {
        let sparkov = ",trans_date_trans_time,cc_num,merchant,category,amt,first,last,trans_num,unix_time,is_fraud";
        let expected = ["cc_num", "amt", "trans_date_trans_time", "trans_num", "merchant", "is_fraud"];
        assert_eq!(found(sparkov), expected.map(|name| Some(name.to_owned())));
        let handbook = "TRANSACTION_ID,TX_DATETIME,CUSTOMER_ID,TERMINAL_ID,TX_AMOUNT,TX_FRAUD";
        let expected = ["CUSTOMER_ID", "TX_AMOUNT", "TX_DATETIME", "TRANSACTION_ID", "TERMINAL_ID", "TX_FRAUD"];
        assert_eq!(found(handbook), expected.map(|name| Some(name.to_owned())));
        let ours = "userId,amount,timestamp,transactionId,merchantId,label,kind";
        let expected = ["userId", "amount", "timestamp", "transactionId", "merchantId", "label"];
        assert_eq!(found(ours), expected.map(|name| Some(name.to_owned())));
    }

    #[test]
    fn a_missing_column_is_reported_with_its_flag_and_the_header() {
        let error = ColumnNames::default().find(&header("step,nameOrig,amount")).unwrap_err().to_string();
        assert!(error.contains("--time-column") && error.contains("step, nameOrig, amount"), "{error}");
        let names = ColumnNames { user: Some("who".to_owned()), ..ColumnNames::default() };
        let error = names.find(&header("user,amount,time")).unwrap_err().to_string();
        assert!(error.contains("\"who\"") && error.contains("--user-column"), "{error}");
    }

    #[test]
    fn a_named_column_wins_over_a_usual_one() {
        let names = ColumnNames { user: Some("Buyer No".to_owned()), ..ColumnNames::default() };
        let (columns, indices) = names.find(&header("user,Buyer No,amount,time")).unwrap();
        assert_eq!((columns.user.as_str(), indices.user, indices.label), ("Buyer No", 1, None));
    }

    #[test]
    fn a_label_is_a_number_or_a_word() {
        for yes in ["1", "1.0", "true", "Yes", " fraud ", "2"] {
            assert!(truth(yes), "{yes}");
        }
        for no in ["", "0", "0.0", "false", "no", "NaN", "economy"] {
            assert!(!truth(no), "{no}");
        }
    }
}

//! Operational metrics in the CloudWatch Embedded Metric Format: one line on standard output per invocation, which CloudWatch Logs
//! turns into metrics. There is no API call and no cost except the metric's own, so zeros are not written.

use std::io::Write;

use anomaly_core::KnobRow;
use metrique_writer_core::entry::{Entry, EntryWriter};
use metrique_writer_core::format::Format;
use metrique_writer_format_emf::Emf;

use crate::{Env, EnvError};

/// The dimension that every operational metric has.
const FUNCTION: &str = "Function";
/// The dimension that tells two stacks of one account apart. A function that does not know its stack, as in a local run, leaves it out.
pub const STACK: &str = "Stack";

const NAMESPACE: (&str, &str) = ("METRIC_NAMESPACE", "AnomalyDetection");
const STACK_NAME: &str = "STACK_NAME";
/// What CloudWatch accepts as a namespace or the value of a dimension.
pub const NAME_FORM: &str = "1 to 255 printable ASCII characters";

/// The variable `METRIC_NAMESPACE` as data.
#[must_use]
pub fn namespace_row() -> KnobRow {
    KnobRow::text(NAMESPACE.0, NAMESPACE.1, NAME_FORM, "namespace of AnomalyCount and of the operational metrics")
}

/// The namespace of the metrics.
///
/// # Errors
/// [`EnvError`] names the variable and what it accepts.
pub fn namespace(env: &Env) -> Result<String, EnvError> {
    env.parsed_with(NAMESPACE.0, NAME_FORM, NAMESPACE.1.to_owned(), name)
}

/// The text, if CloudWatch accepts it as a namespace or the value of a dimension.
#[must_use]
pub fn name(text: &str) -> Option<String> {
    let is_printable = text.bytes().all(|c| c.is_ascii_graphic() || c == b' ');
    (text.len() <= 255 && is_printable).then(|| text.to_owned())
}

/// The variable `STACK_NAME` as data.
#[must_use]
pub fn stack_name_row() -> KnobRow {
    KnobRow::text(STACK_NAME, "none", NAME_FORM, "value of the metrics' dimension `Stack`; without it they have none")
}

/// The stack that the function belongs to, if the environment says so.
///
/// # Errors
/// [`EnvError`] names the variable and what it accepts.
pub fn stack_name(env: &Env) -> Result<Option<String>, EnvError> {
    env.parsed_with(STACK_NAME, NAME_FORM, None, |text| name(text).map(Some))
}

/// The counts of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    function: &'static str,
    values: Vec<(&'static str, u64)>,
}

impl Counts {
    /// The counts of a function, all zero.
    #[must_use]
    pub const fn new(function: &'static str) -> Self {
        Self { function, values: Vec::new() }
    }

    /// The function's name: the value of the dimension `Function`.
    #[must_use]
    pub const fn function(&self) -> &'static str {
        self.function
    }

    /// The names of the counts that are not zero.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.values.iter().map(|(name, _)| *name)
    }

    /// Adds a count; a zero is left out.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: u64) -> Self {
        if value > 0 {
            self.values.push((name, value));
        }
        self
    }
}

impl Entry for Counts {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        writer.value(FUNCTION, self.function);
        for (name, value) in &self.values {
            writer.value(*name, value);
        }
    }
}

/// Counts with the stack that they were made in.
struct InStack<'c> {
    counts: &'c Counts,
    stack: Option<&'c str>,
}

impl Entry for InStack<'_> {
    fn write<'a>(&'a self, writer: &mut impl EntryWriter<'a>) {
        if let Some(stack) = self.stack {
            writer.value(STACK, stack);
        }
        self.counts.write(writer);
    }
}

/// Writes counts as one EMF line.
pub struct EmfWriter {
    format: Emf,
    stack: Option<String>,
}

impl EmfWriter {
    /// A writer into a CloudWatch namespace. The metrics have the dimensions `Function` and, if there is a stack, `Stack`.
    #[must_use]
    pub fn new(namespace: &str, stack: Option<String>) -> Self {
        let dimensions = [Some(FUNCTION), stack.as_ref().map(|_| STACK)];
        let dimensions = dimensions.into_iter().flatten().map(str::to_owned).collect();
        Self { format: Emf::builder(namespace.to_owned(), vec![dimensions]).build(), stack }
    }

    /// Writes one line. A metric that cannot be written is logged and dropped: it must not fail the batch that it counts.
    pub fn write(&mut self, counts: &Counts, output: &mut impl Write) {
        let entry = InStack { counts, stack: self.stack.as_deref() };
        if let Err(error) = self.format.format(&entry, output) {
            tracing::warn!(error = ?error, "An operational metric could not be written.");
        }
    }
}

impl std::fmt::Debug for EmfWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmfWriter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_is_optional_and_has_to_be_a_value_of_a_dimension() {
        let stack = |name: &str| stack_name(&Env::from_pairs([(STACK_NAME, name)]));
        assert_eq!(stack(""), Ok(None));
        assert_eq!(stack("payments"), Ok(Some("payments".to_owned())));
        assert!(stack("Zürich").unwrap_err().to_string().starts_with(STACK_NAME));
    }

    fn line(stack: Option<&str>) -> serde_json::Value {
        let counts = Counts::new("detector").with("Records", 3).with("Late", 0);
        let mut line = Vec::new();
        EmfWriter::new("AnomalyDetection", stack.map(str::to_owned)).write(&counts, &mut line);
        serde_json::from_slice(&line).unwrap()
    }

    #[test]
    fn a_line_has_the_nonzero_values_and_their_directive() {
        let line = line(None);
        assert_eq!(line["Records"], 3);
        assert_eq!(line["Function"], "detector");
        assert_eq!(line.get("Late"), None);
        assert_eq!(line.get("Stack"), None);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "AnomalyDetection");
        assert_eq!(directive["Dimensions"], serde_json::json!([["Function"]]));
        assert_eq!(directive["Metrics"][0]["Name"], "Records");
    }

    #[test]
    fn a_function_that_knows_its_stack_names_it_in_the_same_set_of_dimensions() {
        let line = line(Some("payments"));
        assert_eq!((&line["Function"], &line["Stack"]), (&"detector".into(), &"payments".into()));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], serde_json::json!([["Function", "Stack"]]));
    }
}

//! Operational metrics in the CloudWatch Embedded Metric Format: one line on standard output per invocation, which CloudWatch Logs
//! turns into metrics. There is no API call and no cost except the metric's own, so zeros are not written.

use std::io::Write;

use metrique_writer_core::entry::{Entry, EntryWriter};
use metrique_writer_core::format::Format;
use metrique_writer_format_emf::Emf;

/// The dimension of every operational metric.
const DIMENSION: &str = "Function";

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
        writer.value(DIMENSION, self.function);
        for (name, value) in &self.values {
            writer.value(*name, value);
        }
    }
}

/// Writes counts as one EMF line.
pub struct EmfWriter {
    format: Emf,
}

impl EmfWriter {
    /// A writer into a CloudWatch namespace.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self { format: Emf::builder(namespace.to_owned(), vec![vec![DIMENSION.to_owned()]]).build() }
    }

    /// Writes one line. A metric that cannot be written is logged and dropped: it must not fail the batch that it counts.
    pub fn write(&mut self, counts: &Counts, output: &mut impl Write) {
        if let Err(error) = self.format.format(counts, output) {
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
    fn a_line_has_the_nonzero_values_and_their_directive() {
        let counts = Counts::new("detector").with("Records", 3).with("Late", 0);
        let mut line = Vec::new();
        EmfWriter::new("AnomalyDetection").write(&counts, &mut line);
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(line["Records"], 3);
        assert_eq!(line["Function"], "detector");
        assert_eq!(line.get("Late"), None);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "AnomalyDetection");
        assert_eq!(directive["Dimensions"], serde_json::json!([["Function"]]));
        assert_eq!(directive["Metrics"][0]["Name"], "Records");
    }
}

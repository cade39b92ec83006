//! The rules of the mappings, one test each.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests: a panic is a failed test")]

mod kinesis;
mod sqs;

use std::cell::RefCell;
use std::collections::VecDeque;

use event_source::{Invoke, Invoked};
use serde_json::Value;

/// A function that returns what its script says, then success, and records its calls.
#[derive(Default)]
struct Script {
    responses: RefCell<VecDeque<Invoked>>,
    calls: RefCell<Vec<Vec<String>>>,
}

impl Script {
    fn new(responses: impl IntoIterator<Item = Invoked>) -> Self {
        Self { responses: RefCell::new(responses.into_iter().collect()), calls: RefCell::default() }
    }

    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.borrow().clone()
    }
}

impl Invoke for &Script {
    async fn invoke(&self, event: &str) -> Invoked {
        let event: Value = serde_json::from_str(event).unwrap();
        let name = |record: &Value| {
            let body = record.get("body").or(record.pointer("/kinesis/partitionKey"));
            body.unwrap().as_str().unwrap().to_owned()
        };
        self.calls.borrow_mut().push(event["Records"].as_array().unwrap().iter().map(name).collect());
        self.responses.borrow_mut().pop_front().unwrap_or(Invoked::Responded("{}".to_owned()))
    }
}

fn failed() -> Invoked {
    Invoked::Failed("boom".to_owned())
}

fn reported(identifiers: &[&str]) -> Invoked {
    let failures: Vec<Value> = identifiers.iter().map(|id| serde_json::json!({ "itemIdentifier": id })).collect();
    Invoked::Responded(serde_json::json!({ "batchItemFailures": failures }).to_string())
}

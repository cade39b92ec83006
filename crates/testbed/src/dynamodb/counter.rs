//! Counts the requests to DynamoDB, below the adapters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::operation::batch_execute_statement::BatchExecuteStatementInput;
use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemInput;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::update_item::UpdateItemInput;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{BeforeSerializationInterceptorContextRef, Input};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Items read and written. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct RequestCounter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    writes: AtomicU64,
}

impl RequestCounter {
    /// Items requested.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// Items written, including conditional writes that were refused.
    #[must_use]
    pub fn writes(&self) -> u64 {
        self.0.writes.load(Ordering::Relaxed)
    }
}

impl Intercept for RequestCounter {
    fn name(&self) -> &'static str {
        "RequestCounter"
    }

    fn read_before_serialization(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input();
        self.0.reads.fetch_add(keys_read(input), Ordering::Relaxed);
        self.0.writes.fetch_add(items_written(input), Ordering::Relaxed);
        Ok(())
    }
}

/// Each statement of a batch writes one item: batches are only for writes.
fn items_written(input: &Input) -> u64 {
    if let Some(batch) = input.downcast_ref::<BatchExecuteStatementInput>() {
        return u64::try_from(batch.statements().len()).unwrap_or(u64::MAX);
    }
    let is_write = input.downcast_ref::<PutItemInput>().is_some() || input.downcast_ref::<UpdateItemInput>().is_some();
    u64::from(is_write)
}

fn keys_read(input: &Input) -> u64 {
    let tables = input.downcast_ref::<BatchGetItemInput>().and_then(BatchGetItemInput::request_items);
    let keys: usize = tables.map_or(0, |tables| tables.values().map(|table| table.keys().len()).sum());
    u64::try_from(keys).unwrap_or(u64::MAX)
}

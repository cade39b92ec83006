//! Asks DynamoDB to return the capacity that each request consumes, and adds it up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::operation::batch_execute_statement::{BatchExecuteStatementInput, BatchExecuteStatementOutput};
use aws_sdk_dynamodb::operation::batch_get_item::{BatchGetItemInput, BatchGetItemOutput};
use aws_sdk_dynamodb::operation::put_item::{PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ConsumedCapacity, ReturnConsumedCapacity};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeSerializationInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The requests so far and the capacity that they used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    pub(super) requests: u64,
    pub(super) keys_read: u64,
    pub(super) read_units: f64,
    pub(super) writes: u64,
    pub(super) write_units: f64,
}

/// The sums so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Usage>>);

impl Meter {
    /// Takes the sums and resets them.
    pub(super) fn take(&self) -> Usage {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, add: impl FnOnce(&mut Usage)) {
        add(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "Meter"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = context.input_mut();
        let total = Some(ReturnConsumedCapacity::Total);
        self.add(|usage| usage.requests += 1);
        if let Some(put) = input.downcast_mut::<PutItemInput>() {
            put.return_consumed_capacity = total;
            self.add(|usage| usage.writes += 1);
        } else if let Some(update) = input.downcast_mut::<UpdateItemInput>() {
            update.return_consumed_capacity = total;
            self.add(|usage| usage.writes += 1);
        } else if let Some(batch) = input.downcast_mut::<BatchExecuteStatementInput>() {
            batch.return_consumed_capacity = total;
            let statements = u64::try_from(batch.statements().len()).unwrap_or_default();
            self.add(|usage| usage.writes += statements);
        } else if let Some(get) = input.downcast_mut::<BatchGetItemInput>() {
            get.return_consumed_capacity = total;
            let keys: usize = get.request_items().into_iter().flatten().map(|(_, table)| table.keys().len()).sum();
            self.add(|usage| usage.keys_read += u64::try_from(keys).unwrap_or_default());
        }
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Ok(output) = context.output_or_error() else { return Ok(()) };
        let units = |capacity: Option<&ConsumedCapacity>| {
            capacity.and_then(ConsumedCapacity::capacity_units).unwrap_or_default()
        };
        if let Some(put) = output.downcast_ref::<PutItemOutput>() {
            self.add(|usage| usage.write_units += units(put.consumed_capacity()));
        } else if let Some(update) = output.downcast_ref::<UpdateItemOutput>() {
            self.add(|usage| usage.write_units += units(update.consumed_capacity()));
        } else if let Some(batch) = output.downcast_ref::<BatchExecuteStatementOutput>() {
            let written: f64 = batch.consumed_capacity().iter().map(|table| units(Some(table))).sum();
            self.add(|usage| usage.write_units += written);
        } else if let Some(get) = output.downcast_ref::<BatchGetItemOutput>() {
            let read: f64 = get.consumed_capacity().iter().map(|table| units(Some(table))).sum();
            self.add(|usage| usage.read_units += read);
        }
        Ok(())
    }
}

/// The size of an item by DynamoDB's rule: names and values, as UTF-8, bytes and decimal digits.
pub(super) fn item_size(item: &HashMap<String, AttributeValue>) -> usize {
    item.iter().map(|(name, value)| name.len() + size(value)).sum()
}

/// "DynamoDB item sizes and formats" in the DynamoDB Developer Guide: a number takes about one byte for every two significant
/// digits, and one more.
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::N(digits) => digits.chars().filter(char::is_ascii_digit).count().div_ceil(2) + 1,
        _ => 0,
    }
}

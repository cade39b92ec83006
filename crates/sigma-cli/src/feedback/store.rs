//! Alerts in the ledger's table, and their labels.

use alerter::ledger::layout;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;

use crate::label::Label;
use crate::ledger::failure::refused;
use crate::ledger::item::Item;
use crate::policy::store::PolicyTable;

/// Only an alert, and only while it is there: an item that this would make has no message and never expires.
const IS_ALERT: &str = "attribute_exists(id) AND attribute_exists(alert)";

impl PolicyTable {
    /// The item of an alert.
    pub(crate) async fn alert(&self, id: &str) -> anyhow::Result<Item> {
        let item = self.get(id).await?.filter(|item| item.contains_key(layout::ALERT));
        item.ok_or_else(|| absent(self.name(), id))
    }

    /// Labels an alert. Returns the label before. Its expiry and everything of the alerter's stays.
    pub(crate) async fn label(&self, id: &str, label: &Label) -> anyhow::Result<Option<Label>> {
        let mut update = self.update(id).condition_expression(IS_ALERT).return_values(ReturnValue::AllOld);
        let mut assignments = Vec::new();
        for (index, (name, value)) in label.attributes().into_iter().enumerate() {
            assignments.push(format!("#n{index} = :v{index}"));
            update = update
                .expression_attribute_names(format!("#n{index}"), name)
                .expression_attribute_values(format!(":v{index}"), value);
        }
        let update = update.update_expression(format!("SET {}", assignments.join(", ")));
        match Box::pin(update.send()).await {
            Ok(answer) => Ok(answer.attributes().and_then(Label::of)),
            Err(error) if is_absent(&error) => Err(absent(self.name(), id)),
            Err(error) => Err(refused("label an alert in", self.name())(error)),
        }
    }
}

fn is_absent<R>(error: &SdkError<UpdateItemError, R>) -> bool {
    error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception)
}

fn absent(table: &str, id: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "the ledger {table} has no alert {id}. An id is the `id` of a message, the last line of a mail; an alert is kept for \
         LedgerRetentionDays"
    )
}

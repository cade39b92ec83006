//! The shards of a stream: one, which the sample events name.

use axum::response::Response;
use serde_json::json;

/// The largest hash key: 2^128 − 1.
const HASH_KEY_MAX: &str = "340282366920938463463374607431768211455";

pub(super) fn list_shards() -> Response {
    super::json(&json!({ "Shards": [{
        "ShardId": "shardId-000000000000",
        "HashKeyRange": { "StartingHashKey": "0", "EndingHashKey": HASH_KEY_MAX },
        "SequenceNumberRange": { "StartingSequenceNumber": "0" },
    }] }))
}

//! An event whose text goes to the handler as Lambda sent it.
//!
//! The runtime's deserialiser would search an event of up to 6 MB for its end, and copy it, before a handler that parses the event
//! anyway. So a layer around the runtime keeps the event and leaves `null` to the deserialiser, which then makes an [`Unparsed`] of what was
//! kept. The layer, the deserialiser and the handler's `call` are one call on one thread, and the event is kept for that thread alone:
//! invocations at the same time cannot take each other's.
//!
//! Deliberately absent: any look at the event. Whether it is JSON is the handler's to say.

use std::cell::Cell;
use std::fmt::Debug;
use std::str::Utf8Error;
use std::task::{Context, Poll};

use bytes::Bytes;
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::tower::Layer;
use lambda_runtime::{Diagnostic, Error, LambdaEvent, LambdaInvocation, Runtime, Service};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny};
use serde::ser::Serialize;

thread_local! {
    /// The event of the invocation that is being passed to the handler.
    static KEPT: Cell<Option<Bytes>> = const { Cell::new(None) };
}

/// An event as Lambda sent it. The handler of [`run`] gets one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unparsed(Bytes);

/// The event is not text.
#[derive(Debug, thiserror::Error)]
#[error("the event is not UTF-8")]
pub struct NotUtf8(#[source] Utf8Error);

impl Unparsed {
    /// The event's text.
    ///
    /// # Errors
    /// [`NotUtf8`] if it is not UTF-8, as JSON has to be.
    pub fn text(&self) -> Result<&str, NotUtf8> {
        std::str::from_utf8(&self.0).map_err(NotUtf8)
    }
}

impl<'de> Deserialize<'de> for Unparsed {
    /// Takes the event that was kept, whatever the deserialiser has.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        KEPT.take().map(Self).ok_or_else(|| D::Error::custom("there is no invocation around the event"))
    }
}

/// Runs a function, as `lambda_runtime::run` does, whose handler takes its events unparsed.
///
/// # Errors
/// Those of `lambda_runtime::run`.
pub async fn run<H, R>(handler: H) -> Result<(), Error>
where
    H: Service<LambdaEvent<Unparsed>, Response = R>,
    H::Future: Future<Output = Result<R, H::Error>>,
    H::Error: Into<Diagnostic> + Debug,
    R: Serialize,
{
    Runtime::new(handler).layer(KeepEvent).layer(TracingLayer::new()).run().await
}

/// Keeps each event for the [`Unparsed`] that is made of it.
#[derive(Debug, Clone, Copy)]
struct KeepEvent;

impl<S> Layer<S> for KeepEvent {
    type Service = Keeping<S>;

    fn layer(&self, inner: S) -> Keeping<S> {
        Keeping(inner)
    }
}

#[derive(Debug, Clone)]
struct Keeping<S>(S);

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for Keeping<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, mut invocation: LambdaInvocation) -> S::Future {
        let event = std::mem::replace(&mut invocation.body, Bytes::from_static(b"null"));
        KEPT.set(Some(event));
        let response = self.0.call(invocation);
        // Whatever did not become an event is not the next one's.
        KEPT.take();
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_invocation_there_is_no_event() {
        let error = serde_json::from_str::<Unparsed>("null").unwrap_err();
        assert_eq!(error.to_string(), "there is no invocation around the event");
    }

    #[test]
    fn an_event_is_taken_once_and_as_it_was_sent() {
        KEPT.set(Some(Bytes::from_static(b"{ }")));
        let event: Unparsed = serde_json::from_str("null").unwrap();
        assert_eq!(event.text().unwrap(), "{ }");
        assert!(serde_json::from_str::<Unparsed>("null").is_err());
    }

    #[test]
    fn an_event_that_is_not_text_is_an_error() {
        assert_eq!(Unparsed(Bytes::from_static(b"\xFF")).text().unwrap_err().to_string(), "the event is not UTF-8");
    }
}

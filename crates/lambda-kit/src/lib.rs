//! What the functions need of Lambda and AWS.
//!
//! [`Env`] reads typed configuration and refuses to guess. [`Invocation`] knows how much time is left. [`sqs`] reads the messages of
//! a batch, [`failures`] builds partial batch responses, [`batch`] makes batch calls within their limits, [`metrics`] writes
//! operational metrics in the Embedded Metric Format, [`telemetry`] sets up JSON logs, [`retries`] keeps the SDK from repeating what
//! must not be repeated, [`startup`] says why a function ended, [`unparsed`] takes events past the runtime's deserialiser, and
//! [`sdk_config`] is the one place that configures the AWS SDK's connection.
//!
//! Deliberately absent: clients of single services, and everything about anomalies.

mod aws;
pub mod batch;
mod clock;
mod env;
pub mod failures;
mod invocation;
pub mod metrics;
pub mod retries;
pub mod sqs;
pub mod startup;
pub mod telemetry;
#[cfg(any(test, feature = "test-doubles"))]
mod test_doubles;
pub mod unparsed;

pub use aws::{AwsSettings, sdk_config};
pub use clock::{Clock, SystemClock};
pub use env::{Env, EnvError};
pub use invocation::Invocation;
#[cfg(any(test, feature = "test-doubles"))]
pub use test_doubles::{Fault, Faults, ManualClock};

//! What both functions need of Lambda and of AWS in common, once.
//!
//! [`Env`] reads typed configuration and refuses to guess; [`Invocation`] says how long there is; [`failures`] builds partial
//! batch responses; [`batch`] makes batch calls within their limits; [`metrics`] writes operational metrics in the Embedded Metric Format; [`telemetry`] sets up JSON logs;
//! [`sdk_config`] is the one place where the AWS SDK's connection is configured.
//!
//! Deliberately absent: clients of single services, and everything about anomalies.

mod aws;
pub mod batch;
mod clock;
mod env;
pub mod failures;
mod fault;
mod invocation;
pub mod metrics;
pub mod telemetry;

pub use aws::{AwsSettings, sdk_config};
pub use clock::{Clock, ManualClock, SystemClock};
pub use env::{Env, EnvError};
pub use fault::{Fault, Faults};
pub use invocation::Invocation;

//! Every environment variable of both functions as JSON, from the code that reads them: what the tests of the template compare
//! with its parameters.

use std::collections::BTreeMap;

fn main() -> Result<(), serde_json::Error> {
    let variables =
        BTreeMap::from([("alerter", alerter::config::variables()), ("detector", detector::config::variables())]);
    println!("{}", serde_json::to_string(&variables)?);
    Ok(())
}

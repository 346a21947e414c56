//! What the agent's configuration says of its endpoints: which cursor file is whose.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::config;
use crate::coordinator::{assignment, read_file, system_roots};
use crate::inspect::error::InspectError;
use crate::mail::EndpointPlan;
use crate::send::cursor_file;

/// The endpoints of a configuration by the name of their cursor file; none without a configuration.
#[derive(Debug, Default)]
pub struct Endpoints {
    plans: BTreeMap<String, EndpointPlan>,
}

impl Endpoints {
    pub fn of(file: Option<&Path>) -> Result<Endpoints, InspectError> {
        let Some(path) = file else {
            return Ok(Endpoints::default());
        };
        let wrong = |message: String| InspectError::Config { path: path.to_owned(), message };
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (config, _) = config::parse(&text, &absolute, &|name| std::env::var(name).ok())
            .map_err(|error| wrong(error.to_string()))?;
        // Secrets that cannot be read are of no interest here.
        let (made, _) = assignment(&config, 1, 1, &read_file, &system_roots(&config))
            .map_err(|error| wrong(error.to_string()))?;
        let plans = made.endpoints.into_iter();
        let plans = plans.map(|plan| (cursor_file(&plan.identity), plan)).collect();
        Ok(Endpoints { plans })
    }

    /// The name of the endpoint whose cursor this file is; empty if nobody says.
    pub fn name(&self, file: &str) -> &str {
        self.plans.get(file).map_or("", |plan| plan.name.as_str())
    }
}

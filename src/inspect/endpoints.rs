//! What the agent's configuration says of its endpoints: which cursor file is whose.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::client::read_file;
use crate::config;
use crate::coordinator::{Held, assignment, system_roots};
use crate::inspect::error::InspectError;
use crate::mail::EndpointPlan;
use crate::relabel::Rule;
use crate::send::cursor_file;

/// The endpoints of a configuration by the name of their cursor file; none without a configuration.
#[derive(Debug, Default)]
pub struct Endpoints {
    plans: BTreeMap<String, EndpointPlan>,
    external: Vec<u8>,
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
        let roots = system_roots(&config);
        let made = assignment(&config, 1, 1, &read_file, &roots, &Held::new());
        let made = made.map_err(|error| wrong(error.to_string()))?.assignment;
        let plans = made.endpoints.into_iter();
        let plans = plans.map(|plan| (cursor_file(&plan.identity), plan)).collect();
        Ok(Endpoints { plans, external: made.external_labels })
    }

    /// The name of the endpoint whose cursor this file is; empty if nobody says.
    pub fn name(&self, file: &str) -> &str {
        self.plans.get(file).map_or("", |plan| plan.name.as_str())
    }

    /// The cursor file of an endpoint that is called by its name or its URL.
    pub fn file(&self, called: &str) -> String {
        let is = |plan: &EndpointPlan| {
            plan.name == called || plan.identity == called || plan.url.to_string() == called
        };
        let found = self.plans.iter().find(|(_, plan)| is(plan));
        found.map_or_else(|| cursor_file(called), |(file, _)| file.clone())
    }

    /// What the endpoint with this cursor file is not to get, or under other labels.
    pub fn relabel(&self, file: &str) -> &[Rule] {
        self.plans.get(file).map_or(&[], |plan| &plan.relabel)
    }

    /// Packed external labels.
    pub fn external(&self) -> &[u8] {
        &self.external
    }
}

//! Which web pages of other origins may read the API (spec: CLI-20).

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, ORIGIN, VARY};
use axum::response::Response;

use crate::model::LabelsBuilder;
use crate::relabel::{Action, Rule, RuleError, RuleSource, apply};
use crate::web::answer;

const HEADERS: [(&str, &str); 3] = [
    ("access-control-allow-headers", "Accept, Authorization, Content-Type, Origin"),
    ("access-control-allow-methods", "GET, POST, OPTIONS"),
    ("access-control-expose-headers", "Date"),
];

/// An anchored pattern of origins.
#[derive(Clone, Debug)]
pub struct Origins {
    any: bool,
    /// Keeps a label set whose `origin` matches: patterns then mean here what they mean in the configuration.
    rule: Rule,
}

impl Origins {
    /// # Errors
    /// The pattern is not RE2.
    pub fn new(pattern: &str) -> Result<Origins, RuleError> {
        let rule = Rule::new(RuleSource {
            source_labels: vec!["origin".to_owned()],
            regex: pattern.to_owned(),
            action: Action::Keep,
            ..RuleSource::default()
        })?;
        Ok(Origins { any: pattern == ".*", rule })
    }

    /// Adds the headers that a browser looks for, if the request names an origin.
    pub(super) fn admit(&self, request: &HeaderMap, mut response: Response) -> Response {
        let Some(origin) = request.get(ORIGIN).and_then(|origin| origin.to_str().ok()) else {
            return response;
        };
        response = answer::with(response, VARY, "Origin");
        let mut labels = LabelsBuilder::default();
        labels.set("origin", origin);
        if !self.any && !apply(std::slice::from_ref(&self.rule), &mut labels) {
            return response;
        }
        let allowed = if self.any { "*" } else { origin };
        let name = HeaderName::from_static("access-control-allow-origin");
        response = answer::with(response, name, allowed);
        for (name, value) in HEADERS {
            response = answer::with(response, HeaderName::from_static(name), value);
        }
        response
    }
}

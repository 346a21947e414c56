//! Validation and escaping of names.

use crate::config::error::ConfigError;
use crate::config::parse::Context;
use crate::config::reader::Section;
use crate::model::{Escaping, NameRules, Validation};

/// `inherited`: what is in force where a job writes nothing; `None` in `global` itself.
// spec: CFG §2.2, §2.3
pub(super) fn read_names(
    section: &mut Section<'_>,
    inherited: Option<NameRules>,
    context: &mut Context<'_>,
) -> Result<NameRules, ConfigError> {
    let field = section.take("metric_name_validation_scheme");
    let text = field.as_ref().map_or(Ok(String::new()), |field| field.text())?;
    let own = Validation::from_name(&text);
    if let (None, false, Some(field)) = (own, text.is_empty(), &field) {
        if inherited.is_some() {
            return Err(field.error(format!(
                "unknown scrape config name validation method specified, must be either '', 'legacy' or \
                 'utf8', got {text}"
            )));
        }
        context.warn(field, format!("{text:?} is no validation scheme: utf8 is used"));
    }
    let above = inherited.unwrap_or_default();
    let validation = own.unwrap_or(above.validation);
    let field = section.take("metric_name_escaping_scheme");
    let text = field.as_ref().map_or(Ok(String::new()), |field| field.text())?;
    let escaping = match (Escaping::from_name(&text), own) {
        (Some(written), _) => written,
        (None, _) if !text.is_empty() => {
            let whose = if inherited.is_some() { "scrape config" } else { "global" };
            return Err(section.error_at(
                field.as_ref(),
                &format!(
                    "unknown {whose} name escaping method specified, must be one of 'allow-utf-8', \
                     'underscores', 'dots', or 'values', got {text:?}"
                ),
            ));
        }
        // A job that is legacy by its own word does not inherit what would contradict it.
        (None, Some(own)) => Escaping::of(own),
        (None, None) if inherited.is_some() => above.escaping,
        (None, None) => Escaping::of(validation),
    };
    if escaping == Escaping::AllowUtf8 && validation == Validation::Legacy {
        let message = "utf8 metric names requested but validation scheme is not set to UTF8";
        return Err(section.error_at(field.as_ref(), message));
    }
    Ok(NameRules { validation, escaping })
}

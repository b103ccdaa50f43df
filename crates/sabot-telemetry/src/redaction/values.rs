//! Taking what looks like a secret out of a text.

use std::borrow::Cow;
use std::ops::Range;

use regex::{Regex, RegexBuilder};

use super::REDACTED;
use super::config::{Redaction, RedactionError};
use super::scan::secrets;
use super::suspicion::Suspicion;

/// Most patterns of a configuration.
const MAX_PATTERNS: usize = 64;
/// Most bytes a compiled pattern may take, and most for its cache.
const PATTERN_BYTES: usize = 256 * 1024;
const CACHE_BYTES: usize = 1024 * 1024;
/// How often a text is looked at again after something was taken out, because what stands side by side now may look like
/// a secret that was hidden before.
const MAX_PASSES: usize = 8;

/// The rules for texts.
#[derive(Debug)]
pub(super) struct ValueRules {
    off: bool,
    custom: Vec<(Regex, String)>,
}

impl ValueRules {
    pub(super) fn new(redaction: &Redaction) -> Result<Self, RedactionError> {
        let given = redaction.values.len();
        if given > MAX_PATTERNS {
            return Err(RedactionError::TooMany { what: "value patterns", given, limit: MAX_PATTERNS });
        }
        let rules = redaction.values.iter();
        let custom =
            rules.map(|rule| Ok((compile(&rule.pattern)?, rule.replacement.clone()))).collect::<Result<_, _>>()?;
        Ok(Self { off: redaction.off, custom })
    }

    /// The text without secrets; `None` if it had none.
    pub(super) fn redact(&self, text: &str) -> Option<String> {
        if self.off {
            return None;
        }
        let mut redacted: Option<String> = None;
        for (pattern, replacement) in &self.custom {
            let current = redacted.as_deref().unwrap_or(text);
            if let Cow::Owned(replaced) = pattern.replace_all(current, replacement.as_str())
                && replaced != current
            {
                redacted = Some(replaced);
            }
        }
        for _ in 0..MAX_PASSES {
            let current = redacted.as_deref().unwrap_or(text);
            let suspicion = Suspicion::of(current.as_bytes());
            if suspicion.is_clear() {
                break;
            }
            let secrets = secrets(current, suspicion);
            if secrets.is_empty() {
                break;
            }
            redacted = Some(without(current, &secrets));
        }
        redacted
    }
}

fn without(text: &str, secrets: &[Range<usize>]) -> String {
    let mut rest = 0;
    let mut clean = String::with_capacity(text.len());
    for secret in secrets {
        clean.push_str(text.get(rest..secret.start).unwrap_or_default());
        clean.push_str(REDACTED);
        rest = secret.end;
    }
    clean.push_str(text.get(rest..).unwrap_or_default());
    clean
}

fn compile(pattern: &str) -> Result<Regex, RedactionError> {
    let mut builder = RegexBuilder::new(pattern);
    let built = builder.size_limit(PATTERN_BYTES).dfa_size_limit(CACHE_BYTES).build();
    let regex = built.map_err(|error| {
        // The crate draws the pattern with a mark below it; what is wrong stands on the last line.
        let message = error.to_string();
        let problem = message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        RedactionError::Pattern { pattern: pattern.to_owned(), problem }
    })?;
    if ["", "a", "a 1"].iter().any(|text| regex.find_iter(text).any(|found| found.is_empty())) {
        return Err(RedactionError::MatchesNothing { pattern: pattern.to_owned() });
    }
    Ok(regex)
}

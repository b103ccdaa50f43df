//! Strategies by the names of the OpenTelemetry specification.

use serde::Deserialize;

use super::error::SamplingError;

/// Which traces are recorded. The names are those of the OpenTelemetry specification; in a configuration they may also be
/// written as `OTEL_TRACES_SAMPLER` writes them, such as `parentbased_traceidratio: {ratio: 0.1}`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Written")]
pub enum SamplingStrategy {
    /// Every span, whatever its parent says.
    AlwaysOn,
    /// None.
    AlwaysOff,
    /// A share of all traces by their random bits, whatever the parent says.
    TraceIdRatio {
        /// From 0 to 1.
        ratio: f64,
    },
    /// As the parent; a span without one as `root` says.
    ParentBased {
        /// For spans without a parent.
        root: Box<Self>,
    },
}

/// A strategy as people write it.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    AlwaysOn,
    AlwaysOff,
    #[serde(alias = "traceidratio")]
    TraceIdRatio {
        ratio: f64,
    },
    ParentBased {
        root: Box<SamplingStrategy>,
    },
    #[serde(rename = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    #[serde(rename = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    #[serde(rename = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio {
        ratio: f64,
    },
}

impl TryFrom<Written> for SamplingStrategy {
    type Error = SamplingError;

    fn try_from(written: Written) -> Result<Self, SamplingError> {
        Ok(match written {
            Written::AlwaysOn => Self::AlwaysOn,
            Written::AlwaysOff => Self::AlwaysOff,
            Written::TraceIdRatio { ratio } => Self::ratio(ratio)?,
            Written::ParentBased { root } => Self::ParentBased { root },
            Written::ParentBasedAlwaysOn => Self::AlwaysOn.parent_based(),
            Written::ParentBasedAlwaysOff => Self::AlwaysOff.parent_based(),
            Written::ParentBasedTraceIdRatio { ratio } => Self::ratio(ratio)?.parent_based(),
        })
    }
}

/// Every trace that begins here, and of those that began elsewhere what was decided there.
impl Default for SamplingStrategy {
    fn default() -> Self {
        Self::AlwaysOn.parent_based()
    }
}

impl SamplingStrategy {
    /// Reads `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`. A ratio that is not given is 1, as the specification
    /// has it; an argument of a sampler that takes none is ignored.
    pub fn from_otel(name: &str, argument: Option<&str>) -> Result<Self, SamplingError> {
        let name = name.trim();
        let ratio = || {
            let argument = argument.map(str::trim).filter(|argument| !argument.is_empty());
            let ratio = argument.map_or(Ok(1.0), str::parse).map_err(|_not_a_number| SamplingError::Argument {
                sampler: name.to_owned(),
                argument: argument.unwrap_or_default().to_owned(),
            })?;
            Self::ratio(ratio)
        };
        Ok(match name {
            "always_on" => Self::AlwaysOn,
            "always_off" => Self::AlwaysOff,
            "traceidratio" => ratio()?,
            "parentbased_always_on" => Self::AlwaysOn.parent_based(),
            "parentbased_always_off" => Self::AlwaysOff.parent_based(),
            "parentbased_traceidratio" => ratio()?.parent_based(),
            _ => return Err(SamplingError::Unknown { name: name.to_owned() }),
        })
    }

    /// A share of all traces.
    fn ratio(ratio: f64) -> Result<Self, SamplingError> {
        check_ratio("ratio", ratio)?;
        Ok(Self::TraceIdRatio { ratio })
    }

    /// This strategy for spans without a parent.
    #[must_use]
    pub fn parent_based(self) -> Self {
        Self::ParentBased { root: Box::new(self) }
    }
}

/// Whether a ratio is one; `what` names it in the error.
pub(crate) fn check_ratio(what: &str, ratio: f64) -> Result<(), SamplingError> {
    if (0.0..=1.0).contains(&ratio) { Ok(()) } else { Err(SamplingError::Ratio { what: what.to_owned(), ratio }) }
}

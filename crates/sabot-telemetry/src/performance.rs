//! Whether a piece of work was as fast, or as good, as promised.
//!
//! Smaller is better: the value of a service level indicator against the most it may be, in the same unit.

use crate::record::Attribute;
use crate::text::Text;

/// One measurement of a service level indicator.
///
/// ```
/// use sabot_telemetry::{BreachSeverity, PerformanceMetrics};
///
/// let checkout = PerformanceMetrics::new("checkout.latency", 0.5, 0.7); // seconds
/// assert!(!checkout.compliant());
/// assert_eq!(checkout.breach_severity(), Some(BreachSeverity::Minor));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PerformanceMetrics {
    /// Name of the indicator, such as `checkout.latency`.
    pub sli: Text,
    /// The most the value may be, in the unit of the value; seconds for durations.
    pub threshold: f64,
    /// What was measured.
    pub value: f64,
}

/// How bad a breach is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BreachSeverity {
    /// At most one and a half times the threshold.
    Minor,
    /// At most twice the threshold.
    Major,
    /// More, or not a number.
    Critical,
}

impl BreachSeverity {
    /// `minor`, `major` or `critical`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

impl PerformanceMetrics {
    /// A measurement.
    pub fn new(sli: impl Into<Text>, threshold: f64, value: f64) -> Self {
        Self { sli: sli.into(), threshold, value }
    }

    /// Whether the value is within the threshold; what is not a number is not.
    pub fn compliant(&self) -> bool {
        self.value <= self.threshold
    }

    /// How far the value is beyond the threshold; `None` within it.
    pub fn breach_severity(&self) -> Option<BreachSeverity> {
        if self.compliant() {
            None
        } else if self.value <= self.threshold * 1.5 {
            Some(BreachSeverity::Minor)
        } else if self.value <= self.threshold * 2.0 {
            Some(BreachSeverity::Major)
        } else {
            Some(BreachSeverity::Critical)
        }
    }

    /// As attributes of a span: `sli.name`, `sli.value`, `slo.threshold`, `slo.compliant` and, for a breach,
    /// `slo.breach_severity`.
    ///
    /// ```
    /// use sabot_telemetry::{PerformanceMetrics, trace_operation};
    ///
    /// let checkout = PerformanceMetrics::new("checkout.latency", 0.5, 0.2);
    /// let operation = trace_operation("checkout", checkout.attributes());
    /// assert_eq!(checkout.attributes().count(), 4);
    /// # drop(operation);
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = Attribute> + use<> {
        let always: [Attribute; 4] = [
            ("sli.name".into(), self.sli.clone().into()),
            ("sli.value".into(), self.value.into()),
            ("slo.threshold".into(), self.threshold.into()),
            ("slo.compliant".into(), self.compliant().into()),
        ];
        let severity = self.breach_severity().map(|severity| ("slo.breach_severity".into(), severity.as_str().into()));
        always.into_iter().chain(severity)
    }
}

#[cfg(test)]
mod tests;

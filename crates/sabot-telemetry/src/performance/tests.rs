//! Where a breach begins, and how bad it is.

use super::{BreachSeverity, PerformanceMetrics};

#[test]
fn severity_grows_with_the_distance_from_the_threshold() {
    for (value, expected) in [
        (0.0, None),
        (2.0, None),
        (2.000_001, Some(BreachSeverity::Minor)),
        (3.0, Some(BreachSeverity::Minor)),
        (3.000_001, Some(BreachSeverity::Major)),
        (4.0, Some(BreachSeverity::Major)),
        (4.000_001, Some(BreachSeverity::Critical)),
        (f64::INFINITY, Some(BreachSeverity::Critical)),
        (f64::NAN, Some(BreachSeverity::Critical)),
    ] {
        let measured = PerformanceMetrics::new("sli", 2.0, value);
        assert_eq!(measured.breach_severity(), expected, "{value}");
        assert_eq!(measured.compliant(), expected.is_none(), "{value}");
    }
}

#[test]
fn attributes_name_the_severity_only_of_a_breach() {
    let keys = |value| {
        let measured = PerformanceMetrics::new("sli", 2.0, value);
        measured.attributes().map(|(key, value)| format!("{key}={value:?}")).collect::<Vec<_>>()
    };
    let common =
        ["sli.name=Str(\"sli\")", "sli.value=Float(1.0)", "slo.threshold=Float(2.0)", "slo.compliant=Bool(true)"];
    assert_eq!(keys(1.0), common);
    assert_eq!(keys(5.0)[3..], ["slo.compliant=Bool(false)", "slo.breach_severity=Str(\"critical\")"]);
}

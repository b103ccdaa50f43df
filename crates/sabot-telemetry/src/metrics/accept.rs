//! Which of the two texts a scraper gets, by its `accept` header.
//!
//! Invariant: what cannot be understood is not wanted; a header never fails.

/// Whether `OpenMetrics` 1.0 is named and no less wanted than plain text. What is not named is not sent: a browser that
/// takes anything gets the plainer of the two.
pub(super) fn prefers_openmetrics(accept: &str) -> bool {
    let best = |is: &dyn Fn(&str) -> bool| {
        let wanted = accept.split(',').filter(|range| is(range)).map(weight);
        wanted.fold(0.0, f64::max)
    };
    let openmetrics = best(&|range| {
        let mut parts = range.split(';').map(str::trim);
        let version = parts.clone().find_map(|part| part.strip_prefix("version="));
        parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"))
            && version.is_none_or(|version| matches!(version.trim_matches('"'), "1.0.0" | "1.0"))
    });
    let text = best(&|range| {
        let kind = range.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case("text/plain") || kind.eq_ignore_ascii_case("text/*")
    });
    openmetrics > 0.0 && openmetrics >= text
}

/// The `q` of one range; one unless given, zero if it is not a number.
pub(crate) fn weight(range: &str) -> f64 {
    let given = range.split(';').skip(1).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then_some(value.trim())
    });
    given.map_or(1.0, |value| value.parse().unwrap_or(0.0))
}

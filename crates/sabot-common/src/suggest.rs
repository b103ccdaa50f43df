//! "Did you mean": the nearest valid spelling of a word somebody typed.

/// The candidate closest to `word`, if one is close enough to be worth naming.
///
/// ```
/// use sabot_common::suggest::nearest;
/// assert_eq!(nearest("partitons", ["name", "partitions"]), Some("partitions"));
/// assert_eq!(nearest("zzz", ["name", "partitions"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + word.chars().count().max(candidate.chars().count()) / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// `; did you mean "x"?`, or nothing: appended to an error about an unknown name.
pub fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default()
}

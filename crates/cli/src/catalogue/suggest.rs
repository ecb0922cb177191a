//! The nearest name, for somebody who mistyped one.

/// The name that was most likely meant; `None` when no name is near.
///
/// Near is a third of the letters changed, swapped, added or missing; upper and lower case are the same.
pub(crate) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = written.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= name.chars().count().max(written.chars().count()) / 3)
        .min_by_key(|(distance, name)| (*distance, *name))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typo_finds_its_name_and_a_stranger_does_not() {
        let names = ["ErrorRate", "ErrorCount", "Revenue", "SEV1"];
        for (written, expected) in [
            ("ErorRate", Some("ErrorRate")),
            ("errorrate", Some("ErrorRate")),
            ("Reveneu", Some("Revenue")),
            ("Sev1", Some("SEV1")),
            ("ErrorCounts", Some("ErrorCount")),
            ("Latency", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, names.into_iter()), expected, "{written}");
        }
    }
}

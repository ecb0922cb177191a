//! Core decides and does nothing else. clippy refuses the calls (`clippy.toml`); this refuses the crates.

use std::collections::BTreeSet;

/// The names in a table of a manifest, such as `[dependencies]`, of every target.
fn names(manifest: &str, table: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            let last = header.rsplit('.').next().unwrap_or_default();
            within = last == table;
            // `[dependencies.name]`
            if let Some((parent, name)) =
                header.rsplit_once('.').filter(|(parent, _)| parent.rsplit('.').next() == Some(table))
            {
                assert!(parent.ends_with(table));
                names.insert(name.to_owned());
            }
        } else if within && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            names.extend((!name.is_empty()).then(|| name.to_owned()));
        }
    }
    names
}

#[test]
fn core_depends_on_nothing_that_does_something() {
    let manifest = include_str!("../Cargo.toml");
    let expected: BTreeSet<String> = ["jiff", "serde", "serde_json"].map(str::to_owned).into();
    assert_eq!(names(manifest, "dependencies"), expected);
    assert_eq!(names(manifest, "build-dependencies"), BTreeSet::new());
}

#[test]
fn every_way_to_name_a_dependency_is_seen() {
    let manifest = "[dependencies]\na = \"1\"\n# no\nb.workspace = true\n[lints]\nx = 1\n[dependencies.c]\nversion = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\n[dev-dependencies]\ne = \"1\"\n";
    let expected: BTreeSet<String> = ["a", "b", "c", "d"].map(str::to_owned).into();
    assert_eq!(names(manifest, "dependencies"), expected);
}

//! The post-mortems that a simulation ends with.

use std::path::Path;

use super::catalogue::{monitorctl, stdout};

/// The seeded incidents, by their group, and the beginnings of their ids.
const INCIDENTS: [(&str, &str, &str); 4] = [
    ("api", "SEV1", "INC-20241014-"),
    ("database", "SEV2", "INC-20241015-e"),
    ("lambda", "SEV2", "INC-20241015-4"),
    ("business", "SEV2", "INC-20241016-"),
];

fn told(directory: &Path, arguments: &[&str]) -> String {
    let output = monitorctl(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    stdout(&output)
}

#[test]
fn a_simulation_ends_with_a_complete_document_of_each_seeded_incident() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let story = told(directory, &["local", "--simulate", "--terminal", "--environment", "local"]);

    // All of them are listed, and the worst is shown.
    let end = story.split("\nPost-mortems\n").nth(1).expect("the run ends with its post-mortems");
    let (list, shown) = end.split_once("\n\n").unwrap();
    assert_eq!(list.lines().count(), 5, "{list}");
    for (_, severity, id) in INCIDENTS {
        assert!(list.lines().any(|line| line.starts_with(id) && line.contains(severity)), "{list}");
    }
    assert!(shown.starts_with("# Post-mortem of INC-20241014-"), "{shown}");
    // Of the one that ends last the last hour is counted an hour later; whom nobody has answered is reminded after a day.
    assert!(story.contains("nobody has approved it yet; reminder 1"), "{story}");

    for (group, severity, id) in INCIDENTS {
        let document = told(directory, &["post-mortems", "export", id, "--md", "--environment", "local"]);
        assert!(
            document.contains(&format!("| Severity | {severity} |\n"))
                && document.contains(&format!("| Group | {group} |\n"))
        );
        insta::assert_snapshot!(group, document);
        let html = told(directory, &["post-mortems", "export", id, "--html", "--environment", "local"]);
        let svg = told(directory, &["post-mortems", "export", id, "--svg", "--environment", "local"]);
        assert!(html.contains(&svg) && svg.contains(">onset</text>"), "{group}");
        // Nothing is fetched, whatever is in it.
        for reference in ["src=", "href=", "url(", "@import"] {
            assert!(!html.contains(reference), "{group}: {reference}");
        }
    }

    let missing = monitorctl(directory, &["post-mortems", "show", "INC-20991231-00000000", "--environment", "local"]);
    let said = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(!missing.status.success() && said.contains("INC-20991231-00000000"), "{said}");
}

//! `monitorctl dashboards render`, and the pictures in the documentation.

use crate::catalogue::{monitorctl, repository, stderr, stdout};

const DASHBOARDS: [&str; 3] = [
    "AI-Nutritionist-Business-Dashboard",
    "AI-Nutritionist-Infrastructure-Dashboard",
    "AI-Nutritionist-Main-Dashboard",
];

#[test]
fn the_committed_pictures_are_fresh() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("pictures");
    let made = monitorctl(&repository(), &["dashboards", "render", "--out", out.to_str().unwrap()]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    for name in DASHBOARDS {
        let file = format!("{name}.svg");
        let picture = std::fs::read_to_string(out.join(&file)).unwrap();
        let committed = std::fs::read_to_string(repository().join("docs").join(&file)).unwrap();
        assert!(picture == committed, "docs/{file} is stale; run `monitorctl dashboards render --out docs`");
        assert!(stdout(&made).contains(&file));
    }
}

/// What somebody sees at 14:33 of the first day: a deployment makes every fourth request fail.
#[test]
fn the_main_picture_tells_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let made = monitorctl(&repository(), &["--json", "dashboards", "render", "--out", out]);
    let files: serde_json::Value = serde_json::from_str(&stdout(&made)).unwrap();
    assert_eq!(files[2]["at"], "2024-10-14T14:33:00Z");
    let picture = std::fs::read_to_string(files[2]["file"].as_str().unwrap()).unwrap();
    for text in
        [">SEV1<", ">error-rate<", ">25.23 %<", ">ALARM<", ">critical above 10 %<", "prefers-color-scheme: dark"]
    {
        assert!(picture.contains(text), "{text}");
    }
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let without = monitorctl(
        &repository(),
        &["dashboards", "render", "crates/cli/catalogues/aws.yaml", "--out", folder.path().to_str().unwrap()],
    );
    assert_eq!(without.status.code(), Some(1));
    assert!(stderr(&without).contains("has no dashboards; add them under `dashboards:`"), "{}", stderr(&without));
    let nowhere = monitorctl(&repository(), &["dashboards", "render", "--out", "Cargo.toml/x"]);
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(stderr(&nowhere).contains("cannot make Cargo.toml/x"), "{}", stderr(&nowhere));
}

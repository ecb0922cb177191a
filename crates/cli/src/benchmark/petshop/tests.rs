use std::fs;

use super::*;

/// Two nodes, of which `back` becomes slow at the third of four samples.
fn data_set(folder: &Path, normal: bool) {
    let table = |rows: &[[&str; 4]]| {
        let mut text = "microservice,front,back,back\nmetric,latency,latency,requests\nstatistic,Average,Average,Sum\nunix_timestamp,,,\n".to_owned();
        for (index, row) in rows.iter().enumerate() {
            text.push_str(&format!("{}.0,{}\n", 1000 + 300 * index, row[1..].join(",")));
        }
        text
    };
    let quiet = ["", "0.2", "0.1", "10"];
    let issue = folder.join("quiet_traffic/train/issue_10");
    fs::create_dir_all(&issue).unwrap();
    fs::write(issue.join("metrics.csv"), table(&[quiet, quiet, ["", "0.9", "0.8", "10"], ["", "0.9", "0.8", ""]]))
        .unwrap();
    let target = r#"{"target": {"node": "front", "metric": "latency", "agg": "Average", "timestamp": 1600}}"#;
    fs::write(issue.join("target.json"), target).unwrap();
    fs::write(folder.join("quiet_traffic/graph.csv"), ",back,front\nback,0.0,0.0\nfront,1.0,0.0\n").unwrap();
    if normal {
        fs::create_dir_all(folder.join("quiet_traffic/noissue")).unwrap();
        fs::write(folder.join("quiet_traffic/noissue/metrics.csv"), table(&[quiet; 20])).unwrap();
    }
}

fn args(dataset: &Path, out: &Path) -> PetshopArgs {
    PetshopArgs { dataset: dataset.to_owned(), out: out.to_owned(), no_graph: false, drop_edges: 0.0, seed: 1 }
}

fn ranking(out: &Path) -> Value {
    serde_json::from_slice(&fs::read(out.join("quiet_traffic/train/issue_10.json")).unwrap()).unwrap()
}

#[test]
fn rankings_are_written_where_the_scorer_looks() {
    for normal in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        data_set(folder.path(), normal);
        assert_eq!(run(&args(folder.path(), &out), false).unwrap(), OK);
        let ranking = ranking(&out);
        assert_eq!(ranking["ranking"][0]["node"], "back", "normal {normal}: {ranking}");
        assert_eq!(ranking["graph_known"], true);
    }
}

#[test]
fn the_graph_can_be_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    data_set(folder.path(), true);
    for args in [
        PetshopArgs { no_graph: true, ..args(folder.path(), &out) },
        PetshopArgs { drop_edges: 1.0, ..args(folder.path(), &out) },
    ] {
        run(&args, true).unwrap();
        assert_eq!(ranking(&out)["graph_known"], false);
    }
}

#[test]
fn which_edges_are_dropped_depends_on_seed_and_issue() {
    let calls: Vec<Call> =
        (0..1000).map(|index| Call { caller: "a".to_owned(), callee: format!("b{index}") }).collect();
    let base = PetshopArgs { drop_edges: 0.2, ..args(Path::new(""), Path::new("")) };
    let kept = drop_edges(&calls, &base, "low/train/issue_0");
    assert!((750..850).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept, drop_edges(&calls, &base, "low/train/issue_0"));
    assert_ne!(kept, drop_edges(&calls, &base, "low/train/issue_1"));
    assert_ne!(kept, drop_edges(&calls, &PetshopArgs { seed: 2, ..base }, "low/train/issue_0"));
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let message = |args: &PetshopArgs| format!("{:#}", run(args, false).unwrap_err().error);
    assert!(message(&args(folder.path(), &out)).contains("no scenarios"));
    assert!(message(&args(&folder.path().join("absent"), &out)).contains("cannot read the folder"));

    data_set(folder.path(), true);
    let graph = folder.path().join("quiet_traffic/graph.csv");
    fs::write(&graph, ",back,front\nback,0.0\n").unwrap();
    assert!(message(&args(folder.path(), &out)).ends_with("graph.csv, line 2: 2 cells, and 3 in the first"));
    fs::write(&graph, ",back,front\nback,0.0,x\n").unwrap();
    assert!(message(&args(folder.path(), &out)).ends_with("graph.csv, line 2: \"x\" is not a number"));
    fs::remove_file(&graph).unwrap();
    let metrics = folder.path().join("quiet_traffic/train/issue_10/metrics.csv");
    let text = fs::read_to_string(&metrics).unwrap();
    fs::write(&metrics, text.replace("1600.0", "noon")).unwrap();
    assert!(message(&args(folder.path(), &out)).ends_with("metrics.csv, line 7: does not begin with a time"));
}

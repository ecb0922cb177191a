//! `monitorctl local --interactions`.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

fn monitorctl(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_monitorctl"));
    command.current_dir(directory.path());
    for setting in ["MONITORING_CATALOGUE", "SLACK_SIGNING_SECRET", "PAGERDUTY_WEBHOOK_SECRET", "ENVIRONMENT"] {
        command.env_remove(setting);
    }
    command
}

#[test]
fn without_a_secret_it_does_not_start() {
    let directory = tempfile::tempdir().unwrap();
    let output = monitorctl(&directory).args(["local", "--simulate", "--interactions", "0"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("set SLACK_SIGNING_SECRET") && said.contains("leave --interactions out"), "{said}");
    assert!(!directory.path().join(".monitorctl").exists());
}

/// A run that is stopped when the test ends, however it ends.
struct Run(Child);

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_button_resolves_an_incident_of_a_run() {
    let directory = tempfile::tempdir().unwrap();
    // Two days at full load, from the first minute on.
    let mut series = "timestamp,value\n".to_owned();
    for period in 0..576 {
        let minutes = period * 5;
        let (day, hour, minute) = (14 + minutes / 1440, minutes / 60 % 24, minutes % 60);
        writeln!(series, "2024-10-{day:02} {hour:02}:{minute:02}:00,99.5").unwrap();
    }
    let file = "ec2_cpu_utilization_web.csv";
    std::fs::write(directory.path().join(file), series).unwrap();
    let mut run = monitorctl(&directory)
        .args(["local", "--replay", file, "--speed", "600", "--terminal", "--json", "--interactions", "0"])
        .env("SLACK_SIGNING_SECRET", SECRET)
        .stdout(Stdio::piped())
        .spawn()
        .map(Run)
        .unwrap();
    let mut lines = BufReader::new(run.0.stdout.take().unwrap()).lines().map(|line| {
        let line = line.unwrap();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    });
    let mut next = |kind: &str| lines.find(|line| line["kind"] == kind).unwrap();

    let note = next("note")["text"].as_str().unwrap().to_owned();
    let address = note.split_once("http://").unwrap().1.split_once('/').unwrap().0.to_owned();
    let incident = next("incident");
    assert_eq!(incident["status"], "detected", "{incident}");
    let id = incident["id"].as_str().unwrap();

    assert_eq!(press(&address, "a guess", id), "401");
    assert_eq!(press(&address, SECRET, id), "200");
    let resolved = loop {
        let incident = next("incident");
        if incident["status"] != "detected" {
            break incident;
        }
    };
    assert_eq!((&resolved["id"], &resolved["status"]), (&incident["id"], &json!("resolved")), "{resolved}");
    assert_eq!(resolved["reasons"], json!(["resolved"]));
}

/// Presses the button that resolves, and returns the status of the answer.
fn press(address: &str, secret: &str, id: &str) -> String {
    let payload = json!({
        "type": "block_actions",
        "user": { "id": "U2CERLKJA", "username": "alice" },
        "actions": [{ "type": "button", "action_id": "resolve", "value": id }],
    });
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hex::encode(hmac::sign(&key, format!("v0:{time}:{body}").as_bytes()));
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /slack HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\n\
         x-slack-request-timestamp: {time}\r\nx-slack-signature: v0={signature}\r\n\r\n{body}",
        body.len(),
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_whitespace().nth(1).unwrap().to_owned()
}

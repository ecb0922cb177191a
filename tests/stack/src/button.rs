//! A button in Slack, pressed: a signed request to the function URL.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::hmac;
use serde_json::json;

/// What Slack signs with.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// The function has to start; Slack itself waits for 3 seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Posts a press of `action` by `by` to the path on a port of loopback, and returns the HTTP status.
#[must_use]
pub fn press(port: u16, path: &str, secret: &str, action: &str, incident_id: &str, by: &str) -> u16 {
    let payload = json!({
        "type": "block_actions",
        "user": {"id": "U2CERLKJA", "username": by, "name": by},
        "actions": [{"type": "button", "action_id": action, "value": incident_id}],
    });
    let body = form_urlencoded::Serializer::new(String::new()).append_pair("payload", &payload.to_string()).finish();
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hex::encode(hmac::sign(&key, format!("v0:{time}:{body}").as_bytes()));
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\
         X-Slack-Request-Timestamp: {time}\r\nX-Slack-Signature: v0={signature}\r\n\r\n{body}",
        body.len()
    );
    let answer = post(port, &request).expect("an answer of the function URL");
    let status = answer.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("not an HTTP answer: {answer}"))
}

fn post(port: u16, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

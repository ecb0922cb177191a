//! What a local run shows as it happens: a line a step, for people or as JSON.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::ProgressBar;
use jiff::Timestamp;
use monitoring_aws::incident_response::Touched;
use monitoring_aws::monitoring::Changed;
use monitoring_aws::outside::Publication;
use monitoring_aws::post_mortem;
use serde_json::{Value, json};

/// How steps are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Lines for people.
    People {
        /// With colours.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
    /// Nothing; only counted.
    Silent,
}

/// The story of a run. Clones tell the same one.
#[derive(Clone, Debug)]
pub struct Story {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    form: Form,
    now: Timestamp,
    progress: Option<ProgressBar>,
    notifications: BTreeMap<String, u64>,
    alerts: u64,
}

impl Story {
    /// A story that has not begun.
    pub fn new(form: Form) -> Self {
        let (now, notifications) = (Timestamp::UNIX_EPOCH, BTreeMap::new());
        Self { inner: Arc::new(Mutex::new(Inner { form, now, progress: None, notifications, alerts: 0 })) }
    }

    /// Moves the time that is shown.
    pub fn set_now(&self, now: Timestamp) {
        self.inner().now = now;
    }

    /// The time that is shown.
    pub fn now(&self) -> Timestamp {
        self.inner().now
    }

    /// Keeps the lines clear of a progress bar.
    pub fn set_progress(&self, bar: Option<ProgressBar>) {
        self.inner().progress = bar;
    }

    /// An alert changed.
    pub fn alert(&self, change: &Changed) {
        self.inner().alerts += 1;
        let state = serde_json::to_value(change.state).unwrap_or_default();
        let state = state.as_str().unwrap_or_default().to_owned();
        let data = json!({ "alert": change.alert, "state": state, "reason": change.reason });
        self.tell("alert", &format!("{} is {}: {}", change.alert, state.replace('_', " "), change.reason), data);
    }

    /// An incident changed.
    pub fn incident(&self, touched: &Touched) {
        let text = format!("{} {} {}  {}", touched.id, touched.severity, touched.status, touched.title);
        let why = touched.reasons.last().map_or(String::new(), |reason| format!(" ({reason})"));
        self.tell("incident", &format!("{text}{why}"), serde_json::to_value(touched).unwrap_or_default());
    }

    /// A post-mortem was written.
    pub fn post_mortem(&self, written: &post_mortem::Response) {
        let items = written.action_items.len();
        let text =
            format!("{} {} written, {items} action items  {}", written.incident_id, written.state, written.title);
        self.tell("document", &text, serde_json::to_value(written).unwrap_or_default());
    }

    /// A message went out.
    pub fn notification(&self, channel: &str, what: &str, text: &str, body: &Value) {
        *self.inner().notifications.entry(channel.to_owned()).or_default() += 1;
        let data = json!({ "channel": channel, "what": what, "text": text, "body": body });
        self.tell(channel, &format!("{what}: {text}"), data);
    }

    /// An e-mail or SMS went out.
    pub fn message(&self, topic: &str, publication: &Publication) {
        let channel = topic.trim_start_matches("notify-");
        let text = publication.subject.as_deref().unwrap_or(&publication.body);
        self.notification(channel, "sent", text, &json!({ "subject": publication.subject, "text": publication.body }));
    }

    /// A call of an action.
    pub fn action(&self, said: &str) {
        self.tell("action", said, json!({ "text": said }));
    }

    /// Anything else.
    pub fn note(&self, text: &str) {
        self.tell("note", text, json!({ "text": text }));
    }

    /// How many messages went out, by channel, and how many alerts changed.
    pub fn counts(&self) -> (BTreeMap<String, u64>, u64) {
        let inner = self.inner();
        (inner.notifications.clone(), inner.alerts)
    }

    fn tell(&self, kind: &str, text: &str, mut data: Value) {
        let inner = self.inner();
        let line = match inner.form {
            Form::Silent => return,
            Form::Json => {
                if let Some(data) = data.as_object_mut() {
                    data.insert("at".to_owned(), json!(inner.now));
                    data.insert("kind".to_owned(), json!(kind));
                }
                data.to_string()
            }
            Form::People { colour } => {
                let time = inner.now.strftime("%Y-%m-%d %H:%M");
                let kind_padded = format!("{kind:<9}");
                format!("{time}  {}  {}", paint(colour, kind, &kind_padded), printable(text))
            }
        };
        let write = || {
            // A closed pipe ends the output, not the run.
            let _ = writeln!(std::io::stdout().lock(), "{line}");
        };
        match &inner.progress {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paint(colour: bool, kind: &str, text: &str) -> String {
    let code = match kind {
        "incident" => "1;31",
        "pagerduty" | "sms" => "1;33",
        "slack" | "email" => "36",
        "action" => "1;35",
        _ => "2",
    };
    if colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// The text on one line, without what could move a terminal's cursor.
fn printable(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" | ")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

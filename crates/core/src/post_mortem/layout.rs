//! The document as blocks: what [`super::markdown`] and [`super::html`] both write.

use super::course::list;
use super::narrative::Draft;
use super::picture;
use super::{PostMortem, Section, Statement, Timing};
use crate::message::{QueryLink, date_and_time, format_seconds};

/// A part of a page. All texts are plain: whoever writes them escapes them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Block {
    Title(String),
    Heading(&'static str),
    /// Paragraphs of somebody.
    Words(Vec<String>),
    /// A remark about the document itself.
    Remark(String),
    Bullets(Vec<Bullet>),
    Table(Table),
    /// Pages elsewhere: safe ones.
    Links(Vec<QueryLink>),
    /// The metrics, where a page can show them.
    Picture(String),
}

/// A sentence with what it rests on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bullet {
    pub(super) text: String,
    /// `journal 4, message 2`.
    pub(super) sources: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Table {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

/// The document, from top to bottom.
pub(super) fn blocks(document: &PostMortem) -> Vec<Block> {
    let mut blocks = vec![
        Block::Title(format!("Post-mortem of {}: {}", document.incident_id, document.title)),
        Block::Table(Table { head: vec!["", ""], rows: header(document) }),
    ];
    for section in [Section::Summary, Section::Impact] {
        blocks.extend(of_section(document, section));
    }
    blocks.push(Block::Heading("Timeline (UTC)"));
    blocks.push(Block::Table(timeline(document)));
    if document.left_out > 0 {
        blocks.push(Block::Remark(format!(
            "{} entries in the middle are left out; `monitorctl incidents show {}` has them all.",
            document.left_out, document.incident_id
        )));
    }
    let links: Vec<QueryLink> = document.queries.iter().filter(|query| query.is_safe()).cloned().collect();
    if !links.is_empty() {
        blocks.push(Block::Heading("Logs of that time"));
        blocks.push(Block::Links(links));
    }
    if let Some(svg) = picture::svg(document) {
        blocks.push(Block::Heading("Metrics (UTC)"));
        blocks.push(Block::Picture(svg));
    }
    blocks.push(Block::Heading("How long it took"));
    blocks.push(Block::Table(timings(&document.timings)));
    for section in [Section::RootCause, Section::WentWell, Section::WentWrong, Section::Lucky] {
        blocks.extend(of_section(document, section));
    }
    blocks.push(Block::Heading("Similar incidents"));
    blocks.push(similar(document));
    for section in [Section::Lessons, Section::Prevention] {
        blocks.extend(of_section(document, section));
    }
    if let Some(draft) = &document.draft {
        blocks.extend(of_draft(draft));
    }
    blocks.push(Block::Heading("Action items"));
    blocks.push(items(document));
    blocks
}

fn header(document: &PostMortem) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let state = match &document.approval {
        Some(approval) => format!("approved by {} on {}", approval.by, date_and_time(approval.at)),
        None => "draft, to be reviewed".to_owned(),
    };
    vec![
        row("Severity", document.severity.to_string()),
        row("Service", format!("{} {}", document.service, document.environment)),
        row("Group", document.group.clone()),
        row("Began", date_and_time(document.opened_at)),
        row("Ended", date_and_time(document.resolved_at)),
        row("Written", date_and_time(document.written_at)),
        row("State", state),
        row("Reviewers", list(&document.reviewers)),
    ]
}

fn of_section(document: &PostMortem, section: Section) -> [Block; 2] {
    let body = match document.edits.get(&section) {
        Some(edit) => {
            let mut words: Vec<String> = edit.text.lines().map(str::to_owned).collect();
            words.push(format!("({}, {})", edit.by, date_and_time(edit.at)));
            Block::Words(words)
        }
        None => match document.statements(section) {
            [] => Block::Remark("Nothing that the rules look for.".to_owned()),
            statements => Block::Bullets(statements.iter().map(bullet).collect()),
        },
    };
    [Block::Heading(section.heading()), body]
}

/// Apart from what the rules say, so that nobody takes the one for the other.
fn of_draft(draft: &Draft) -> Vec<Block> {
    let dropped = match draft.dropped {
        0 => String::new(),
        1 => " One sentence was dropped, since it rested on none of them.".to_owned(),
        dropped => format!(" {dropped} sentences were dropped, since they rested on none of them."),
    };
    let remark = format!(
        "Written by the model {} on {} from the facts of this document and nothing else; each sentence names the facts it rests on. \
         Nobody has checked it.{dropped}",
        draft.model,
        date_and_time(draft.at)
    );
    let mut blocks = vec![Block::Heading("AI-written draft, not checked"), Block::Remark(remark)];
    for (title, statements) in [("What happened:", &draft.narrative), ("Lessons:", &draft.lessons)] {
        if !statements.is_empty() {
            blocks.push(Block::Remark(title.to_owned()));
            blocks.push(Block::Bullets(statements.iter().map(bullet).collect()));
        }
    }
    blocks
}

fn bullet(statement: &Statement) -> Bullet {
    let sources: Vec<String> = statement.sources().iter().map(ToString::to_string).collect();
    Bullet { text: statement.text(), sources: sources.join(", ") }
}

fn timeline(document: &PostMortem) -> Table {
    let row = |line: &super::TimelineEntry| {
        let time = line.at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        vec![time, line.origin.as_str().to_owned(), line.text.clone(), line.source.to_string()]
    };
    Table { head: vec!["Time", "From", "What", "Source"], rows: document.timeline.iter().map(row).collect() }
}

fn timings(timings: &[Timing]) -> Table {
    let row = |timing: &Timing| {
        let took = match (&timing.basis, timing.seconds) {
            (_, Some(seconds)) => format_seconds(seconds),
            (Statement::NotKnown { .. }, None) => "not known".to_owned(),
            (Statement::Known { .. }, None) => "never".to_owned(),
        };
        let target = timing.target_seconds.map_or("none".to_owned(), format_seconds);
        let verdict = match timing.is_late() {
            Some(true) => "missed",
            Some(false) => "met",
            None => "-",
        };
        let basis = bullet(&timing.basis);
        let basis = if basis.sources.is_empty() { basis.text } else { format!("{} ({})", basis.text, basis.sources) };
        vec![timing.phase.as_str().to_owned(), took, target, verdict.to_owned(), basis]
    };
    Table { head: vec!["Time", "Took", "Target", "", "From when to when"], rows: timings.iter().map(row).collect() }
}

fn similar(document: &PostMortem) -> Block {
    if document.similar.is_empty() {
        return Block::Remark("No earlier incident of this group or of its rules is kept.".to_owned());
    }
    let row = |past: &super::Past| {
        let lasted = past.lasted_seconds.map_or("open".to_owned(), format_seconds);
        vec![
            past.incident_id.to_string(),
            past.severity.to_string(),
            date_and_time(past.opened_at),
            lasted,
            past.title.clone(),
            past.open_items.to_string(),
        ]
    };
    let head = vec!["Incident", "Severity", "Began", "Lasted", "What", "Items not done"];
    Block::Table(Table { head, rows: document.similar.iter().map(row).collect() })
}

fn items(document: &PostMortem) -> Block {
    if document.items.is_empty() {
        return Block::Remark("No rule asks for anything to be done.".to_owned());
    }
    let row = |item: &super::ProposedItem| {
        let done = format!("{}.", item.done_when);
        let due = item.due.map_or("not known".to_owned(), |due| due.to_string());
        vec![item.priority.as_str().to_owned(), item.title.clone(), item.owner.clone(), due, done, item.why.text()]
    };
    let head = vec!["Priority", "What", "Owner", "Due", "Done when", "Why"];
    Block::Table(Table { head, rows: document.items.iter().map(row).collect() })
}

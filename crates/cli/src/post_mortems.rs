//! `monitorctl post-mortems`: read post-mortems, write in them, approve them.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use monitoring_aws::store::Listed;
use monitoring_core::incident::IncidentId;
use monitoring_core::post_mortem::{PostMortem, Section, html, markdown, picture};
use serde_json::{Value, json};

use crate::command::{Exit, OK, pretty, print};
use crate::door::{Door, DoorArgs};
use crate::incidents::{resolve_id, show::printable};
use crate::local::story::Form;

/// Read post-mortems, write in them, approve them.
#[derive(Debug, Args)]
#[command(after_help = "\
A post-mortem is written by itself when an incident ends whose severity asks for one (`post_mortem` in the catalogue), and by
`write` for any that has ended. What `edit` puts in place of a section stays when it is written anew.

Examples:
  monitorctl post-mortems list --draft
  monitorctl post-mortems export INC-20241014 --html --out post-mortem.html
  monitorctl post-mortems edit INC-20241014 root-cause 'The deployment of 14:05 dropped an index.' --by ana")]
pub struct PostMortemsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List all, the oldest first
    List {
        /// Only those that nobody has approved
        #[arg(long)]
        draft: bool,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Show one as Markdown
    Show(OneArgs),
    /// Write one, or write it anew from the facts of now
    Write(OneArgs),
    /// Write a section in your own words; without a text it goes back to the facts
    Edit {
        /// `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
        id: String,
        /// Which
        #[arg(value_enum)]
        section: SectionName,
        /// Paragraphs of plain text; `@FILE` reads them
        text: Option<String>,
        /// Who you are
        #[arg(long, env = "USER", default_value = "monitorctl")]
        by: String,
        #[command(flatten)]
        door: DoorArgs,
    },
    /// Write one to a file, or to standard output
    Export {
        #[command(flatten)]
        form: FormArgs,
        /// The file; without it standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        #[command(flatten)]
        one: OneArgs,
    },
    /// Say that it is right as it is
    Approve {
        #[command(flatten)]
        one: OneArgs,
        /// Words that go with it
        text: Option<String>,
        /// Who you are
        #[arg(long, env = "USER", default_value = "monitorctl")]
        by: String,
    },
}

#[derive(Debug, Args)]
struct OneArgs {
    /// `INC-20261123-0f3a9c1d`, or a beginning of it that only one has
    id: String,
    #[command(flatten)]
    door: DoorArgs,
}

#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
struct FormArgs {
    /// One HTML file that needs nothing else
    #[arg(long)]
    html: bool,
    /// Markdown
    #[arg(long)]
    md: bool,
    /// Its chart alone: the metrics, with what happened marked
    #[arg(long)]
    svg: bool,
}

/// A section, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SectionName(Section);

impl ValueEnum for SectionName {
    fn value_variants<'a>() -> &'a [Self] {
        const ALL: [SectionName; 8] = [
            SectionName(Section::Summary),
            SectionName(Section::Impact),
            SectionName(Section::RootCause),
            SectionName(Section::WentWell),
            SectionName(Section::WentWrong),
            SectionName(Section::Lucky),
            SectionName(Section::Lessons),
            SectionName(Section::Prevention),
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.0.name()))
    }
}

/// Runs the command.
pub async fn run(args: PostMortemsArgs, json: bool) -> Result<u8, Exit> {
    match args.command {
        Command::List { draft, door } => list(draft, &door, json).await,
        Command::Show(one) => show(&one, json).await,
        Command::Write(one) => ask(&one.id, &one.door, json!({}), json).await,
        Command::Edit { id, section, text, by, door } => {
            let text = text.map(|text| words(&text)).transpose()?;
            let edit = json!({ "edit": { "section": section.0.name(), "text": text, "by": by } });
            ask(&id, &door, edit, json).await
        }
        Command::Export { form, out, one } => export(form, out.as_deref(), &one).await,
        Command::Approve { one, text, by } => {
            ask(&one.id, &one.door, json!({ "approve": { "by": by, "text": text } }), json).await
        }
    }
}

async fn list(draft: bool, args: &DoorArgs, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let door = Door::open(args, Form::Silent).await?;
    let listed = door.store().post_mortems().await;
    door.close().await?;
    let (mut documents, unreadable) = listed.map_err(anyhow::Error::from)?;
    documents.retain(|document| !draft || document.approval.is_none());
    if json {
        print(&pretty(&documents)?);
    } else if documents.is_empty() {
        print("no post-mortems\n");
    } else {
        print(&table(&documents));
    }
    match unreadable.into_iter().next() {
        Some(error) => Err(anyhow::Error::from(error).context("some post-mortems are not in the list").into()),
        None => Ok(OK),
    }
}

async fn show(one: &OneArgs, json: bool) -> Result<u8, Exit> {
    let document = Box::pin(read(one)).await?;
    print(&if json { pretty(&document)? } else { readable(&markdown::markdown(&document)) });
    Ok(OK)
}

async fn export(form: FormArgs, out: Option<&Path>, one: &OneArgs) -> Result<u8, Exit> {
    let document = Box::pin(read(one)).await?;
    let text = if form.html {
        html::html(&document)
    } else if form.md {
        markdown::markdown(&document)
    } else {
        picture::svg(&document).ok_or_else(|| {
            Exit::refused(format!("no metric of {} was measured, so there is no chart", document.incident_id))
        })?
    };
    match out {
        None => print(&text),
        Some(path) => std::fs::write(path, text)
            .with_context(|| format!("cannot write {}", path.display()))
            .map_err(Exit::usage)?,
    }
    Ok(OK)
}

async fn read(one: &OneArgs) -> Result<PostMortem, Exit> {
    one.door.must_exist()?;
    let door = Door::open(&one.door, Form::Silent).await?;
    let found = found(&door, &one.id).await;
    door.close().await?;
    found
}

async fn found(door: &Door, id: &str) -> Result<PostMortem, Exit> {
    let id = resolve_id(door, id).await?;
    let document = door.store().post_mortem(&id).await.map_err(anyhow::Error::from)?;
    document.ok_or_else(|| missing(&id))
}

fn missing(id: &IncidentId) -> Exit {
    Exit::refused(format!("there is no post-mortem of {id}; write it with `monitorctl post-mortems write {id}`"))
}

/// Has the function do something with one, and says what came of it.
async fn ask(id: &str, args: &DoorArgs, mut event: Value, json: bool) -> Result<u8, Exit> {
    args.must_exist()?;
    let form = if json { Form::Silent } else { Form::People { colour: false } };
    let door = Door::open(args, form).await?;
    let event = resolve_id(&door, id).await.map(|id| {
        if let Some(event) = event.as_object_mut() {
            event.insert("incident_id".to_owned(), json!(id));
        }
        event
    });
    door.ask_post_mortem(event, json, said).await
}

/// How a document stands, in a line.
fn said(answer: &Value) -> String {
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let changed = answer.get("changed").and_then(Value::as_bool).unwrap_or_default();
    let what = if changed { "written" } else { "unchanged" };
    let version = answer.get("version").and_then(Value::as_u64).unwrap_or_default();
    format!("{} {what}: {}, version {version}: {}\n", text("incident_id"), text("state"), printable(&text("title")))
}

/// The text, or that of the file that it names.
fn words(text: &str) -> Result<String, Exit> {
    let Some(path) = text.strip_prefix('@') else { return Ok(text.to_owned()) };
    let read = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}")).map_err(Exit::usage)?;
    if read.trim().is_empty() { Err(Exit::usage(anyhow!("{path} is empty"))) } else { Ok(read) }
}

/// Markdown for a terminal: without its escapes, so that a command can be copied, and without what could move the cursor.
pub(crate) fn readable(markdown: &str) -> String {
    let mut text = String::with_capacity(markdown.len());
    let mut characters = markdown.chars().peekable();
    while let Some(character) = characters.next() {
        let shown = match character {
            '\\' => characters.next_if(char::is_ascii_punctuation).unwrap_or(character),
            _ if character.is_control() && character != '\n' => ' ',
            _ => character,
        };
        text.push(shown);
    }
    text
}

/// Post-mortems as a table.
pub(crate) fn table(documents: &[Listed]) -> String {
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<21} {:<4} {:<10} {:<17} {:<17} TITLE",
        "INCIDENT", "SEV", "STATE", "ENDED (UTC)", "WRITTEN (UTC)"
    );
    for document in documents {
        let state = if document.approval.is_some() { "approved" } else { "draft" };
        let _ = writeln!(
            text,
            "{:<21} {:<4} {state:<10} {:<17} {:<17} {}",
            document.incident_id.as_str(),
            document.severity.as_str(),
            document.resolved_at.strftime("%Y-%m-%d %H:%M").to_string(),
            document.written_at.strftime("%Y-%m-%d %H:%M").to_string(),
            printable(&document.title),
        );
    }
    text
}

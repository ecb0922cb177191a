//! The catalogue as a user writes it: reading YAML with positions, checking it, and resolving it.
//!
//! [`load`] is what other commands call. A file goes through four steps, each in a module of its own: [`yaml`] makes a tree with
//! positions, [`structure`] compares it with the schema of [`document`], [`check`] looks at what a schema cannot say, and [`resolve`]
//! makes the form that the functions read. The first three report everything they find before the last one runs. [`deployment`] makes the
//! form that Terraform reads of the same document.

mod check;
pub mod command;
pub mod deployment;
mod document;
mod resolve;
mod structure;
mod suggest;
#[cfg(test)]
mod tests;
pub(crate) mod yaml;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use monitoring_core::catalogue::{Catalogue, CatalogueError};
use serde::Serialize;

use deployment::Board;
pub use deployment::Deployment;
use document::Document;
pub(crate) use document::Duration;
pub(crate) use resolve::{burn_metric, burn_rule, moment};
pub(crate) use suggest::nearest;
use yaml::{Position, Tree};

/// The resolved catalogue of AI Nutritionist, as this version ships it.
pub const SHIPPED: &str = include_str!("../../../../monitoring.resolved.json");

/// The resolved catalogue of generic AWS metrics, for replays.
pub const SHIPPED_AWS: &str = include_str!("../../catalogues/aws.resolved.json");

/// The catalogue of AI Nutritionist that this version ships.
pub fn shipped() -> Result<Catalogue, CatalogueError> {
    Catalogue::from_json(SHIPPED.as_bytes())
}

/// The catalogue of generic AWS metrics that this version ships, for replays.
pub fn shipped_aws() -> Result<Catalogue, CatalogueError> {
    Catalogue::from_json(SHIPPED_AWS.as_bytes())
}

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The catalogue cannot be used.
    Error,
    /// It can, but perhaps not as its author thinks.
    Warning,
}

/// Something wrong with a catalogue, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file as it was named.
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Whether it can be used all the same.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// `monitoring.yaml:41:13: error: rule error-rate watches an unknown metric "ErorRate"; did you mean "ErrorRate"?`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{}:{}:{}: {severity}: {}; {}", self.file.display(), self.line, self.column, self.message, self.help)
    }
}

/// Why a catalogue could not be loaded.
#[derive(Debug)]
pub enum LoadError {
    /// The file could not be read.
    Read {
        /// Its name.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has mistakes: at least one error, and all warnings, by line.
    Mistakes(Vec<Problem>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, .. } => write!(f, "cannot read the catalogue {}", path.display()),
            Self::Mistakes(problems) => {
                write!(f, "the catalogue has mistakes:")?;
                problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
            }
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read { source, .. } => Some(source),
            Self::Mistakes(_) => None,
        }
    }
}

/// Reads, checks and resolves a catalogue. Gives the warnings with it.
pub fn load(path: &Path) -> Result<(Catalogue, Vec<Problem>), LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let (catalogue, problems) = parse(path, &text);
    match catalogue {
        Some(catalogue) => Ok((catalogue, problems)),
        None => Err(LoadError::Mistakes(problems)),
    }
}

/// A catalogue with what it is deployed as.
#[derive(Debug)]
pub struct Loaded {
    /// What the functions read.
    pub catalogue: Catalogue,
    /// Terraform's side of it.
    pub deployment: Deployment,
    /// Dashboards, laid out.
    pub(crate) boards: Vec<Board>,
    /// All warnings, by line.
    pub warnings: Vec<Problem>,
}

/// Reads, checks and resolves a catalogue, with what it is deployed as.
pub fn load_deployment(path: &Path) -> Result<Loaded, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read { path: path.to_owned(), source })?;
    let (document, problems) = check_text(path, &text);
    let Some(document) = document else { return Err(LoadError::Mistakes(problems)) };
    let catalogue = resolve::resolve(&document);
    let boards = deployment::board::boards(&document, &catalogue);
    let deployment = Deployment::new(&document, &catalogue, &boards);
    Ok(Loaded { catalogue, deployment, boards, warnings: problems })
}

/// Checks and resolves the text of a catalogue. There is a catalogue when no problem is an error; `file` is only
/// named in the problems.
pub fn parse(file: &Path, text: &str) -> (Option<Catalogue>, Vec<Problem>) {
    let (document, problems) = check_text(file, text);
    (document.map(|document| resolve::resolve(&document)), problems)
}

/// The document, when no problem is an error.
fn check_text(file: &Path, text: &str) -> (Option<Document>, Vec<Problem>) {
    let (tree, mistakes) = yaml::read(text);
    let mut problems: Vec<Problem> = mistakes
        .into_iter()
        .map(|mistake| problem(file, mistake.at, Severity::Error, mistake.message, mistake.help))
        .collect();
    let mut document = None;
    if let Some(tree) = &tree {
        let (mut findings, checked) = structure::check(tree);
        if let Some(checked) = &checked {
            let complete = findings.is_empty() && problems.is_empty();
            findings.extend(check::check(tree, checked, complete));
        }
        document = checked;
        // What YAML refused is missing or empty afterwards; that is a consequence.
        let refused: Vec<(usize, usize)> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
        let found = findings.into_iter().map(|finding| finding.locate(file, tree));
        problems.extend(found.filter(|problem| !refused.contains(&(problem.line, problem.column))));
    }
    problems.sort_by_key(|problem| (problem.line, problem.column));
    let sound = problems.iter().all(|problem| problem.severity == Severity::Warning);
    (document.filter(|_| sound), problems)
}

fn problem(file: &Path, at: Position, severity: Severity, message: String, help: String) -> Problem {
    Problem { file: file.to_owned(), line: at.line, column: at.column, severity, message, help }
}

/// A problem whose place is a part of the tree.
#[derive(Debug)]
struct Finding {
    /// JSON pointer.
    pointer: String,
    /// Whether the key is meant rather than the value.
    on_key: bool,
    /// Characters from the start of the value's text.
    offset: Option<usize>,
    severity: Severity,
    message: String,
    help: String,
}

impl Finding {
    fn error(pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            on_key: false,
            offset: None,
            severity: Severity::Error,
            message: message.into(),
            help: help.into(),
        }
    }

    fn warning(pointer: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(pointer, message, help) }
    }

    fn on_key(self) -> Self {
        Self { on_key: true, ..self }
    }

    fn at_offset(self, characters: usize) -> Self {
        Self { offset: Some(characters), ..self }
    }

    fn locate(self, file: &Path, tree: &Tree) -> Problem {
        let place = tree.place(&self.pointer);
        let mut at = if self.on_key { place.key } else { place.value };
        if let Some(offset) = self.offset.filter(|_| place.inline) {
            at.column += offset + usize::from(place.quoted);
        }
        problem(file, at, self.severity, self.message, self.help)
    }
}

//! YAML with positions: a file becomes a JSON value and, for every place in it, its line and column.
//!
//! The subset is what a catalogue needs: one document of mappings, sequences and scalars of the core schema. Anchors, tags and
//! merge keys are refused, so that a line of the file means what it says; `defaults` does their work.

use std::collections::HashMap;

use saphyr::Scalar;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

/// A larger file is no catalogue.
const MAX_BYTES: usize = 1 << 20;

/// A catalogue nests six deep.
const MAX_DEPTH: usize = 32;

/// A place in the file, both counted from 1; the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    /// The first character of a file.
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    fn of(marker: &Marker) -> Self {
        Self { line: marker.line().max(1), column: marker.col() + 1 }
    }
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its key, or the value itself where it has none.
    pub(crate) key: Position,
    /// The value.
    pub(crate) value: Position,
    /// Whether the value's text begins one character later, after a quote.
    pub(crate) quoted: bool,
    /// Whether the text of the value stands in one piece, so that a column in it can be told.
    pub(crate) inline: bool,
}

/// A mistake in the YAML itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) help: String,
}

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) value: Value,
    places: HashMap<String, Place>,
}

impl Tree {
    /// Where the value at this JSON pointer stands; the nearest one around it if it does not exist.
    pub(crate) fn place(&self, pointer: &str) -> Place {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return *place;
            }
            let Some((parent, _)) = pointer.rsplit_once('/') else {
                return Place { key: Position::START, value: Position::START, quoted: false, inline: false };
            };
            pointer = parent;
        }
    }
}

/// The pointer of a member of what is at `parent`.
pub(crate) fn child(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A mapping or a sequence that is not complete.
struct Open {
    pointer: String,
    collection: Collection,
}

enum Collection {
    Mapping { members: Map<String, Value>, pending: Option<Pending> },
    Sequence(Vec<Value>),
}

/// A key whose value comes next.
struct Pending {
    key: String,
    at: Position,
    /// A second one of its name: the value is read and dropped.
    duplicate: bool,
}

struct Reader {
    open: Vec<Open>,
    root: Option<Value>,
    places: HashMap<String, Place>,
    mistakes: Vec<Mistake>,
}

/// Reads a file. What is wrong but does not hide the rest (a key that is there twice) comes beside the tree; without a tree nothing more can
/// be said about the file.
pub(crate) fn read(text: &str) -> (Option<Tree>, Vec<Mistake>) {
    let mut reader = Reader { open: Vec::new(), root: None, places: HashMap::new(), mistakes: Vec::new() };
    let result = reader.read(text);
    let Reader { root, places, mut mistakes, .. } = reader;
    match (result, root) {
        (Ok(()), Some(value)) => (Some(Tree { value, places }), mistakes),
        (Ok(()), None) => {
            if mistakes.is_empty() {
                mistakes.push(mistake(Position::START, "the file is empty", "begin with the section `service`"));
            }
            (None, mistakes)
        }
        (Err(fatal), _) => {
            mistakes.push(fatal);
            (None, mistakes)
        }
    }
}

fn mistake(at: Position, message: impl Into<String>, help: impl Into<String>) -> Mistake {
    Mistake { at, message: message.into(), help: help.into() }
}

impl Reader {
    fn read(&mut self, text: &str) -> Result<(), Mistake> {
        if text.len() > MAX_BYTES {
            let message = format!("the file has {} bytes", text.len());
            return Err(mistake(Position::START, message, format!("a catalogue has at most {MAX_BYTES}")));
        }
        let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        let mut documents = 0;
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| {
                mistake(
                    Position::of(error.marker()),
                    format!("this is not YAML: {}", error.info()),
                    "look at the indentation, brackets and quotes here and in the line before",
                )
            })?;
            let at = Position::of(&span.start);
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(mistake(at, "a second document begins here", "keep one catalogue in a file"));
                    }
                }
                Event::Alias(_) => {
                    self.mistakes.push(mistake(
                        at,
                        "aliases are not supported",
                        "write the value out, or use `defaults`",
                    ));
                    self.key_or_value(Value::Null, None, &span);
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse_extras(anchor, tag.is_some(), at);
                    self.scalar(&text, style, &span);
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse_extras(anchor, tag.is_some(), at);
                    self.start(Collection::Mapping { members: Map::new(), pending: None }, &span)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse_extras(anchor, tag.is_some(), at);
                    self.start(Collection::Sequence(Vec::new()), &span)?;
                }
                Event::MappingEnd | Event::SequenceEnd => self.end(),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            }
        }
        Ok(())
    }

    fn refuse_extras(&mut self, anchor: usize, tagged: bool, at: Position) {
        if anchor > 0 {
            self.mistakes.push(mistake(
                at,
                "anchors are not supported",
                "write the value where it is needed, or use `defaults`",
            ));
        }
        if tagged {
            self.mistakes.push(mistake(at, "tags are not supported", "remove the word that begins with `!`"));
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, span: &Span) {
        let at = Position::of(&span.start);
        let scalar = if style == ScalarStyle::Plain && text.is_empty() {
            Scalar::Null
        } else {
            Scalar::parse_from_cow_and_metadata(text.into(), style, None).unwrap_or(Scalar::Null)
        };
        let value = match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(value),
            Scalar::Integer(value) => Value::Number(value.into()),
            Scalar::FloatingPoint(value) => Number::from_f64(*value).map_or_else(
                || {
                    self.mistakes.push(mistake(at, format!("{text} is not a finite number"), "write one with digits"));
                    Value::Null
                },
                Value::Number,
            ),
            Scalar::String(value) => Value::String(value.into_owned()),
        };
        self.key_or_value(value, Some((text, style)), span);
    }

    /// A scalar is a key where a mapping waits for one.
    fn key_or_value(&mut self, value: Value, source: Option<(&str, ScalarStyle)>, span: &Span) {
        let at = Position::of(&span.start);
        if let Some(Open { collection: Collection::Mapping { members, pending: pending @ None }, pointer }) =
            self.open.last_mut()
        {
            let key = source.map_or_else(String::new, |(text, _)| text.to_owned());
            let duplicate = members.contains_key(&key);
            if key == "<<" {
                self.mistakes.push(mistake(
                    at,
                    "merge keys are not supported",
                    "write the keys out, or use `defaults`",
                ));
            } else if duplicate {
                let first = self.places.get(&child(pointer, &key)).map_or(Position::START, |place| place.key);
                self.mistakes.push(mistake(
                    at,
                    format!("the key `{key}` is there twice, first in line {}", first.line),
                    "remove one of them",
                ));
            }
            let duplicate = duplicate || key == "<<" || source.is_none();
            *pending = Some(Pending { key, at, duplicate });
            return;
        }
        let style = source.map(|(_, style)| style);
        let place = self.place(
            at,
            style.is_some_and(|style| matches!(style, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted)),
            span,
        );
        let pointer = self.next_pointer();
        self.note(pointer.as_ref(), place);
        self.add(value);
    }

    /// The place of the value that begins here.
    fn place(&self, at: Position, quoted: bool, span: &Span) -> Place {
        let key = match self.open.last() {
            Some(Open { collection: Collection::Mapping { pending: Some(pending), .. }, .. }) => pending.at,
            _ => at,
        };
        Place { key, value: at, quoted, inline: span.start.line() == span.end.line() }
    }

    /// The pointer of the value that begins here; `None` where it is dropped.
    fn next_pointer(&self) -> Option<String> {
        match self.open.last() {
            None => Some(String::new()),
            Some(Open { pointer, collection: Collection::Sequence(items) }) => {
                Some(format!("{pointer}/{}", items.len()))
            }
            Some(Open { pointer, collection: Collection::Mapping { pending, .. } }) => {
                pending.as_ref().filter(|pending| !pending.duplicate).map(|pending| child(pointer, &pending.key))
            }
        }
    }

    fn note(&mut self, pointer: Option<&String>, place: Place) {
        if let Some(pointer) = pointer {
            self.places.entry(pointer.to_owned()).or_insert(place);
        }
    }

    fn start(&mut self, collection: Collection, span: &Span) -> Result<(), Mistake> {
        let at = Position::of(&span.start);
        if self.open.len() >= MAX_DEPTH {
            return Err(mistake(
                at,
                format!("this is nested more than {MAX_DEPTH} deep"),
                "a catalogue is flat; look for a bracket too many",
            ));
        }
        if let Some(Open { collection: Collection::Mapping { pending: None, .. }, .. }) = self.open.last() {
            return Err(mistake(at, "a list or a mapping cannot be a key", "write a plain name before the colon"));
        }
        let place = self.place(at, false, span);
        let pointer = self.next_pointer();
        self.note(pointer.as_ref(), place);
        // What is dropped still needs a pointer; no key of a catalogue contains a NUL.
        self.open.push(Open { pointer: pointer.unwrap_or_else(|| "\0".to_owned()), collection });
        Ok(())
    }

    fn end(&mut self) {
        let value = match self.open.pop().map(|open| open.collection) {
            Some(Collection::Mapping { members, .. }) => Value::Object(members),
            Some(Collection::Sequence(items)) => Value::Array(items),
            None => return,
        };
        self.add(value);
    }

    fn add(&mut self, value: Value) {
        match self.open.last_mut().map(|open| &mut open.collection) {
            None => self.root = Some(value),
            Some(Collection::Sequence(items)) => items.push(value),
            Some(Collection::Mapping { members, pending }) => {
                if let Some(pending) = pending.take().filter(|pending| !pending.duplicate) {
                    members.insert(pending.key, value);
                }
            }
        }
    }
}

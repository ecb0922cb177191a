//! The shape of the document: its JSON Schema, and the sentences that tell a user where a file departs from it.

use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::document::Document;
use super::suggest::nearest;
use super::yaml::{Tree, child};
use super::{Finding, Severity};

/// The JSON Schema of the catalogue, for editors and for the check.
///
/// What `schemars` derives, with two changes: an optional key is left out rather than null, and a closed set is one
/// `enum` whose meanings are in the description.
pub(crate) fn schema() -> Value {
    let mut schema = schemars::schema_for!(Document).to_value();
    simplify(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        root.insert("title".to_owned(), "Catalogue of the monitoring suite".into());
    }
    schema
}

fn simplify(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(simplify),
        Value::Object(object) => {
            object.values_mut().for_each(simplify);
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(options)) = object.get_mut("anyOf") {
                options.retain(|option| option.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = options.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
            join_constants(object);
        }
        _ => {}
    }
}

/// `oneOf: [{const: a, description: ...}, ...]` becomes `enum: [a, ...]`.
fn join_constants(object: &mut serde_json::Map<String, Value>) {
    let Some(Value::Array(options)) = object.get("oneOf") else { return };
    let mut names = Vec::new();
    let mut description = object.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    for option in options {
        let constants = match (option.get("const"), option.get("enum")) {
            (Some(name), _) => vec![name.clone()],
            (None, Some(Value::Array(names))) => names.clone(),
            _ => return,
        };
        if let (Some(meaning), [Value::String(name)]) =
            (option.get("description").and_then(Value::as_str), constants.as_slice())
        {
            description = format!("{description}\n- `{name}`: {meaning}");
        }
        names.extend(constants);
    }
    object.remove("oneOf");
    object.insert("type".to_owned(), "string".into());
    object.insert("enum".to_owned(), Value::Array(names));
    if !description.is_empty() {
        object.insert("description".to_owned(), description.trim_start().into());
    }
}

/// A departure from the schema: where, and the part of the tree that cannot be used for it.
struct Departure {
    finding: Finding,
    unusable: Option<String>,
}

/// The parts whose types do without what they lack, so that the rest of them is checked.
const LENIENT_PARTS: [&str; 3] = ["", "/service", "/severities"];

/// The keys that the types do without, so that the rest of what they belong to is checked.
const LENIENT_KEYS: [&str; 5] = ["description", "channels", "title", "steps", "contact"];

/// Checks the shape of the tree. Returns what is wrong, and the document made of what can be used; `None` when the tree
/// is no mapping.
///
/// What cannot be used is taken out and the rest is looked at again, so that further checks see every part that is
/// sound. Only the first look reports: what goes wrong later is a consequence.
pub(crate) fn check(tree: &Tree) -> (Vec<Finding>, Option<Document>) {
    let schema = schema();
    let validator = match jsonschema::validator_for(&schema) {
        Ok(validator) => validator,
        Err(error) => {
            return (
                vec![Finding::error("", format!("the schema of the catalogue is broken: {error}"), "report it")],
                None,
            );
        }
    };
    let mut value = tree.value.clone();
    let mut findings = Vec::new();
    let mut first = true;
    loop {
        let departures: Vec<Departure> =
            validator.iter_errors(&value).flat_map(|error| departures(&schema, &error)).collect();
        let mut changed = false;
        for departure in departures {
            if let Some(unusable) = &departure.unusable {
                changed |= remove(&mut value, unusable);
            }
            let told = |finding: &Finding| {
                finding.pointer == departure.finding.pointer && finding.on_key == departure.finding.on_key
            };
            if first && !findings.iter().any(told) {
                findings.push(departure.finding);
            }
        }
        first = false;
        if !changed {
            break;
        }
    }
    match serde_json::from_value(value) {
        Ok(document) => (findings, Some(document)),
        Err(error) => {
            if findings.is_empty() {
                findings.push(Finding::error("", format!("the catalogue cannot be read: {error}"), "report it"));
            }
            (findings, None)
        }
    }
}

/// Takes the value at the pointer out of the tree, and tells whether there was one; of a list, the whole list, since the
/// others would move.
fn remove(tree: &mut Value, pointer: &str) -> bool {
    let Some((parent, key)) = pointer.rsplit_once('/') else {
        return !std::mem::take(tree).is_null();
    };
    let key = key.replace("~1", "/").replace("~0", "~");
    match tree.pointer_mut(parent) {
        Some(Value::Object(members)) => members.remove(&key).is_some(),
        Some(Value::Array(_)) => remove(tree, parent),
        _ => false,
    }
}

fn departures(schema: &Value, error: &jsonschema::ValidationError<'_>) -> Vec<Departure> {
    let at = error.instance_path().as_str().to_owned();
    let name = at.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~");
    let rule = schema.pointer(error.schema_path().as_str().rsplit_once('/').map_or("", |(parent, _)| parent));
    let here = |message: String, help: String| {
        vec![Departure {
            finding: Finding {
                pointer: at.clone(),
                on_key: false,
                severity: Severity::Error,
                message,
                help,
                offset: None,
            },
            unusable: Some(at.clone()),
        }]
    };
    let what = if name.is_empty() || name.parse::<usize>().is_ok() { "this".to_owned() } else { format!("`{name}`") };
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|key| {
                let known = keys(rule);
                let pointer = child(&at, key);
                let help = match nearest(key, known.iter().map(String::as_str)) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("the keys here are {}", list(&known)),
                };
                let finding = Finding {
                    pointer: pointer.clone(),
                    on_key: true,
                    severity: Severity::Error,
                    message: format!("unknown key `{key}`"),
                    help,
                    offset: None,
                };
                Departure { finding, unusable: Some(pointer) }
            })
            .collect(),
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let holder = if name.is_empty() { "the catalogue".to_owned() } else { what };
            let help = description(schema, rule, key)
                .map_or_else(|| format!("add `{key}:`"), |meaning| format!("add `{key}:` ({meaning})"));
            let finding = Finding {
                pointer: child(&at, key),
                on_key: true,
                severity: Severity::Error,
                message: format!("{holder} lacks the key `{key}`"),
                help,
                offset: None,
            };
            let lenient = LENIENT_PARTS.contains(&at.as_str()) || LENIENT_KEYS.contains(&key);
            let unusable = (!lenient).then(|| at.clone());
            vec![Departure { finding, unusable }]
        }
        ValidationErrorKind::Type { .. } => {
            let wanted = rule.and_then(|rule| rule.get("type")).and_then(Value::as_str).unwrap_or_default();
            let (message, help) = wrong_type(&what, wanted, error.instance(), rule);
            here(message, help)
        }
        ValidationErrorKind::Enum { options } => {
            let found = shown(error.instance());
            let options: Vec<String> = options.as_array().into_iter().flatten().map(plain).collect();
            let near = error.instance().as_str().and_then(|text| nearest(text, options.iter().map(String::as_str)));
            let help = match near {
                Some(near) => format!("did you mean {near}? It is one of {}", list_plain(&options)),
                None => format!("write one of {}", list_plain(&options)),
            };
            here(format!("{what} cannot be {found}"), help)
        }
        ValidationErrorKind::Pattern { .. } => {
            let wanted =
                rule.and_then(|rule| rule.get("patternErrorMessage")).and_then(Value::as_str).unwrap_or("another text");
            here(format!("{what} cannot be {}", shown(error.instance())), format!("write {wanted}"))
        }
        ValidationErrorKind::Minimum { limit } => {
            here(format!("{what} is {}, too small", shown(error.instance())), format!("write at least {limit}"))
        }
        ValidationErrorKind::Maximum { limit } => {
            here(format!("{what} is {}, too great", shown(error.instance())), format!("write at most {limit}"))
        }
        ValidationErrorKind::MinItems { .. } => {
            here(format!("{what} is an empty list"), "write at least one item".to_owned())
        }
        ValidationErrorKind::MaxItems { limit } => {
            here(format!("{what} has too many items"), format!("write at most {limit}"))
        }
        ValidationErrorKind::MinLength { .. } => here(format!("{what} is empty"), "write a text".to_owned()),
        ValidationErrorKind::MaxLength { limit } => {
            here(format!("{what} is too long"), format!("write at most {limit} characters"))
        }
        ValidationErrorKind::UniqueItems => here(format!("{what} has an item twice"), "remove one of them".to_owned()),
        _ => here(format!("{what} is not as the schema wants it: {error}"), "see docs/catalogue.md".to_owned()),
    }
}

fn wrong_type(what: &str, wanted: &str, found: &Value, rule: Option<&Value>) -> (String, String) {
    let named = match wanted {
        "object" => "a mapping, `key: value`",
        "array" => "a list, `[one, two]`",
        "string" => "a text",
        "number" => "a number",
        "integer" => "a whole number",
        "boolean" => "true or false",
        other => other,
    };
    if found.is_null() {
        let quotes = if wanted == "string" { "; a text that begins with # must stand in quotes" } else { "" };
        return (format!("{what} is empty"), format!("write {named}{quotes}"));
    }
    let pattern = rule.and_then(|rule| rule.get("patternErrorMessage")).and_then(Value::as_str);
    let help = match (wanted, found, pattern) {
        ("string", _, Some(pattern)) => format!("write {pattern}"),
        ("string", Value::Number(_) | Value::Bool(_), None) => format!("put it in quotes: \"{found}\""),
        ("number" | "integer", Value::String(_), _) => "write digits without a unit or quotes".to_owned(),
        ("array", Value::String(text), _) => format!("write [{text}]"),
        _ => format!("write {named}"),
    };
    let found = match found {
        Value::Object(_) => "a mapping".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => shown(other),
    };
    (format!("{what} is {found}, not {}", named.split(',').next().unwrap_or(named)), help)
}

/// A value as a message shows it: cut when it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    text.chars().take(57).chain("...".chars()).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn keys(rule: Option<&Value>) -> Vec<String> {
    rule.and_then(|rule| rule.get("properties"))
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|keys| keys.keys().cloned())
        .collect()
}

/// The first sentence of what the schema says about a key.
fn description(schema: &Value, rule: Option<&Value>, key: &str) -> Option<String> {
    let property = rule?.get("properties")?.get(key)?;
    let text = property.get("description").or_else(|| {
        let target = property.get("$ref")?.as_str()?.strip_prefix('#')?;
        schema.pointer(target)?.get("description")
    })?;
    let sentence = text.as_str()?.split(['.', '\n']).next()?.trim();
    let mut letters = sentence.chars();
    let first = letters.next()?;
    Some(first.to_lowercase().chain(letters).collect())
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn list_plain(names: &[String]) -> String {
    names.join(", ")
}

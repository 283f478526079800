//! The tables of the protocol as text: `src/protocol` declares every message in rows of versions,
//! names and types, and from these rows the fuzzer knows every field of every version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::outcome::{Outcome, failed};

/// A message: its rows, in the order in which they travel.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
    /// In a flexible version it ends with tagged fields.
    pub(crate) ends_with_tags: bool,
}

/// A field.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    from: i16,
    to: i16,
    /// The first version in which it may be null, if it may.
    pub(crate) null_from: Option<i16>,
    /// Its number, if it is a tagged field: it exists in flexible versions alone.
    pub(crate) tag: Option<u8>,
    pub(crate) name: String,
    pub(crate) field: Field,
}

impl Row {
    pub(crate) fn is_in(&self, version: i16) -> bool {
        (self.from..=self.to).contains(&version)
    }
}

/// The type of a field.
#[derive(Clone, Debug)]
pub(crate) enum Field {
    Number(usize),
    Bool,
    Text,
    Uuid,
    Bytes,
    Records,
    Array(Box<Field>),
    Message(String),
}

/// All messages by their names.
pub(crate) fn read_tables() -> Outcome<BTreeMap<String, Table>> {
    let mut tables = BTreeMap::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/protocol");
    for entry in fs::read_dir(&sources)? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "rs") {
            read_source(&fs::read_to_string(path)?, &mut tables)?;
        }
    }
    let fields = || tables.values().flat_map(|it| &it.rows).map(|it| &it.field);
    match fields().filter_map(message_of).find(|it| !tables.contains_key(*it)) {
        Some(unknown) => failed(format!("the fuzzer knows no type {unknown}")),
        None => Ok(tables),
    }
}

/// The name of the message that a field is, or is a list of.
fn message_of(field: &Field) -> Option<&String> {
    match field {
        Field::Message(name) => Some(name),
        Field::Array(inner) => message_of(inner),
        _ => None,
    }
}

fn read_source(text: &str, tables: &mut BTreeMap<String, Table>) -> Outcome<()> {
    let mut open: Option<bool> = None;
    let mut name = String::new();
    for line in text.lines() {
        let words = line.trim();
        match (line, open) {
            ("message! {", _) => open = Some(true),
            ("message_part! {", _) => open = Some(false),
            ("}", _) => open = None,
            (_, Some(ends_with_tags)) => {
                if let Some(struct_name) = words.strip_prefix("pub struct ") {
                    name = struct_name.trim_end_matches(" {").to_string();
                    tables.insert(name.clone(), Table { rows: Vec::new(), ends_with_tags });
                } else if words.contains(" => ") && !words.starts_with("//") {
                    let table = tables.entry(name.clone()).or_default();
                    table.rows.push(read_row(words)?);
                }
            }
            _ => (),
        }
    }
    Ok(())
}

/// `0..=7, null 2.. => topics: Option<Vec<Topic>>,` or `12.., tag 1 => state: State,`
fn read_row(line: &str) -> Outcome<Row> {
    let Some((versions, rest)) = line.split_once("=> ") else { return failed(line) };
    let Some((name, rest)) = rest.split_once(": ") else { return failed(line) };
    let type_name = rest.split(" = ").next().unwrap_or(rest).trim_end_matches(',');
    let (versions, tag) = match versions.split_once(", tag ") {
        Some((versions, tag)) => (versions, Some(tag.trim().parse()?)),
        None => (versions, None),
    };
    let (range, null) = match versions.split_once(", null ") {
        Some((range, null)) => (range, Some(null)),
        None => (versions, None),
    };
    let Some((from, to)) = range.trim().split_once("..") else { return failed(line) };
    let to = if to.is_empty() { i16::MAX } else { to.trim_start_matches('=').parse()? };
    let from = from.parse()?;
    let (field, is_nullable) = match inside(type_name, "Option") {
        Some(inner) => (read_type(inner), true),
        None => (read_type(type_name), false),
    };
    let null_from = match null {
        Some(null) => Some(null.trim().trim_end_matches("..").parse()?),
        None => is_nullable.then_some(from),
    };
    Ok(Row { from, to, null_from, tag, name: name.to_string(), field })
}

fn read_type(name: &str) -> Field {
    match name {
        "i8" => Field::Number(1),
        "i16" | "u16" => Field::Number(2),
        "i32" => Field::Number(4),
        "i64" | "f64" => Field::Number(8),
        "bool" => Field::Bool,
        "String" => Field::Text,
        "Uuid" => Field::Uuid,
        "Vec<u8>" | "SecretBytes" => Field::Bytes,
        "Records" => Field::Records,
        _ => match inside(name, "Vec") {
            Some(inner) => Field::Array(Box::new(read_type(inner))),
            None => Field::Message(name.to_string()),
        },
    }
}

/// `T` of `Outer<T>`.
fn inside<'a>(name: &'a str, outer: &str) -> Option<&'a str> {
    name.strip_prefix(outer)?.strip_prefix('<')?.strip_suffix('>')
}

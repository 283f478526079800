//! Port of `java.util.Properties.load`: the form of a `server.properties` file. Knows no setting.

use std::fs;
use std::path::Path;

use crate::config::config_def::ConfigError;

/// The place of what an `--override` sets.
pub(super) const COMMAND_LINE: &str = "the command line";

/// One `name=value`, with its escapes resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    pub name: String,
    pub value: String,
    /// Where it stands, for an error: `server.properties, line 3`.
    pub place: String,
}

/// The properties of a file, in its order.
///
/// # Errors
/// If the file cannot be read, is not UTF-8, or has a wrong escape; with file and line.
pub fn read(file: &Path) -> Result<Vec<Property>, ConfigError> {
    let wrong = |place: String, why: String| ConfigError {
        name: String::new(),
        value: String::new(),
        place,
        why,
    };
    let name = file.display().to_string();
    let bytes =
        fs::read(file).map_err(|error| wrong(name.clone(), format!("cannot be read: {error}")))?;
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|it| **it == b'\n').count() + 1;
        wrong(format!("{name}, line {line}"), "must be UTF-8 text".to_string())
    })?;
    parse(text, &name)
}

/// The properties of a text, in its order; `file` names it in errors, and may be empty.
///
/// The form is Java's: `#` and `!` begin a comment; `=`, `:` or a blank ends the name; a line that
/// ends with a backslash continues on the next; `\t`, `\n`, `\u0041` and the like are escapes.
/// Unlike Java's, the text is UTF-8.
///
/// # Errors
/// The first wrong escape, with file and line.
pub fn parse(text: &str, file: &str) -> Result<Vec<Property>, ConfigError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut properties = Vec::new();
    for (number, line) in logical_lines(text) {
        let place = match file {
            "" => format!("line {number}"),
            file => format!("{file}, line {number}"),
        };
        let (name, value) = split(&line);
        match (unescape(name), unescape(value)) {
            (Ok(name), Ok(value)) => properties.push(Property { name, value, place }),
            (Err(why), _) | (_, Err(why)) => {
                let (name, value) = (name.to_string(), value.to_string());
                return Err(ConfigError { name, value, place, why });
            }
        }
    }
    Ok(properties)
}

/// The lines that hold a property, continued ones joined, each with the number of its first line.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if open.is_none() && (line.is_empty() || line.starts_with(['#', '!'])) {
            continue;
        }
        let is_continued = line.bytes().rev().take_while(|it| *it == b'\\').count() % 2 == 1;
        let (number, mut joined) = open.take().unwrap_or((i + 1, String::new()));
        joined.push_str(if is_continued { &line[..line.len() - 1] } else { line });
        if is_continued {
            open = Some((number, joined));
        } else {
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Name and value, escapes still in them.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let ends_name = |c: char| {
        let ends = !is_escaped && (c == '=' || c == ':' || c.is_ascii_whitespace());
        is_escaped = !is_escaped && c == '\\';
        ends
    };
    let (name, rest) = line.split_at(line.find(ends_name).unwrap_or(line.len()));
    let rest = rest.trim_start();
    (name, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start())
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                let c = code.and_then(char::from_u32);
                plain.push(c.ok_or_else(|| {
                    format!(
                        "`\\u{digits}` is not a character: write \\u and four hexadecimal digits"
                    )
                })?);
            }
            Some(other) => plain.push(other),
            None => (),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text, "").unwrap().into_iter().map(|it| (it.name, it.value)).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_string(), value.to_string())
    }

    #[test]
    fn each_separator_ends_the_name() {
        for line in ["a.b=c d", "a.b:c d", "a.b c d", "  a.b \t=  c d", "a.b : c d"] {
            assert_eq!(pairs(line), [pair("a.b", "c d")], "{line}");
        }
        assert_eq!(pairs("a=b=c:d"), [pair("a", "b=c:d")]);
        assert_eq!(pairs("a="), [pair("a", "")]);
        assert_eq!(pairs("a"), [pair("a", "")]);
    }

    #[test]
    fn comments_and_empty_lines_are_skipped() {
        assert_eq!(
            pairs("# a=1\n\n  ! b=2\r\nc=3 # not a comment\r\n"),
            [pair("c", "3 # not a comment")]
        );
        assert_eq!(pairs(""), []);
        assert_eq!(pairs("\u{feff}a=1"), [pair("a", "1")]);
    }

    #[test]
    fn a_line_goes_on_after_a_backslash_but_not_after_two() {
        assert_eq!(pairs("a=1,\\\n    # 2,\\\n 3\nb=4"), [pair("a", "1,# 2,3"), pair("b", "4")]);
        assert_eq!(pairs("a=1\\\\\nb=2"), [pair("a", "1\\"), pair("b", "2")]);
        assert_eq!(pairs("a=1\\"), [pair("a", "1")]);
    }

    #[test]
    fn escapes_are_resolved_and_an_escaped_separator_is_part_of_the_name() {
        assert_eq!(pairs(r"a\=b\ c=\t\u00e9\u6d88\:\\"), [pair("a=b c", "\té消:\\")]);
    }

    #[test]
    fn a_wrong_escape_names_file_and_line() {
        let error = parse("a=1\nb=\\\n \\u12", "x.properties").unwrap_err();
        assert_eq!(error.place, "x.properties, line 2");
        assert!(error.why.contains("four hexadecimal digits"), "{error}");
        assert!(parse("a=\\ud800", "").is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = read(Path::new("no/such.properties")).unwrap_err();
        assert!(error.to_string().starts_with("no/such.properties: cannot be read"), "{error}");
    }
}

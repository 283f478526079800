//! In the place of Jackson: JSON that somebody else wrote, read with bounds.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::str::Chars;

/// How deep objects and arrays may stand in each other.
const DEPTH_MAX: usize = 16;

/// A JSON text, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub enum JsonValue {
    Null,
    Bool(bool),
    Number(f64),
    String(String),
    Array(Vec<JsonValue>),
    /// By name; none comes twice.
    Object(BTreeMap<String, JsonValue>),
}

impl JsonValue {
    /// Parses a text that is one value. What it takes, time and memory, is in proportion to the text, whose
    /// size is for the caller to bound.
    ///
    /// # Errors
    /// What is wrong, without a word of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parser = Parser { rest: text.chars() };
        let value = parser.value(0)?;
        parser.skip_blanks();
        match parser.rest.as_str().is_empty() {
            true => Ok(value),
            false => Err("something follows the JSON"),
        }
    }

    /// The value of a field, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(fields) => fields.get(name),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }
}

struct Parser<'a> {
    rest: Chars<'a>,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<JsonValue, &'static str> {
        if depth > DEPTH_MAX {
            return Err("the JSON is too deep");
        }
        self.skip_blanks();
        match self.peek() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string().map(JsonValue::String),
            Some('t') => self.word("true", JsonValue::Bool(true)),
            Some('f') => self.word("false", JsonValue::Bool(false)),
            Some('n') => self.word("null", JsonValue::Null),
            Some(_) => self.number(),
            None => Err("the JSON ends too early"),
        }
    }

    fn object(&mut self, depth: usize) -> Result<JsonValue, &'static str> {
        let mut fields = BTreeMap::new();
        self.items('{', '}', |parser| {
            parser.skip_blanks();
            let name = parser.string()?;
            parser.skip_blanks();
            parser.expect(':')?;
            match fields.entry(name) {
                Entry::Vacant(entry) => entry.insert(parser.value(depth + 1)?),
                // Of two readers each might take another one.
                Entry::Occupied(_) => return Err("a name comes twice in the JSON"),
            };
            Ok(())
        })?;
        Ok(JsonValue::Object(fields))
    }

    fn array(&mut self, depth: usize) -> Result<JsonValue, &'static str> {
        let mut items = Vec::new();
        self.items('[', ']', |parser| {
            items.push(parser.value(depth + 1)?);
            Ok(())
        })?;
        Ok(JsonValue::Array(items))
    }

    /// What stands between `open` and `close`, with commas between.
    fn items(
        &mut self,
        open: char,
        close: char,
        mut item: impl FnMut(&mut Self) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        self.expect(open)?;
        self.skip_blanks();
        if self.take_if(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            self.skip_blanks();
            if self.take_if(close) {
                return Ok(());
            }
            self.expect(',')?;
        }
    }

    fn string(&mut self) -> Result<String, &'static str> {
        self.expect('"')?;
        let mut text = String::new();
        loop {
            match self.rest.next().ok_or("the JSON ends within a string")? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c if c < ' ' => return Err("a string of the JSON has a control character"),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, &'static str> {
        const WRONG: &str = "a string of the JSON has a wrong escape";
        Ok(match self.rest.next().ok_or(WRONG)? {
            c @ ('"' | '\\' | '/') => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.unit().ok_or(WRONG)?;
                let is_pair = (0xD800..0xDC00).contains(&first);
                let units = match is_pair && self.take_if('\\') && self.take_if('u') {
                    true => vec![first, self.unit().ok_or(WRONG)?],
                    false => vec![first],
                };
                let text = String::from_utf16(&units).map_err(|_| WRONG)?;
                text.chars().next().ok_or(WRONG)?
            }
            _ => return Err(WRONG),
        })
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u16> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit << 4 | u16::try_from(self.rest.next()?.to_digit(16)?).ok()?;
        }
        Some(unit)
    }

    fn number(&mut self) -> Result<JsonValue, &'static str> {
        const WRONG: &str = "the JSON has something that is no value";
        let is_part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
        let text = self.rest.as_str();
        let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
        let (number, rest) = text.split_at(end);
        let digits = number.strip_prefix('-').unwrap_or(number);
        let whole = digits.split(['.', 'e', 'E']).next().unwrap_or_default();
        // Rust's own numbers may begin with a point, a plus or a zero, and end with a point.
        let is_whole = !whole.is_empty() && (whole == "0" || !whole.starts_with(['0', '+', '-']));
        let is_json =
            is_whole && !digits.ends_with('.') && !digits.replace('E', "e").contains(".e");
        let parsed: Option<f64> = number.parse().ok();
        let value = parsed.filter(|it| is_json && it.is_finite()).ok_or(WRONG)?;
        self.rest = rest.chars();
        Ok(JsonValue::Number(value))
    }

    fn word(&mut self, word: &str, value: JsonValue) -> Result<JsonValue, &'static str> {
        let rest = self.rest.as_str().strip_prefix(word);
        self.rest = rest.ok_or("the JSON has something that is no value")?.chars();
        Ok(value)
    }

    fn expect(&mut self, expected: char) -> Result<(), &'static str> {
        match self.take_if(expected) {
            true => Ok(()),
            false => Err("the JSON lacks a bracket, a quotation mark, a comma or a colon"),
        }
    }

    fn take_if(&mut self, expected: char) -> bool {
        let rest = self.rest.as_str().strip_prefix(expected);
        if let Some(rest) = rest {
            self.rest = rest.chars();
        }
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.as_str().trim_start_matches([' ', '\t', '\n', '\r']).chars();
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_value_is_read() {
        let text =
            r#" {"a": [1, -2.5e3, 0, true, false, null, {}], "b\n\u00e9\ud83d\ude00": "c\/\"\\"} "#;
        let value = JsonValue::parse(text).unwrap();
        let items = value.get("a").and_then(JsonValue::as_array).unwrap();
        assert_eq!(items[..2], [JsonValue::Number(1.0), JsonValue::Number(-2500.0)]);
        assert_eq!(items[3..6], [JsonValue::Bool(true), JsonValue::Bool(false), JsonValue::Null]);
        assert_eq!(items[6], JsonValue::Object(BTreeMap::new()));
        assert_eq!(value.get("b\né😀").and_then(JsonValue::as_str), Some("c/\"\\"));
        assert_eq!(value.get("c"), None);
        assert_eq!(items[0].as_f64(), Some(1.0));
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1,}",
            "{a:1}",
            "\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\n\"",
            "tru",
            "nul",
            "01",
            "+1",
            ".5",
            "1.",
            "1.e3",
            "-",
            "--1",
            "1e999",
            "NaN",
            "1 2",
            "{} {}",
            "{\"a\":1,\"a\":2}",
            "\u{feff}{}",
            "'a'",
        ] {
            assert!(JsonValue::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_depth_has_a_bound() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(JsonValue::parse(&nested(DEPTH_MAX + 1)).is_ok());
        assert_eq!(JsonValue::parse(&nested(DEPTH_MAX + 2)), Err("the JSON is too deep"));
        assert!(JsonValue::parse(&"{\"a\":".repeat(1_000_000)).is_err());
        assert!(JsonValue::parse(&"[".repeat(1_000_000)).is_err());
    }

    /// Each text with one byte changed is read or refused, and never a panic.
    #[test]
    fn a_changed_byte_is_read_or_refused() {
        let text = r#"{"alg":"RS256","kid":"a\u00e9","exp":1.5e9,"x":[true,null,-0.1]}"#;
        for at in 0..text.len() {
            for byte in 0..128 {
                let mut changed = text.as_bytes().to_vec();
                changed[at] = byte;
                let _ = JsonValue::parse(std::str::from_utf8(&changed).unwrap());
                let _ = JsonValue::parse(&text[..at]);
            }
        }
    }
}

//! JSON, read as far as the tests need it: a dashboard, the answers of Prometheus.

use std::collections::BTreeMap;

/// A value. Numbers, true, false and null stay as they are written.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Object(BTreeMap<String, Json>),
    Array(Vec<Json>),
    Text(String),
    Word(String),
}

impl Json {
    /// # Panics
    /// If `text` is not one value.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader { rest: text };
        let value = reader.value();
        reader.skip_blanks();
        assert!(reader.rest.is_empty(), "behind the value: {:.40}", reader.rest);
        value
    }

    /// The value under `key`; of what is no object, or lacks it, nothing.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(fields) => fields.get(key),
            _ => None,
        }
    }

    /// The elements; of what is no array, none.
    pub fn elements(&self) -> &[Json] {
        match self {
            Self::Array(elements) => elements,
            _ => &[],
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Word(text) => text,
            other => panic!("{other:?} is no text"),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn value(&mut self) -> Json {
        self.skip_blanks();
        match self.rest.chars().next() {
            Some('{') => Json::Object(self.list('{', '}', |it| {
                it.skip_blanks();
                let key = it.text();
                it.take(':');
                (key, it.value())
            })),
            Some('[') => Json::Array(self.list('[', ']', Self::value)),
            Some('"') => Json::Text(self.text()),
            _ => Json::Word(self.word()),
        }
    }

    fn list<T, L: FromIterator<T>>(
        &mut self,
        open: char,
        close: char,
        element: impl Fn(&mut Self) -> T,
    ) -> L {
        self.take(open);
        let mut elements = Vec::new();
        while !self.try_take(close) {
            if !elements.is_empty() {
                self.take(',');
            }
            elements.push(element(self));
        }
        elements.into_iter().collect()
    }

    fn text(&mut self) -> String {
        self.take('"');
        let mut text = String::new();
        let mut chars = self.rest.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.rest = &self.rest[at + 1..];
                    return text;
                }
                '\\' => match chars.next().unwrap().1 {
                    'n' => text.push('\n'),
                    'u' => {
                        let code: String = chars.by_ref().take(4).map(|(_, digit)| digit).collect();
                        let code = u32::from_str_radix(&code, 16).unwrap();
                        text.push(char::from_u32(code).unwrap());
                    }
                    escaped => text.push(escaped),
                },
                c => text.push(c),
            }
        }
        panic!("a text without an end");
    }

    fn word(&mut self) -> String {
        let is_of_word = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let end = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        assert!(end > 0, "no value: {:.40}", self.rest);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.to_string()
    }

    fn take(&mut self, sign: char) {
        assert!(self.try_take(sign), "{sign} is missing: {:.40}", self.rest);
    }

    fn try_take(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start();
    }
}

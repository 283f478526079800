//! In the place of Jackson: JSON in one line.

use crate::common::text::java_double;

/// A JSON text that grows.
#[derive(Default)]
pub(crate) struct Json(String);

impl Json {
    /// Appends `{`, what `fill` adds as [fields](Self::field), and `}`.
    pub(crate) fn object(&mut self, fill: impl FnOnce(&mut Self)) {
        self.0.push('{');
        fill(self);
        self.0.push('}');
    }

    /// Appends `[`, an element for each of `items`, and `]`.
    pub(crate) fn array<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut add: impl FnMut(&mut Self, T),
    ) {
        self.0.push('[');
        for item in items {
            self.separate();
            add(self, item);
        }
        self.0.push(']');
    }

    /// Appends a name, to which the value is due.
    pub(crate) fn field(&mut self, name: &str) -> &mut Self {
        self.separate();
        self.string(name);
        self.0.push(':');
        self
    }

    fn separate(&mut self) {
        if !self.0.ends_with(['{', '[']) {
            self.0.push(',');
        }
    }

    pub(crate) fn number(&mut self, number: impl Into<i64>) {
        self.0.push_str(&number.into().to_string());
    }

    /// As [`number`](Self::number), for what is counted.
    pub(crate) fn count(&mut self, count: impl TryInto<u64>) {
        self.0.push_str(&count.try_into().unwrap_or(u64::MAX).to_string());
    }

    /// As Java writes it.
    pub(crate) fn double(&mut self, number: f64) {
        self.0.push_str(&java_double(number));
    }

    pub(crate) fn bool(&mut self, is_so: bool) {
        self.0.push_str(if is_so { "true" } else { "false" });
    }

    pub(crate) fn null(&mut self) {
        self.0.push_str("null");
    }

    pub(crate) fn nullable_string(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.string(text),
            None => self.null(),
        }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.0.push('"');
        for c in text.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                '\t' => self.0.push_str("\\t"),
                '\u{8}' => self.0.push_str("\\b"),
                '\u{c}' => self.0.push_str("\\f"),
                c if c < ' ' => self.0.push_str(&format!("\\u{:04X}", u32::from(c))),
                c => self.0.push(c),
            }
        }
        self.0.push('"');
    }

    /// Appends bytes in base 64 (RFC 4648).
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        self.0.push('"');
        for chunk in bytes.chunks(3) {
            let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
            let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
            for place in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * place)) as usize & 63];
                self.0.push(if place <= chunk.len() { char::from(digit) } else { '=' });
            }
        }
        self.0.push('"');
    }

    /// Appends another JSON text.
    pub(crate) fn value(&mut self, json: &Self) {
        self.0.push_str(&json.0);
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(fill: impl FnOnce(&mut Json)) -> String {
        let mut json = Json::default();
        fill(&mut json);
        json.into_text()
    }

    #[test]
    fn values_are_separated_and_nested() {
        let text = json(|it| {
            it.object(|it| {
                it.field("a").array([1, 2], |it, number| it.number(number));
                it.field("b").object(|_| ());
                it.field("c").array([(), ()], |it, ()| it.array([""; 2], Json::string));
                it.field("d").nullable_string(None);
            });
        });
        assert_eq!(text, r#"{"a":[1,2],"b":{},"c":[["",""],["",""]],"d":null}"#);
    }

    #[test]
    fn strings_are_escaped_as_jackson_escapes_them() {
        assert_eq!(json(|it| it.string("a\"\\\n\u{1f}\u{7f}é")), "\"a\\\"\\\\\\n\\u001F\u{7f}é\"");
    }

    /// The examples of RFC 4648.
    #[test]
    fn bytes_are_base_64() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(json(|it| it.bytes(bytes)), format!("\"{text}\""));
        }
    }
}

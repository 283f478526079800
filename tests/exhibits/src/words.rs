//! What exercises and lessons say, in English and in Chinese, and which of the two the reader gets.

use std::env;
use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Chinese,
}

/// The first of these that is set decides, as in every program that speaks several languages.
const LOCALE: [&str; 3] = ["LC_ALL", "LC_MESSAGES", "LANG"];

static OF_THE_READER: LazyLock<Language> = LazyLock::new(|| {
    let set = LOCALE.iter().filter_map(|name| env::var(name).ok()).find(|it| !it.is_empty());
    let is_chinese = set.is_some_and(|locale| locale.starts_with("zh"));
    if is_chinese { Language::Chinese } else { Language::English }
});

impl Language {
    pub(crate) fn of_the_reader() -> Self {
        *OF_THE_READER
    }
}

/// A fixed text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    en: &'static str,
    zh: &'static str,
}

/// Does not compile in a constant if one of the two is missing.
pub(crate) const fn both(en: &'static str, zh: &'static str) -> Words {
    assert!(!en.is_empty(), "the English text is missing");
    assert!(!zh.is_ascii(), "the Chinese text is missing");
    Words { en, zh }
}

impl Words {
    pub(crate) fn for_the_reader(self) -> &'static str {
        match Language::of_the_reader() {
            Language::English => self.en,
            Language::Chinese => self.zh,
        }
    }
}

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.for_the_reader())
    }
}

/// A text in the reader's language. No string becomes one by itself, so none is forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Text(String);

impl Text {
    /// Of what is the same in both languages: a name, a setting.
    pub(crate) fn same(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl From<Words> for Text {
    fn from(words: Words) -> Self {
        Self(words.to_string())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

impl Display for Text {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A [`Text`] with values in it, as for `format!`: the English format, the Chinese one, the values.
macro_rules! both_with {
    ($en:literal, $zh:literal $(, $value:expr)* $(,)?) => {{
        const _: $crate::words::Words = $crate::words::both($en, $zh);
        $crate::words::Text::same(match $crate::words::Language::of_the_reader() {
            $crate::words::Language::English => format!($en $(, $value)*),
            $crate::words::Language::Chinese => format!($zh $(, $value)*),
        })
    }};
}
pub(crate) use both_with;

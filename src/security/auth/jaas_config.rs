//! Port of `org.apache.kafka.common.security.JaasConfig` and `JaasUtils`: the value of
//! `sasl.jaas.config`, a login module and its options, as Java's configuration files write them.
//!
//! The grammar is that of Java's `StreamTokenizer`, on which Kafka's parser stands, with its
//! peculiarities: a number without quotes is no value, and a `/` outside of quotes begins a comment.

use std::fmt;
use std::iter::Peekable;
use std::str::Chars;

/// The login modules that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginModule {
    Plain,
    Scram,
    OAuthBearer,
}

impl LoginModule {
    const ALL: [Self; 3] = [Self::Plain, Self::Scram, Self::OAuthBearer];

    /// The name of Kafka's class.
    pub const fn class_name(self) -> &'static str {
        match self {
            Self::Plain => "org.apache.kafka.common.security.plain.PlainLoginModule",
            Self::Scram => "org.apache.kafka.common.security.scram.ScramLoginModule",
            Self::OAuthBearer => {
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
            }
        }
    }
}

/// One login module and its options. Shows the names of the options, never their values.
#[derive(Clone, PartialEq, Eq)]
pub struct JaasEntry {
    pub module: LoginModule,
    /// In the order in which they were given; of two with one name the last one counts.
    options: Vec<(String, String)>,
}

impl JaasEntry {
    /// Reads the value of `sasl.jaas.config`.
    ///
    /// # Errors
    /// What does not fit the grammar, more or fewer modules than one, or a module that is not known
    /// here. The text holds no value of an option.
    pub fn parse(text: &str) -> Result<Self, JaasError> {
        let mut parser = Parser { tokens: Tokenizer::of(text).peekable() };
        let entry = parser.entry()?;
        let mut modules = 1;
        while parser.tokens.peek().is_some() {
            parser.entry()?;
            modules += 1;
        }
        if modules > 1 {
            return Err(JaasError(format!("{modules} login modules, should be 1 module")));
        }
        Ok(entry)
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// The options whose names begin with `prefix`, without it. An option that is given twice comes
    /// twice, and the last time with the value that counts.
    pub fn options_with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let without_prefix =
            move |(name, value): &'a (String, String)| Some((name.strip_prefix(prefix)?, &**value));
        self.options.iter().filter_map(without_prefix)
    }
}

impl fmt::Debug for JaasEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.options.iter().map(|(name, _)| name);
        f.debug_tuple(self.module.class_name()).field(&names.collect::<Vec<_>>()).finish()
    }
}

/// Why a value of `sasl.jaas.config` cannot be read. Holds none of its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JaasError(String);

impl fmt::Display for JaasError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JaasError {}

fn refuse<T>(why: impl Into<String>) -> Result<T, JaasError> {
    Err(JaasError(why.into()))
}

struct Parser<'a> {
    tokens: Peekable<Tokenizer<'a>>,
}

impl Parser<'_> {
    /// `Class flag (key=value)* ;`
    fn entry(&mut self) -> Result<JaasEntry, JaasError> {
        let Some(Token::Text(class)) = self.tokens.next() else {
            return refuse("a login module was expected");
        };
        self.flag()?;
        let mut options = Vec::new();
        while !self.next_is(&Token::Sign(';')) {
            options.push(self.option()?);
        }
        let module = LoginModule::ALL.into_iter().find(|it| it.class_name() == class);
        let Some(module) = module else {
            // It may be anything, a password in the wrong place as well.
            let known = LoginModule::ALL.map(LoginModule::class_name).join(", ");
            return refuse(format!("the login module is none of those there are: {known}"));
        };
        Ok(JaasEntry { module, options })
    }

    fn flag(&mut self) -> Result<(), JaasError> {
        const FLAGS: [&str; 4] = ["REQUIRED", "REQUISITE", "SUFFICIENT", "OPTIONAL"];
        let is_flag = |it: &str| FLAGS.iter().any(|flag| flag.eq_ignore_ascii_case(it));
        match self.tokens.next() {
            Some(Token::Text(flag)) if is_flag(&flag) => Ok(()),
            Some(Token::Text(_)) => refuse(format!(
                "the login module's control flag is none of {}",
                FLAGS.join(", ").to_ascii_lowercase()
            )),
            _ => refuse("the login module's control flag is not specified"),
        }
    }

    fn option(&mut self) -> Result<(String, String), JaasError> {
        let Some(Token::Text(key)) = self.tokens.next() else {
            return refuse("the entry is not terminated by a semicolon");
        };
        let is_assigned = self.next_is(&Token::Sign('='));
        match self.tokens.next() {
            // A value without quotes may be taken for a key, so no key is shown.
            _ if !is_assigned => refuse("a key has no value: key=\"value\" was expected"),
            Some(Token::Text(value)) => Ok((key, value)),
            Some(Token::Number) => {
                refuse("a value is a number: it must stand in quotes, as every value with /")
            }
            _ => refuse("a value is not specified: it must stand in quotes"),
        }
    }

    /// Takes the next token if it is this one.
    fn next_is(&mut self, token: &Token) -> bool {
        self.tokens.next_if(|it| it == token).is_some()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A word, or what stood in quotes.
    Text(String),
    /// As Java parses it, its digits are lost.
    Number,
    /// Any other character.
    Sign(char),
}

/// Java's `StreamTokenizer`, as Kafka sets it up.
struct Tokenizer<'a> {
    chars: Peekable<Chars<'a>>,
}

impl<'a> Tokenizer<'a> {
    fn of(text: &'a str) -> Self {
        Self { chars: text.chars().peekable() }
    }

    /// Skips blanks and comments, and returns the first character behind them. A single slash is a
    /// comment to the end of its line, too.
    fn skip_to_token(&mut self) -> Option<char> {
        loop {
            match self.chars.next()? {
                c if c <= ' ' => {}
                '/' => match self.chars.peek() {
                    Some('*') => self.skip_block(),
                    _ => while self.chars.next_if(|c| !matches!(c, '\n' | '\r')).is_some() {},
                },
                other => return Some(other),
            }
        }
    }

    fn skip_block(&mut self) {
        self.chars.next();
        let mut previous = ' ';
        for c in self.chars.by_ref() {
            if previous == '*' && c == '/' {
                return;
            }
            previous = c;
        }
    }

    /// A word, or a number, which is one only if it begins as one.
    fn word(&mut self, first: char) -> Token {
        let mut word = String::from(first);
        let is_number = begins_number(first);
        let belongs =
            |c: &char| if is_number { matches!(c, '0'..='9' | '.') } else { is_word_character(*c) };
        while let Some(c) = self.chars.next_if(belongs) {
            word.push(c);
        }
        match word.as_str() {
            "-" => Token::Sign('-'),
            _ if is_number => Token::Number,
            _ => Token::Text(word),
        }
    }

    /// What stands in quotes, with Java's escapes. It ends with its line, too.
    fn quoted(&mut self, quote: char) -> Token {
        let mut text = String::new();
        while let Some(c) = self.chars.next_if(|c| !matches!(c, '\n' | '\r')) {
            match c {
                _ if c == quote => break,
                '\\' => text.extend(self.escaped()),
                _ => text.push(c),
            }
        }
        Token::Text(text)
    }

    fn escaped(&mut self) -> Option<char> {
        Some(match self.chars.next()? {
            first @ '0'..='7' => self.octal(first),
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            other => other,
        })
    }

    /// Up to three digits, and no more than `\377`.
    fn octal(&mut self, first: char) -> char {
        let mut code = first.to_digit(8).unwrap_or(0);
        let digits_max = if first <= '3' { 2 } else { 1 };
        for _ in 0..digits_max {
            let Some(digit) = self.chars.peek().and_then(|c| c.to_digit(8)) else { break };
            self.chars.next();
            code = code * 8 + digit;
        }
        char::from_u32(code).unwrap_or('\0')
    }
}

impl Iterator for Tokenizer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        Some(match self.skip_to_token()? {
            quote @ ('"' | '\'') => self.quoted(quote),
            first if begins_number(first) || is_word_character(first) => self.word(first),
            other => Token::Sign(other),
        })
    }
}

fn begins_number(c: char) -> bool {
    matches!(c, '0'..='9' | '.' | '-')
}

fn is_word_character(c: char) -> bool {
    matches!(c, 'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '$') || c >= '\u{a0}'
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

    /// What Kafka's tests read: a module, its flag, and its options.
    fn options(text: &str) -> Vec<(String, String)> {
        JaasEntry::parse(&format!("{MODULE} {text}")).unwrap().options
    }

    fn why(text: &str) -> String {
        JaasEntry::parse(text).unwrap_err().to_string()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    /// Port of `JaasContextTest.testConfigNoOptions`.
    #[test]
    fn a_module_may_have_no_options() {
        assert_eq!(options("required;"), []);
    }

    /// Port of `JaasContextTest.testControlFlag` and `JaasContextTest.testInvalidControlFlag`.
    #[test]
    fn each_control_flag_is_taken_in_any_case() {
        for flag in ["required", "REQUISITE", "Sufficient", "oPTIONAL"] {
            assert_eq!(options(&format!("{flag} a=b;")), pairs(&[("a", "b")]));
        }
        assert!(why(&format!("{MODULE} always a=b;")).contains("none of required, requisite"));
        assert!(why(&format!("{MODULE};")).contains("flag is not specified"));
    }

    /// Port of `JaasContextTest.testSingleOption`.
    #[test]
    fn an_option_is_a_key_and_a_value() {
        assert_eq!(options("required propName=propValue;"), pairs(&[("propName", "propValue")]));
    }

    /// Port of `JaasContextTest.testMultipleOptions`.
    #[test]
    fn options_stand_side_by_side() {
        let text: String = (0..10).map(|i| format!("propName{i} = propValue{i}\n\t")).collect();
        let expected: Vec<_> =
            (0..10).map(|i| (format!("propName{i}"), format!("propValue{i}"))).collect();
        assert_eq!(options(&format!("required {text};")), expected);
    }

    /// Port of `JaasContextTest.testQuotedOptionValue`.
    #[test]
    fn a_value_in_quotes_may_hold_anything() {
        assert_eq!(
            options("required propName=\"prop value\";"),
            pairs(&[("propName", "prop value")])
        );
        assert_eq!(
            options(
                "required a='it''s' b=\"\\\"\\\\\\n\\101\\7\" c=\"=;/* // */\";"
                    .replace("''", "\\'")
                    .as_str()
            ),
            pairs(&[("a", "it's"), ("b", "\"\\\nA\u{7}"), ("c", "=;/* // */")])
        );
    }

    /// Port of `JaasContextTest.testQuotedOptionName`.
    #[test]
    fn a_key_may_stand_in_quotes() {
        assert_eq!(
            options("required \"prop name\"=propValue;"),
            pairs(&[("prop name", "propValue")])
        );
    }

    /// Port of `JaasContextTest.testNumericOptionWithoutQuotes`.
    #[test]
    fn a_number_needs_quotes() {
        let value = why(&format!("{MODULE} required option1=3;"));
        assert!(value.contains("must stand in quotes"), "{value}");
        assert!(why(&format!("{MODULE} required option1=3x;")).contains("must stand in quotes"));
    }

    /// Port of `JaasContextTest.testNumericOptionWithQuotes`.
    #[test]
    fn a_number_in_quotes_is_a_value() {
        assert_eq!(options("required option1=\"3\";"), pairs(&[("option1", "3")]));
    }

    /// Port of `JaasContextTest.testMissingControlFlag`.
    #[test]
    fn the_control_flag_must_be_there() {
        assert!(why(&format!("{MODULE} option1=value1;")).contains("control flag"));
        assert!(why(MODULE).contains("flag is not specified"));
    }

    /// Port of `JaasContextTest.testMissingOptionValue`.
    #[test]
    fn a_value_must_be_there() {
        for text in
            ["required option1;", "required option1=;", "required option1=", "required a b=c;"]
        {
            let why = why(&format!("{MODULE} {text}"));
            assert!(why.contains("value") && !why.contains("option1"), "{text}: {why}");
        }
    }

    /// Port of `JaasContextTest.testMissingSemicolon`.
    #[test]
    fn the_semicolon_must_be_there() {
        assert!(why(&format!("{MODULE} required option1=value1")).contains("semicolon"));
    }

    /// Port of `JaasContextTest.testMissingLoginModule`.
    #[test]
    fn nothing_is_no_module() {
        for text in ["", "  // all in a comment", ";", "/* open", "= required;"] {
            assert!(why(text).contains("a login module was expected"), "{text}");
        }
    }

    /// Port of `JaasContextTest.testMultipleLoginModules`.
    #[test]
    fn there_is_exactly_one_module() {
        let two = format!("{MODULE} required a=b; {MODULE} required;");
        assert_eq!(why(&two), "2 login modules, should be 1 module");
        assert!(why(&format!("{MODULE} required; rest")).contains("control flag"));
    }

    #[test]
    fn comments_are_no_values() {
        let text = "required // flag\n/* a=b\n * c */ user_x=\"y\" # ;";
        assert!(JaasEntry::parse(&format!("{MODULE} {text}")).is_err(), "# begins no comment");
        let text = "required // flag\n/* a=b\n * c */ user_x=\"y\" / ;\n;";
        assert_eq!(options(text), pairs(&[("user_x", "y")]));
    }

    #[test]
    fn of_two_values_the_last_one_counts() {
        let entry = JaasEntry::parse(&format!("{MODULE} required a=b a=c;")).unwrap();
        assert_eq!((entry.option("a"), entry.option("b")), (Some("c"), None));
    }

    #[test]
    fn another_module_is_refused_with_those_there_are_and_without_its_name() {
        let why = why("com.example.Secret required password=\"hunter2\";");
        assert!(why.contains("ScramLoginModule") && why.contains("OAuthBearerLoginModule"));
        assert!(!why.contains("Secret") && !why.contains("hunter2"), "{why}");
    }

    #[test]
    fn no_secret_is_shown() {
        let entry = JaasEntry::parse(&format!("{MODULE} required user_a=\"hunter2\";")).unwrap();
        assert_eq!(format!("{entry:?}"), format!("{MODULE}([\"user_a\"])"));
        for text in [
            "required user_a=hunter2",
            "required user_a hunter2;",
            "hunter2 user_a=x;",
            "required user_a=\"hunter2\" 'hunter2' ;",
            "required user_a==hunter2;",
            "required; hunter2",
        ] {
            let why = why(&format!("{MODULE} {text}"));
            assert!(!why.contains("hunter2"), "{text}: {why}");
        }
    }
}

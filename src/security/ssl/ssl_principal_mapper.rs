//! Port of `org.apache.kafka.common.security.ssl.SslPrincipalMapper`: from the name in a certificate to
//! that of a principal, by the rules of `ssl.principal.mapping.rules` (KIP-371).

use std::fmt;

use regex_lite::{Captures, Regex};

use crate::security::ssl::ssl_error::SslError;

/// One rule, and how rules follow one another.
const RULE: &str = r"(DEFAULT)|RULE:((\\.|[^\\/])*)/((\\.|[^\\/])*)/([LU]?).*?|(.*?)";

/// The rules of a listener.
pub struct SslPrincipalMapper {
    rules: Vec<Rule>,
}

/// No rule is for this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMatchingRule(String);

impl fmt::Display for NoMatchingRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoMatchingRule {}

enum Rule {
    /// The name as it is.
    Default,
    Replace(Replacing),
}

struct Replacing {
    /// For the whole of a name.
    whole: Regex,
    pattern: Regex,
    replacement: Vec<Piece>,
    case: Case,
    /// As it was written.
    text: String,
}

enum Piece {
    Literal(String),
    Group(usize),
}

#[derive(Clone, Copy)]
enum Case {
    AsIs,
    Lower,
    Upper,
}

impl SslPrincipalMapper {
    /// Reads rules with commas between them: `RULE:^CN=(.*?),.*$/$1/L,DEFAULT`.
    ///
    /// # Errors
    /// The rule that is none, or whose pattern means something else here than in Java.
    pub fn from_rules(rules: &str) -> Result<Self, SslError> {
        let splitter = regex(&format!(r"\s*({RULE})\s*(,\s*|$)"));
        let rules = rules.trim();
        let mut parsed = Vec::new();
        for found in all_matches(&splitter, rules) {
            let rule = found.get(1).map_or("", |it| it.as_str());
            parsed.extend(Rule::parse(rule)?);
        }
        Ok(Self { rules: parsed })
    }

    /// The name of the principal that the rules make of `distinguished_name`: by the first one that is
    /// for it.
    ///
    /// # Errors
    /// If none is.
    pub fn get_name(&self, distinguished_name: &str) -> Result<String, NoMatchingRule> {
        self.rules.iter().find_map(|rule| rule.apply(distinguished_name)).ok_or_else(|| {
            let rules: Vec<&str> = self.rules.iter().map(Rule::text).collect();
            let rules = rules.join(", ");
            NoMatchingRule(format!("No rules apply to {distinguished_name}, rules [{rules}]"))
        })
    }
}

impl Rule {
    /// `None` for an empty one, which is passed over.
    fn parse(rule: &str) -> Result<Option<Self>, SslError> {
        let wrong = |why: &str| {
            SslError::new(format!(
                "`ssl.principal.mapping.rules` has `{rule}`, which is no rule: {why}; a rule is \
                 DEFAULT or RULE:pattern/replacement/, at the end with an L or a U"
            ))
        };
        let parser = regex(&format!("^(?:{RULE})"));
        let found = parser.captures(rule).ok_or_else(|| wrong("it does not begin like one"))?;
        let end = found.get(0).map_or(0, |it| it.end());
        if end != rule.len() {
            let why = match rule.starts_with("RULE:") {
                true => "it lacks a `/`, one before and one behind the replacement".to_string(),
                false => format!("`{}` does not belong to it", &rule[end..]),
            };
            return Err(wrong(&why));
        }
        if found.get(1).is_some() {
            return Ok(Some(Self::Default));
        }
        let text = |group: usize| found.get(group).map_or("", |it| it.as_str());
        if found.get(2).is_none() {
            return Ok(None);
        }
        let case = match text(6) {
            "L" => Case::Lower,
            "U" => Case::Upper,
            _ => Case::AsIs,
        };
        Replacing::new(rule, text(2), text(4), case)
            .map(|it| Some(Self::Replace(it)))
            .map_err(|why| wrong(&why))
    }

    fn apply(&self, distinguished_name: &str) -> Option<String> {
        match self {
            Self::Default => Some(distinguished_name.to_string()),
            Self::Replace(replacing) => replacing.apply(distinguished_name),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Default => "DEFAULT",
            Self::Replace(replacing) => &replacing.text,
        }
    }
}

impl Replacing {
    fn new(rule: &str, pattern: &str, replacement: &str, case: Case) -> Result<Self, String> {
        let compile = |pattern: &str| {
            Regex::new(pattern).map_err(|why| format!("its pattern cannot be used here: {why}"))
        };
        let (whole, regex) = (compile(&format!("^(?:{pattern})$"))?, compile(pattern)?);
        check_pattern(pattern)?;
        let replacement = pieces(replacement, regex.captures_len() - 1)?;
        Ok(Self { whole, pattern: regex, replacement, case, text: rule.to_string() })
    }

    /// As Java's `replaceAll`, if the pattern is for the whole name.
    fn apply(&self, name: &str) -> Option<String> {
        if !self.whole.is_match(name) {
            return None;
        }
        let mut result = String::new();
        let mut copied = 0;
        for found in all_matches(&self.pattern, name) {
            let matched = found.get(0).expect("the whole match is the first group");
            result.push_str(&name[copied..matched.start()]);
            copied = matched.end();
            for piece in &self.replacement {
                result.push_str(match piece {
                    Piece::Literal(text) => text,
                    Piece::Group(group) => found.get(*group).map_or("", |it| it.as_str()),
                });
            }
        }
        result.push_str(&name[copied..]);
        Some(match self.case {
            Case::AsIs => result,
            Case::Lower => result.to_lowercase(),
            Case::Upper => result.to_uppercase(),
        })
    }
}

/// What Java reads differently, so that a rule would silently mean something else. What is not known
/// here at all, such as look-around, the compiler of patterns refuses.
fn check_pattern(pattern: &str) -> Result<(), String> {
    let mut chars = pattern.chars();
    let mut before = None;
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next();
            before = None;
            continue;
        }
        match (before, c) {
            (Some('+' | '*' | '?' | '}'), '+') => {
                return Err("a possessive quantifier, such as `.*+`, is not known here".into());
            }
            (Some('&'), '&') => return Err("`&&` in a class is not known here".into()),
            _ => before = Some(c),
        }
    }
    Ok(())
}

/// A replacement as Java reads it: `$1` is a group, and a number above the count of groups is no
/// reference but stands for itself.
fn pieces(replacement: &str, groups: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => literal.extend(chars.next()),
            '$' => {
                let Some(first) = chars.peek().and_then(|it| it.to_digit(10)) else {
                    return Err("`$` in its replacement has no number behind it".into());
                };
                if first as usize > groups {
                    literal.push('$');
                    continue;
                }
                chars.next();
                let mut group = first as usize;
                while let Some(digit) = chars.peek().and_then(|it| it.to_digit(10)) {
                    let longer = group * 10 + digit as usize;
                    if longer > groups {
                        break;
                    }
                    group = longer;
                    chars.next();
                }
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                pieces.push(Piece::Group(group));
            }
            other => literal.push(other),
        }
    }
    pieces.push(Piece::Literal(literal));
    Ok(pieces)
}

/// All matches, one behind the other, as Java's `Matcher.find` finds them: also an empty one right
/// behind another.
fn all_matches<'a>(regex: &'a Regex, text: &'a str) -> impl Iterator<Item = Captures<'a>> {
    let mut from = Some(0);
    std::iter::from_fn(move || {
        let found = regex.captures_at(text, from?)?;
        let matched = found.get(0)?;
        from = match matched.is_empty() {
            false => Some(matched.end()),
            true => text[matched.end()..].chars().next().map(|it| matched.end() + it.len_utf8()),
        };
        Some(found)
    })
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns of rules are right")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(rules: &str, distinguished_name: &str) -> Result<String, NoMatchingRule> {
        SslPrincipalMapper::from_rules(rules).unwrap().get_name(distinguished_name)
    }

    /// Port of `SslPrincipalMapperTest.testValidRules`.
    #[test]
    fn rules_of_every_kind_are_read() {
        for rules in [
            "DEFAULT",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, DEFAULT",
            "RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/",
            "RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/L",
            "RULE:^cn=(.?),ou=(.?),dc=(.?),dc=(.?)$/$1@$2/U",
            "RULE:^CN=([^,ADEFLTU,]+)(,.*|$)/$1/",
            "RULE:^CN=([^,DEFAULT,]+)(,.*|$)/$1/",
        ] {
            assert!(SslPrincipalMapper::from_rules(rules).is_ok(), "{rules}");
        }
    }

    /// Port of `SslPrincipalMapperTest.testInvalidRules`.
    #[test]
    fn what_is_no_rule_is_refused() {
        for rules in [
            "default",
            "DEFAUL",
            "DEFAULT/L",
            "DEFAULT/U",
            "RULE:CN=(.*?),OU=ServiceUsers.*/$1",
            "rule:^CN=(.*?),OU=ServiceUsers.*$/$1/",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L/U",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/L",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/U",
            "RULE:^CN=(.*?),OU=ServiceUsers.*$/LU",
            "RULE:a/b/ RULE:c/d/",
            "RULE:[/x/",
        ] {
            assert!(SslPrincipalMapper::from_rules(rules).is_err(), "{rules}");
        }
    }

    /// Port of `SslPrincipalMapperTest.testSslPrincipalMapper`.
    #[test]
    fn the_first_rule_that_is_for_a_name_makes_the_principal() {
        let rules = "RULE:^CN=(.*?),OU=ServiceUsers.*$/$1/L, \
                     RULE:^CN=(.*?),OU=(.*?),O=(.*?),L=(.*?),ST=(.*?),C=(.*?)$/$1@$2/L, \
                     RULE:^cn=(.*?),ou=(.*?),dc=(.*?),dc=(.*?)$/$1@$2/U, \
                     RULE:^.*[Cc][Nn]=([a-zA-Z0-9.]*).*$/$1/U, DEFAULT";
        for (distinguished, principal) in [
            ("CN=Duke,OU=ServiceUsers,O=Org,C=US", "duke"),
            ("CN=Duke,OU=SME,O=mycp,L=Fulton,ST=MD,C=US", "duke@sme"),
            ("cn=duke,ou=sme,dc=mycp,dc=com", "DUKE@SME"),
            ("cN=duke,OU=JavaSoft,O=Sun Microsystems", "DUKE"),
            ("OU=JavaSoft,O=Sun Microsystems,C=US", "OU=JavaSoft,O=Sun Microsystems,C=US"),
        ] {
            assert_eq!(name(rules, distinguished).unwrap(), principal);
        }
    }

    /// Port of `SslPrincipalMapperTest.testRulesSplitting`.
    #[test]
    fn rules_are_split_at_commas_outside_of_them() {
        for (rules, split) in [
            ("", "[]"),
            ("  DEFAULT  ,", "[DEFAULT]"),
            ("RULE:a,b/c,d/L , DEFAULT", "[RULE:a,b/c,d/L, DEFAULT]"),
            ("RULE:a\\/,b/c/,RULE:DEFAULT/e/U", "[RULE:a\\/,b/c/, RULE:DEFAULT/e/U]"),
        ] {
            let read = SslPrincipalMapper::from_rules(rules).unwrap();
            let texts: Vec<&str> = read.rules.iter().map(Rule::text).collect();
            assert_eq!(format!("[{}]", texts.join(", ")), split);
        }
    }

    /// Port of `SslPrincipalMapperTest.testCommaWithWhitespace`.
    #[test]
    fn a_comma_within_a_name_has_a_backslash_and_a_blank() {
        let rules = r"RULE:^CN=((\\, *|\w)+)(,.*|$)/$1/,DEFAULT";
        assert_eq!(name(rules, r"CN=Doe\, Jane,OU=ITZ").unwrap(), r"Doe\, Jane");
    }

    /// Beyond Kafka's tests: what Kafka 4.4.0 itself makes of these.
    #[test]
    fn replacements_are_java_s() {
        for (rule, distinguished, principal) in [
            ("RULE:.*/x/", "CN=alice", "xx"),
            ("RULE:CN=(.*)/$1$9/", "CN=abc", "abc$9"),
            ("RULE:CN=(.)(.)(.*)/$3$11/", "CN=abc", "ca1"),
            ("RULE:CN=(a|ab)(.*)/<$1>/", "CN=abc", "<a>"),
            (r"RULE:CN=(.*)/\$1a/", "CN=abc", "$1a"),
            (r"RULE:CN=(.*)\/(.*)/$2\/$1/", "CN=x/y", "y/x"),
            ("RULE:C(N)?(Q)?=(.*)/$2-$3/", "CN=x", "-x"),
            ("RULE:^CN=(.*)$/$01/", "CN=x", "x"),
            ("RULE:(?i)cn=(.*?),.*/$1/U", "CN=x,O=y", "X"),
        ] {
            assert_eq!(name(rule, distinguished).unwrap(), principal, "{rule}");
        }
    }

    #[test]
    fn a_name_without_a_rule_is_refused_with_the_rules() {
        let error = name("RULE:^CN=a$/x/", "CN=b").unwrap_err().to_string();
        assert_eq!(error, "No rules apply to CN=b, rules [RULE:^CN=a$/x/]");
    }

    /// Such a rule would be for other names here than there.
    #[test]
    fn a_pattern_that_java_reads_differently_is_refused() {
        for pattern in
            ["(?=x)y", "(?<!x)y", r"(a)\1", "a++", ".*+b", "a{2}+", r"\p{Alpha}", "[a-z&&[^b]]"]
        {
            let rule = format!("RULE:{pattern}/x/");
            assert!(SslPrincipalMapper::from_rules(&rule).is_err(), "{rule}");
        }
        assert!(SslPrincipalMapper::from_rules("RULE:a/$/").is_err());
    }
}

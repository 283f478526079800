//! What `--help` lists, taken apart: the one list from which the completions of shells and the manual
//! page are made, so that an option that is in one of them is in all.

use crate::config::config_def::nearest;

/// One row of the help: an option, a sub-command, or the file of settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelpRow<'a> {
    /// As it is typed: `--override`.
    pub name: &'a str,
    /// What follows it: `name=value`; empty if nothing does.
    pub takes: &'a str,
    pub kind: HelpKind,
    /// The help from its meaning on: that may have further lines.
    rest: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelpKind {
    Option,
    SubCommand,
    File,
}

/// A text as `transferto --help` prints it.
#[derive(Clone, Copy, Debug)]
pub struct HelpText<'a>(pub &'a str);

impl<'a> HelpText<'a> {
    /// What the program is, in the words after its name.
    pub fn purpose(self) -> &'a str {
        let line = self.0.lines().next().unwrap_or_default();
        line.split_once(": ").map_or(line, |(_, purpose)| purpose)
    }

    /// The ways to call it, each from the program's name on.
    pub fn usages(self) -> impl Iterator<Item = &'a str> {
        let lines = self.0.lines().skip_while(|it| !it.starts_with("Usage: "));
        let lines = lines.take_while(|it| !it.is_empty());
        lines.map(|it| it.trim_start_matches("Usage: ").trim_start())
    }

    /// The rows of the list, in its order.
    pub fn rows(self) -> impl Iterator<Item = HelpRow<'a>> {
        let list = self.0.split("\nExample").next().unwrap_or_default();
        let starts = list.match_indices("\n  ").map(|(at, sign)| at + sign.len());
        starts.filter_map(move |start| {
            let (head, rest) = list[start..].split_once("  ")?;
            if head.is_empty() || head.starts_with(' ') {
                return None;
            }
            let (name, takes) = head.split_once(' ').unwrap_or((head, ""));
            let is_called_so = || self.usages().any(|it| it.split(' ').nth(1) == Some(name));
            let kind = match name {
                _ if name.starts_with('-') => HelpKind::Option,
                _ if is_called_so() => HelpKind::SubCommand,
                _ => HelpKind::File,
            };
            Some(HelpRow { name, takes, kind, rest })
        })
    }

    /// The option or the sub-command that somebody meant who typed `given`, as a question with a blank
    /// behind it; empty if none is near.
    pub fn advice_for(self, given: &str) -> String {
        let typed = self.rows().filter(|it| it.kind != HelpKind::File).map(|it| it.name);
        let nearest = nearest(given, typed);
        nearest.map_or_else(String::new, |it| format!("did you mean `{it}`? "))
    }

    /// The lines after the list: each example, indented, and what it does, indented deeper.
    pub fn examples(self) -> impl Iterator<Item = &'a str> {
        let examples = self.0.split("\nExamples:\n").nth(1).unwrap_or_default();
        examples.lines().take_while(|it| !it.is_empty())
    }
}

impl HelpRow<'_> {
    /// What it does, on one line.
    pub fn meaning(&self) -> String {
        let is_of_row = |(i, line): &(usize, &str)| *i == 0 || line.starts_with("   ");
        let lines = self.rest.lines().enumerate().take_while(is_of_row);
        lines.map(|(_, line)| line.trim()).collect::<Vec<_>>().join(" ")
    }
}

/// The doc of a setting without the marks of a page: links are their texts, and code has no ticks.
pub fn plain(doc: &str) -> String {
    let mut plain = String::new();
    let mut rest = doc.trim();
    while let Some((before, link)) = rest.split_once('[') {
        plain.push_str(before);
        rest = match link.split_once("](").and_then(|(text, to)| Some((text, to.split_once(')')?)))
        {
            Some((text, (_, after))) if !text.contains(']') => {
                plain.push_str(text);
                after
            }
            _ => {
                plain.push('[');
                link
            }
        };
    }
    (plain + rest).replace('`', "")
}

/// The words of `text` in lines of at most `chars_max` characters; a longer word has a line of its own.
pub fn wrapped(text: &str, chars_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let fits = |it: &&mut String| it.chars().count() + 1 + word.chars().count() <= chars_max;
        match lines.last_mut().filter(fits) {
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(word.to_string()),
        }
    }
    lines
}

/// The first sentence of a doc, without its end.
pub fn first_sentence(doc: &str) -> String {
    let doc = plain(doc);
    let end = doc.find(". ").unwrap_or(doc.len());
    doc[..end].trim_end_matches('.').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: HelpText<'_> = HelpText(
        "\
prog: does things

Usage: prog [a.file] [--set x=y]...
       prog show FILE...

  a.file      a file
  --set x=y   sets something,
              more than once
  show FILE...  shows files
  --help      helps

Examples:
  prog
      runs

More: less
",
    );

    #[test]
    fn each_row_is_taken_apart_and_a_word_of_the_usage_is_a_sub_command() {
        let rows: Vec<_> = HELP.rows().map(|it| (it.name, it.takes, it.kind)).collect();
        assert_eq!(
            rows,
            [
                ("a.file", "", HelpKind::File),
                ("--set", "x=y", HelpKind::Option),
                ("show", "FILE...", HelpKind::SubCommand),
                ("--help", "", HelpKind::Option),
            ]
        );
        let meanings: Vec<_> = HELP.rows().map(|it| it.meaning()).collect();
        assert_eq!(meanings, ["a file", "sets something, more than once", "shows files", "helps"]);
    }

    #[test]
    fn what_stands_round_the_list_is_found() {
        assert_eq!(HELP.purpose(), "does things");
        let usages: Vec<_> = HELP.usages().collect();
        assert_eq!(usages, ["prog [a.file] [--set x=y]...", "prog show FILE..."]);
        let examples: Vec<_> = HELP.examples().collect();
        assert_eq!(examples, ["  prog", "      runs"]);
    }

    #[test]
    fn a_line_takes_the_words_that_fit() {
        assert_eq!(wrapped("ab cd  efghijk l", 5), ["ab cd", "efghijk", "l"]);
        assert_eq!(wrapped("é é é", 3), ["é é", "é"]);
    }

    #[test]
    fn a_name_that_is_near_is_asked_for() {
        assert_eq!(HELP.advice_for("--hepl"), "did you mean `--help`? ");
        assert_eq!(HELP.advice_for("shwo"), "did you mean `show`? ");
        assert_eq!(HELP.advice_for("b.properties"), "");
    }

    #[test]
    fn a_doc_loses_its_links_and_ticks() {
        let doc = " The pages of [monitoring](monitoring.md), as `[a]`. A port. ";
        assert_eq!(plain(doc), "The pages of monitoring, as [a]. A port.");
        assert_eq!(first_sentence(doc), "The pages of monitoring, as [a]");
        assert_eq!(first_sentence("One."), "One");
    }
}

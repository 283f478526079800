//! The manual page of the binary, made from its help and from the table of settings.

use std::fmt::Write;

use crate::config::config_def::Setting;
use crate::config::help_text::{HelpRow, HelpText, plain};
use crate::config::kafka_config::KafkaConfig;

const LINE_BYTES_MAX: usize = 78;

/// What neither the help nor the table says.
const OTHER_SECTIONS: &str = r"\
.SH SIGNALS
.TP
SIGTERM, SIGINT, SIGHUP
The broker shuts down: it flushes its logs, so that the next start recovers
nothing.
.TP
SIGUSR1
The broker writes its counters to the log.
.SH ENVIRONMENT
.TP
RUST_LOG
How much is logged to the standard error:
.BR warn ,
.B info
(the default),
.B debug
or
.BR trace ,
also for single parts of the broker.
.TP
NOTIFY_SOCKET
Where a service manager is notified of the start and of the stop, as
.BR sd_notify (3)
says.
.SH EXIT STATUS
.TP
0
The broker was shut down cleanly, or what was asked for was printed.
.TP
1
A setting is wrong, the broker could not start, a step of the shutdown failed,
the last log directory has failed, dump\-log found damage, or add\-scram made
no user.
The log, or the standard error, says which.
.SH FILES
In each log directory:
.TP
.I topic\-partition/
The segments of a log and their indexes, in Kafka's own formats.
.TP
.I .lock
Held by the process that uses the directory.
.TP
.I scram_credentials
In the first one: what is kept of the passwords of SCRAM.
Only its owner may read it.
.TP
.I scram_decoys
Beside it, and as secret: what makes users that there are not look like users that there are.
.TP
.I .kafka_cleanshutdown
Left by a clean shutdown: nothing has to be recovered.
.SH SEE ALSO
.BR kcat (1),
.BR sendfile (2),
.BR systemd.service (5)
";

/// The page in the macros of man(7). It has no date: the same version gives the same page.
pub fn man_page(
    help: HelpText<'_>,
    sub_commands: &[(&str, HelpText<'_>)],
    version: &str,
) -> String {
    let mut page = format!(".TH TRANSFERTO 1 \"\" \"{}\"\n", roff(version));
    let _ = writeln!(page, ".SH NAME\n{}", lines(&format!("transferto - {}", help.purpose())));
    page.push_str(".SH SYNOPSIS\n");
    let usages: Vec<_> = help.usages().map(synopsis).collect();
    page.push_str(&usages.join(".br\n"));
    page.push_str(".SH OPTIONS\n");
    help.rows().for_each(|it| page.push_str(&option(&it)));
    for (name, help) in sub_commands {
        let _ = writeln!(page, ".SH OPTIONS OF {}", roff(&name.to_uppercase()));
        help.rows().for_each(|it| page.push_str(&option(&it)));
    }
    page.push_str(".SH EXAMPLES\n");
    help.examples().for_each(|it| page.push_str(&example(it)));
    page.push_str(
        ".SH SETTINGS\nThe names are Kafka's. A file has a line\n.I name=value\nfor each, and \
         \\fB\\-\\-override\\fR prevails over it.\nThose of Kafka that have no effect here, and \
         those that stop\nthe start, are listed by\n.BR \"transferto \\-\\-settings\" .\n",
    );
    KafkaConfig::SETTINGS.iter().for_each(|it| page.push_str(&setting(it)));
    page + OTHER_SECTIONS.trim_start_matches("\\\n")
}

fn option(row: &HelpRow<'_>) -> String {
    let takes = if row.takes.is_empty() { String::new() } else { format!(" {}", row.takes) };
    let head = format!("\\fB{}\\fR{}", roff(row.name), roff(&takes));
    format!(".TP\n{head}\n{}\n", lines(&row.meaning()))
}

fn synopsis(usage: &str) -> String {
    let (name, rest) = usage.split_once(' ').unwrap_or((usage, ""));
    format!(".B {}\n{}\n", roff(name), lines(rest))
}

/// A line of the examples: what is typed stands out, and what it does is indented.
fn example(text: &str) -> String {
    match text.strip_prefix("      ") {
        Some(meaning) => format!("{}\n", lines(meaning)),
        None => format!(".TP\n.B {}\n", roff(text.trim())),
    }
}

fn setting(setting: &Setting) -> String {
    let default = match setting.default {
        "" => "no default".to_string(),
        default => format!("default: {default}"),
    };
    let (name, doc) = (roff(setting.name), lines(&plain(setting.doc)));
    let end = lines(&format!("Takes {}; {default}.", plain(&setting.allowed_values())));
    format!(".TP\n\\fB{name}\\fR\n{doc}\n{end}\n")
}

/// A paragraph in lines of a width that mandoc(1) likes, none of which is taken for a request.
fn lines(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace().map(roff) {
        match lines.last_mut().filter(|it| it.len() + word.len() < LINE_BYTES_MAX) {
            Some(line) => *line += &format!(" {word}"),
            None if word.starts_with(['.', '\'']) => lines.push(format!("\\&{word}")),
            None => lines.push(word),
        }
    }
    lines.join("\n")
}

fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: HelpText<'_> = HelpText(
        "p: does\n\nUsage: p [a]\n\n  --a-b x=y  .sets\n\nExamples:\n  p a\n      runs\n\nMore\n",
    );

    const HELP_OF_DUMP: HelpText<'_> =
        HelpText("p dump: dumps\n\nUsage: p dump FILE\n\n  --deep n  dumps deeply\n\nExamples:\n");

    #[test]
    fn the_page_has_each_option_and_each_setting() {
        let page = man_page(HELP, &[("dump-log", HELP_OF_DUMP)], "p 1");
        for part in [
            ".SH NAME\ntransferto \\- does\n",
            ".B p\n[a]\n",
            ".TP\n\\fB\\-\\-a\\-b\\fR x=y\n\\&.sets\n",
            ".SH OPTIONS OF DUMP\\-LOG\n.TP\n\\fB\\-\\-deep\\fR n\ndumps deeply\n",
            ".TP\n.B p a\nruns\n",
            ".SH SIGNALS\n",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        for setting in KafkaConfig::SETTINGS {
            assert!(page.contains(&format!(".TP\n\\fB{}\\fR\n", roff(setting.name))));
        }
    }

    #[test]
    fn no_line_of_text_is_taken_for_a_request_or_an_escape() {
        assert_eq!(lines(".x \\n"), "\\&.x \\en");
        assert_eq!(lines("'x"), "\\&'x");
        let folded = lines(&"a .b ".repeat(30));
        assert!(folded.lines().all(|it| it.len() <= 80 && !it.starts_with('.')), "{folded}");
        for line in man_page(HELP, &[("dump-log", HELP_OF_DUMP)], "p 1").lines() {
            let is_macro = |name: &&str| line == *name || line.starts_with(&format!("{name} "));
            let known = [".TH", ".SH", ".TP", ".B", ".I", ".BR", ".br"];
            assert!(!line.starts_with(['.', '\'']) || known.iter().any(is_macro), "{line}");
            assert!(line.is_ascii() && !line.is_empty(), "{line:?}");
        }
    }
}

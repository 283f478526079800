//! Scripts by which a shell completes the command line: options, sub-commands, files, and after
//! `--override` the names of settings and those values of which there are few.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use crate::config::config_def::{Allowed, Setting};
use crate::config::config_type::Kind;
use crate::config::help_text::{HelpKind, HelpRow, HelpText, first_sentence};
use crate::config::kafka_config::KafkaConfig;

/// A shell for which there is a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

const SHELLS: &str = "bash zsh fish";

const BASH: &str = r#"# Completes the command line of transferto in bash:  source <(transferto --completion bash)
_transferto() {
    local options='@OPTIONS@' commands='@COMMANDS@' shells='@SHELLS@'
    local settings='@SETTINGS@'
    local word=${COMP_WORDS[COMP_CWORD]} at=$COMP_CWORD
    local part=${word#=}
    # Bash splits what is typed at each =.
    while ((at > 1)) && [[ ${COMP_WORDS[at]} == = || ${COMP_WORDS[at - 1]} == = ]]; do
        ((at -= 1))
        word=${COMP_WORDS[at]}$word
    done
    local before=${COMP_WORDS[at - 1]}
    if [[ $word == --*=* ]]; then
        before=${word%%=*} word=${word#*=}
    fi
    local words= files=yes
    if ((at > 1)) && [[ " $commands " == *" ${COMP_WORDS[1]} "* ]]; then
        if [[ $word == -* ]]; then
            files=
            case ${COMP_WORDS[1]} in
@COMMAND_OPTIONS@            esac
        fi
    elif [[ $before == --completion ]]; then
        words=$shells files=
    elif [[ $before == --override && $word != *=* ]]; then
        words=$settings files=
        compopt -o nospace
    elif [[ $before == --override ]]; then
        files=
        case ${word%%=*} in
@VALUES@        esac
    elif [[ $word == -* ]]; then
        words=$options files=
    elif ((at == 1)); then
        words=$commands
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$part")
    if [[ $files ]]; then
        compopt -o filenames
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$part")
    fi
}
complete -F _transferto transferto
"#;

const ZSH: &str = r#"#compdef transferto
# Completes the command line of transferto in zsh:  source <(transferto --completion zsh)
_transferto_settings() {
    local -a settings=(
@SETTINGS@    )
    local name=${PREFIX%%=*}
    if compset -P '*='; then
        case $name in
@VALUES@        esac
    else
        _describe -t settings setting settings -S =
    fi
}
_transferto_words() {
    local -a commands=(
@COMMANDS@    )
    ((CURRENT == 2 && ${#commands})) && _describe -t commands sub-command commands
    _files
}
_transferto() {
    if ((CURRENT > 2)); then
        case ${words[2]} in
@COMMAND_OPTIONS@        esac
    fi
    _arguments \
@OPTIONS@        '*:file:_transferto_words'
}
if [[ ${funcstack[1]} == _transferto ]]; then
    _transferto "$@"
else
    compdef _transferto transferto
fi
"#;

const FISH: &str = r#"# Completes the command line of transferto in fish:  transferto --completion fish | source
function __transferto_settings
    if commandline -ct | string replace -r -- '^--override=' '' | string match -q '*=*'
        printf '%s\n' \
@VALUES@
    else
        printf '%s=\t%s\n' \
@SETTINGS@
    end
end
@COMMANDS@@OPTIONS@@COMMAND_OPTIONS@"#;

impl Shell {
    /// # Errors
    /// Which shells there are.
    pub fn parse(name: &str) -> Result<Self, String> {
        match name {
            "bash" => Ok(Self::Bash),
            "zsh" => Ok(Self::Zsh),
            "fish" => Ok(Self::Fish),
            _ => Err(format!("no completion for the shell `{name}`; give bash, zsh or fish")),
        }
    }

    /// The script, for what `help` lists and for the sub-commands, each with its own help.
    pub fn script(self, help: HelpText<'_>, sub_commands: &[(&str, HelpText<'_>)]) -> String {
        let of_kind = |kind| help.rows().filter(move |it| it.kind == kind);
        let options: Vec<_> = of_kind(HelpKind::Option).collect();
        let commands: Vec<_> = of_kind(HelpKind::SubCommand).collect();
        let (template, settings, commands, options) = match self {
            Self::Bash => (BASH, bash_settings(), names(&commands), names(&options)),
            Self::Zsh => (ZSH, zsh_settings(), zsh_pairs(&commands), zsh_options(&options)),
            Self::Fish => {
                let elsewhere = format!("'not __fish_seen_subcommand_from {}'", names(&commands));
                let options = fish_options(&options, &elsewhere);
                (FISH, fish_settings(), fish_commands(&commands), options)
            }
        };
        let of_commands = sub_commands.iter().map(|(name, help)| self.command_options(name, *help));
        let script = template.replace("@SHELLS@", SHELLS).replace("@SETTINGS@", &settings);
        let script = script.replace("@COMMANDS@", &commands).replace("@OPTIONS@", &options);
        let script = script.replace("@COMMAND_OPTIONS@", &of_commands.collect::<String>());
        script.replace("@VALUES@", &self.values())
    }

    /// What completes the options of a sub-command.
    fn command_options(self, name: &str, help: HelpText<'_>) -> String {
        let options: Vec<_> = help.rows().filter(|it| it.kind == HelpKind::Option).collect();
        match self {
            Self::Bash => format!("                {name}) words='{}' ;;\n", names(&options)),
            Self::Zsh => format!(
                "            {name})\n        _arguments \\\n{}        '*:file:_files'\n        \
                 return\n        ;;\n",
                zsh_options(&options)
            ),
            Self::Fish => fish_options(&options, &format!("'__fish_seen_subcommand_from {name}'")),
        }
    }

    /// What completes the value of a setting, where that is a word or a directory.
    fn values(self) -> String {
        let (words, directories) = (settings_by_words(), settings_of_directories().join("|"));
        let words = words.iter();
        match self {
            Self::Bash => {
                let case = |(words, names): (&String, &Vec<&str>)| {
                    format!("            {}) words='{words}' ;;\n", names.join("|"))
                };
                words.map(case).collect::<String>()
                    + &format!("            {directories}) files=yes ;;\n")
            }
            Self::Zsh => {
                let case = |(words, names): (&String, &Vec<&str>)| {
                    format!("            {}) compadd -- {words} ;;\n", names.join("|"))
                };
                words.map(case).collect::<String>()
                    + &format!("            {directories}) _files -/ ;;\n")
            }
            Self::Fish => {
                let pairs = words.flat_map(|(words, names)| {
                    let of = move |name| {
                        let pairs = words.split(' ').map(move |it| format!("{name}={it}"));
                        format!("            {}", pairs.collect::<Vec<_>>().join(" "))
                    };
                    names.iter().map(of)
                });
                pairs.collect::<Vec<_>>().join(" \\\n")
            }
        }
    }
}

/// The settings of which every value is a word: by all those words, with blanks between them.
fn settings_by_words() -> BTreeMap<String, Vec<&'static str>> {
    let mut by_words = BTreeMap::<_, Vec<_>>::new();
    for setting in KafkaConfig::SETTINGS {
        let words = match setting.allowed {
            Allowed::Only(value, _) => value.to_string(),
            _ => setting.words.join(" "),
        };
        if !words.is_empty() {
            by_words.entry(words).or_default().push(setting.name);
        }
    }
    by_words
}

fn settings_of_directories() -> Vec<&'static str> {
    let takes = [PathBuf::TAKES, Vec::<PathBuf>::TAKES];
    let settings = KafkaConfig::SETTINGS.iter().filter(|it| takes.contains(&it.takes));
    settings.map(|it| it.name).collect()
}

fn names(rows: &[HelpRow<'_>]) -> String {
    rows.iter().map(|it| it.name).collect::<Vec<_>>().join(" ")
}

fn bash_settings() -> String {
    KafkaConfig::SETTINGS.iter().map(|it| format!("{}=", it.name)).collect::<Vec<_>>().join(" ")
}

/// `'name:meaning'`, a line each; the names hold no colon.
fn zsh_settings() -> String {
    let line = |it: &Setting| format!("        {}\n", zsh_pair(it.name, &first_sentence(it.doc)));
    KafkaConfig::SETTINGS.iter().map(line).collect()
}

fn zsh_pairs(rows: &[HelpRow<'_>]) -> String {
    rows.iter().map(|it| format!("        {}\n", zsh_pair(it.name, &it.meaning()))).collect()
}

fn zsh_pair(name: &str, meaning: &str) -> String {
    quoted(&format!("{name}:{meaning}"))
}

fn zsh_options(rows: &[HelpRow<'_>]) -> String {
    let mut lines = String::new();
    for row in rows {
        let meaning = row.meaning().replace('[', "\\[").replace(']', "\\]");
        let (repeats, takes) = match row.name {
            "--override" => ("*", ":setting:_transferto_settings".to_string()),
            "--completion" => ("", format!(":shell:({SHELLS})")),
            "--files" => ("*", ":files:_files".to_string()),
            "--password-file" => ("", ":file:_files".to_string()),
            _ if row.takes.is_empty() => ("", String::new()),
            _ => ("", format!(":{}: ", row.takes)),
        };
        let option = quoted(&format!("{repeats}{}[{meaning}]{takes}", row.name));
        let _ = writeln!(lines, "        {option} \\");
    }
    lines
}

fn fish_settings() -> String {
    let pair =
        |it: &Setting| format!("        {} {}", it.name, fish_quoted(&first_sentence(it.doc)));
    KafkaConfig::SETTINGS.iter().map(pair).collect::<Vec<_>>().join(" \\\n")
}

fn fish_commands(rows: &[HelpRow<'_>]) -> String {
    let line = |it: &HelpRow<'_>| {
        let meaning = fish_quoted(&it.meaning());
        format!("complete -c transferto -n __fish_is_first_arg -a {} -d {meaning}\n", it.name)
    };
    rows.iter().map(line).collect()
}

/// The options, completed where `condition` holds.
fn fish_options(rows: &[HelpRow<'_>], condition: &str) -> String {
    let line = |it: &HelpRow<'_>| {
        let takes = match it.name {
            "--override" => " -x -a '(__transferto_settings)'".to_string(),
            "--completion" => format!(" -x -a '{SHELLS}'"),
            "--files" | "--password-file" => " -r".to_string(),
            _ if it.takes.is_empty() => String::new(),
            _ => " -x".to_string(),
        };
        let (name, meaning) = (it.name.trim_start_matches('-'), fish_quoted(&it.meaning()));
        format!("complete -c transferto -n {condition} -l {name}{takes} -d {meaning}\n")
    };
    rows.iter().map(line).collect()
}

/// As bash and zsh take it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn fish_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP_HELP: HelpText<'_> =
        HelpText("d: d\n\nUsage: p dump FILE\n\n  --deep  prints more\n  --most n  prints n\n");
    const HELP: HelpText<'_> = HelpText(
        "p: does\n\nUsage: p [--override name=value]\n       p dump FILE\n\n  \
         --override name=value  sets one of Kafka's\n  --check  checks [all]\n  \
         dump FILE  prints a file\n\nExamples:\n",
    );

    #[test]
    fn each_script_has_the_options_the_sub_commands_and_all_settings() {
        for (shell, option, command) in [
            (Shell::Bash, "options='--override --check'", "commands='dump'"),
            (Shell::Zsh, r"'--check[checks \[all\]]'", "'dump:prints a file'"),
            (Shell::Fish, "-l check -d 'checks [all]'", "-a dump -d 'prints a file'"),
        ] {
            let script = shell.script(HELP, &[("dump", DUMP_HELP)]);
            for expected in [option, command, "transferto.http.listener", "num.io.threads"] {
                assert!(script.contains(expected), "{shell:?}: {expected}\n{script}");
            }
            let marks = [
                "@SHELLS@",
                "@SETTINGS@",
                "@COMMANDS@",
                "@OPTIONS@",
                "@COMMAND_OPTIONS@",
                "@VALUES@",
            ];
            assert!(marks.iter().all(|it| !script.contains(it)), "{shell:?}\n{script}");
        }
        let script = |shell: Shell| shell.script(HELP, &[("dump", DUMP_HELP)]);
        assert!(script(Shell::Zsh).contains(r"sets one of Kafka'\''s]:setting:"));
        assert!(script(Shell::Fish).contains(r"sets one of Kafka\'s'"));
        assert!(script(Shell::Bash).contains("dump) words='--deep --most' ;;"));
        assert!(script(Shell::Zsh).contains("'--most[prints n]:n: '"));
        let fish = "-n '__fish_seen_subcommand_from dump' -l most -x -d 'prints n'";
        assert!(script(Shell::Fish).contains(fish));
    }

    #[test]
    fn a_setting_of_few_words_has_them_and_a_number_has_no_files() {
        let script = |shell: Shell| shell.script(HELP, &[]);
        assert!(script(Shell::Bash).contains("transferto.fetch.inline) words='off resident' ;;"));
        assert!(script(Shell::Zsh).contains("log.dirs|log.dir) _files -/ ;;"));
        assert!(
            script(Shell::Fish).contains("transferto.fetch.inline=off transferto.fetch.inline=")
        );
        assert!(!script(Shell::Fish).contains("num.io.threads=8"));
    }

    #[test]
    fn a_shell_without_a_script_is_refused_with_those_that_have_one() {
        assert_eq!(Shell::parse("zsh"), Ok(Shell::Zsh));
        assert!(Shell::parse("tcsh").unwrap_err().contains("bash, zsh or fish"));
    }
}

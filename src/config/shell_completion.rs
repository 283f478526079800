//! Scripts by which a shell completes the command line: options, sub-commands, files, and the names
//! of settings after `--override`.

use std::fmt::Write;

use crate::config::config_def::Setting;
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
    local command_options='@COMMAND_OPTIONS@'
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
    local words=
    if ((at > 1)) && [[ " $commands " == *" ${COMP_WORDS[1]} "* ]]; then
        if [[ $word == -* ]]; then
            words=$command_options
        fi
    elif [[ $before == --completion ]]; then
        words=$shells
    elif [[ $before == --override && $word != *=* ]]; then
        words=$settings
        compopt -o nospace
    elif [[ $before != --override && $word == -* ]]; then
        words=$options
    elif ((at == 1)); then
        words=$commands
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$part")
    if [[ $before != --completion && $words != "$settings" && $words != "$options" &&
        $words != "$command_options" ]]; then
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
    if compset -P '*='; then
        _files
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
    if ((CURRENT > 2)) && [[ ' @COMMAND_NAMES@ ' == *" ${words[2]} "* ]]; then
        shift words
        ((CURRENT -= 1))
        _arguments \
@COMMAND_OPTIONS@            '*:file:_files'
        return
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
    printf '%s=\t%s\n' \
@SETTINGS@
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
            _ => Err(format!("there is no completion for `{name}`; there is one for {SHELLS}")),
        }
    }

    /// The script, for what `help` lists, and for what that of the sub-commands lists.
    pub fn script(self, help: HelpText<'_>, help_of_commands: HelpText<'_>) -> String {
        let of_kind = |kind| help.rows().filter(move |it| it.kind == kind);
        let options: Vec<_> = of_kind(HelpKind::Option).collect();
        let commands: Vec<_> = of_kind(HelpKind::SubCommand).collect();
        let own = help_of_commands.rows().filter(|it| it.kind == HelpKind::Option);
        let own: Vec<_> = own.collect();
        let command_names = names(&commands);
        let (template, settings, commands, options, own) = match self {
            Self::Bash => (BASH, bash_settings(), names(&commands), names(&options), names(&own)),
            Self::Zsh => (
                ZSH,
                zsh_settings(),
                zsh_pairs(&commands),
                zsh_options(&options),
                zsh_options(&own),
            ),
            Self::Fish => {
                let is_of_command = format!("__fish_seen_subcommand_from {command_names}");
                let options = fish_options(&options, &format!("not {is_of_command}"));
                let own = fish_options(&own, &is_of_command);
                (FISH, fish_settings(), fish_commands(&commands), options, own)
            }
        };
        let script = template.replace("@SHELLS@", SHELLS).replace("@SETTINGS@", &settings);
        let script = script.replace("@COMMAND_NAMES@", &command_names);
        let script = script.replace("@COMMAND_OPTIONS@", &own);
        script.replace("@COMMANDS@", &commands).replace("@OPTIONS@", &options)
    }
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
            _ if row.takes.is_empty() => ("", String::new()),
            _ => ("", format!(":{}:", row.takes)),
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

/// `condition` says when they are offered.
fn fish_options(rows: &[HelpRow<'_>], condition: &str) -> String {
    let line = |it: &HelpRow<'_>| {
        let takes = match it.name {
            "--override" => " -x -a '(__transferto_settings)'".to_string(),
            "--completion" => format!(" -x -a '{SHELLS}'"),
            "--files" => " -r".to_string(),
            _ if it.takes.is_empty() => String::new(),
            _ => " -x".to_string(),
        };
        let (name, meaning) = (it.name.trim_start_matches('-'), fish_quoted(&it.meaning()));
        format!("complete -c transferto -n '{condition}' -l {name}{takes} -d {meaning}\n")
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

    const HELP: HelpText<'_> = HelpText(
        "p: does\n\nUsage: p [--override name=value]\n       p dump FILE\n\n  \
         --override name=value  sets one of Kafka's\n  --check  checks [all]\n  \
         dump FILE  prints a file\n\nExamples:\n",
    );

    const HELP_OF_DUMP: HelpText<'_> =
        HelpText("p dump: dumps\n\nUsage: p dump FILE\n\n  --deep n  dumps deeply\n\nExamples:\n");

    #[test]
    fn each_script_has_the_options_the_sub_commands_and_all_settings() {
        for (shell, option, command) in [
            (Shell::Bash, "options='--override --check'", "commands='dump'"),
            (Shell::Zsh, r"'--check[checks \[all\]]'", "'dump:prints a file'"),
            (Shell::Fish, "-l check -d 'checks [all]'", "-a dump -d 'prints a file'"),
        ] {
            let script = shell.script(HELP, HELP_OF_DUMP);
            for expected in [option, command, "transferto.http.listener", "num.io.threads"] {
                assert!(script.contains(expected), "{shell:?}: {expected}\n{script}");
            }
            assert!(!script.contains("S@"), "{shell:?}\n{script}");
        }
        assert!(
            Shell::Zsh.script(HELP, HELP_OF_DUMP).contains(r"sets one of Kafka'\''s]:setting:")
        );
        assert!(Shell::Fish.script(HELP, HELP_OF_DUMP).contains(r"sets one of Kafka\'s'"));
    }

    #[test]
    fn behind_a_sub_command_its_own_options_are_offered() {
        for (shell, expected) in [
            (Shell::Bash, "command_options='--deep'"),
            (Shell::Zsh, "'--deep[dumps deeply]:n:'"),
            (Shell::Fish, "-n '__fish_seen_subcommand_from dump' -l deep -x -d 'dumps deeply'"),
            (Shell::Fish, "-n 'not __fish_seen_subcommand_from dump' -l check -d"),
        ] {
            let script = shell.script(HELP, HELP_OF_DUMP);
            assert!(script.contains(expected), "{shell:?}: {expected}\n{script}");
        }
    }

    #[test]
    fn a_shell_without_a_script_is_refused_with_those_that_have_one() {
        assert_eq!(Shell::parse("zsh"), Ok(Shell::Zsh));
        assert!(Shell::parse("tcsh").unwrap_err().contains("bash zsh fish"));
    }
}

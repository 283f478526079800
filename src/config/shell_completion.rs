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
        :
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
    if [[ $before != --completion && $words != "$settings" && $words != "$options" ]]; then
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
@COMMANDS@@OPTIONS@"#;

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

    /// The script, for what `help` lists.
    pub fn script(self, help: HelpText<'_>) -> String {
        let of_kind = |kind| help.rows().filter(move |it| it.kind == kind);
        let options: Vec<_> = of_kind(HelpKind::Option).collect();
        let commands: Vec<_> = of_kind(HelpKind::SubCommand).collect();
        let (template, settings, commands, options) = match self {
            Self::Bash => (BASH, bash_settings(), names(&commands), names(&options)),
            Self::Zsh => (ZSH, zsh_settings(), zsh_pairs(&commands), zsh_options(&options)),
            Self::Fish => (FISH, fish_settings(), fish_commands(&commands), fish_options(&options)),
        };
        let script = template.replace("@SHELLS@", SHELLS).replace("@SETTINGS@", &settings);
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
            _ => ("", String::new()),
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

fn fish_options(rows: &[HelpRow<'_>]) -> String {
    let line = |it: &HelpRow<'_>| {
        let takes = match it.name {
            "--override" => " -x -a '(__transferto_settings)'".to_string(),
            "--completion" => format!(" -x -a '{SHELLS}'"),
            _ => String::new(),
        };
        let (name, meaning) = (it.name.trim_start_matches('-'), fish_quoted(&it.meaning()));
        format!("complete -c transferto -l {name}{takes} -d {meaning}\n")
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

    #[test]
    fn each_script_has_the_options_the_sub_commands_and_all_settings() {
        for (shell, option, command) in [
            (Shell::Bash, "options='--override --check'", "commands='dump'"),
            (Shell::Zsh, r"'--check[checks \[all\]]'", "'dump:prints a file'"),
            (Shell::Fish, "-l check -d 'checks [all]'", "-a dump -d 'prints a file'"),
        ] {
            let script = shell.script(HELP);
            for expected in [option, command, "transferto.http.listener", "num.io.threads"] {
                assert!(script.contains(expected), "{shell:?}: {expected}\n{script}");
            }
            let marks = ["@SHELLS@", "@SETTINGS@", "@COMMANDS@", "@OPTIONS@"];
            assert!(marks.iter().all(|it| !script.contains(it)), "{shell:?}\n{script}");
        }
        assert!(Shell::Zsh.script(HELP).contains(r"sets one of Kafka'\''s]:setting:"));
        assert!(Shell::Fish.script(HELP).contains(r"sets one of Kafka\'s'"));
    }

    #[test]
    fn a_shell_without_a_script_is_refused_with_those_that_have_one() {
        assert_eq!(Shell::parse("zsh"), Ok(Shell::Zsh));
        assert!(Shell::parse("tcsh").unwrap_err().contains("bash, zsh or fish"));
    }
}

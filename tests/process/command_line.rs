//! What the binary prints, and leaves alone, when it is not asked to start a broker.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use support::broker_process::broker_binary;
use support::temp::TempDir;
use support::tls::TlsFiles;

fn run(arguments: &[&str], dir: &TempDir) -> Output {
    Command::new(broker_binary()).args(arguments).current_dir(dir.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_check_says_what_a_broker_would_use_and_touches_neither_data_nor_ports() {
    let dir = TempDir::new();
    // A broker could not listen there.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    fs::write(dir.join("a.properties"), format!("port={port}\nmin.insync.replicas=2\n")).unwrap();
    let found = run(&["--check", "a.properties", "--override", "log.dirs=data"], &dir);
    let (findings, warnings) = (text(&found.stdout), text(&found.stderr));
    assert_eq!(found.status.code(), Some(0), "{warnings}");
    assert!(findings.starts_with("a.properties is valid: "), "{findings}");
    for used in [&format!("  port={port}\n"), "  log.dirs=data\n", "Not checked"] {
        assert!(findings.contains(used), "{used}: {findings}");
    }
    let warned = "transferto: warning: a.properties, line 2: `min.insync.replicas=2`";
    assert!(warnings.starts_with(warned), "{warnings}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the file of settings");
}

#[test]
fn a_check_has_the_errors_of_a_start_and_its_exit_status() {
    let dir = TempDir::new();
    fs::write(dir.join("a.properties"), "prot=1\nlog.dirs=~/data\n").unwrap();
    let checked = run(&["--check", "a.properties", "--override", "num.io.threads=x"], &dir);
    let started = run(&["a.properties", "--override", "num.io.threads=x"], &dir);
    for found in [&checked, &started] {
        assert_eq!(found.status.code(), Some(1));
        assert_eq!(text(&found.stdout), "");
    }
    assert_eq!(text(&checked.stderr), text(&started.stderr));
    assert_eq!(text(&checked.stderr).lines().count(), 3, "{}", text(&checked.stderr));
    assert_eq!(run(&["--check", "no.properties"], &dir).status.code(), Some(1));
}

/// The first question of somebody who has new keys, and a broker that runs with the old ones.
#[test]
fn a_check_reads_keys_login_modules_and_the_keys_of_tokens() {
    let dir = TempDir::new();
    let files = TlsFiles::in_dir(dir.path());
    let keystore = files.keystore.display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = format!("SASL_SSL://127.0.0.1:{}", taken.local_addr().unwrap().port());
    let plain = "listener.name.sasl_ssl.plain.sasl.jaas.config";
    let module = "org.apache.kafka.common.security.plain.PlainLoginModule required user_a=\"b\";";
    let tokens = "sasl.oauthbearer.jwks.endpoint.url=file:///nowhere/keys.json\n\
                  sasl.oauthbearer.expected.audience=a\nsasl.oauthbearer.expected.issuer=b\n";
    let check = |mechanisms: &str, keystore: &str, more: &str| {
        let settings = format!(
            "listeners={listener}\nssl.keystore.type=PEM\nssl.keystore.location={keystore}\n\
             sasl.enabled.mechanisms={mechanisms}\n{more}"
        );
        fs::write(dir.join("a.properties"), settings).unwrap();
        let found = run(&["--check", "a.properties"], &dir);
        (found.status.code(), text(&found.stderr))
    };
    let good = format!("{plain}={module}\n");
    assert_eq!(check("PLAIN", &keystore, &good), (Some(0), String::new()));
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o644)).unwrap();
    let (status, said) = check("PLAIN", &keystore, &good);
    assert_eq!((status, said.lines().count()), (Some(0), 1), "{said}");
    assert!(said.contains("warning: ") && said.contains("`chmod o-rwx "), "{said}");
    fs::set_permissions(&keystore, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(check("PLAIN", &keystore, &good), (Some(0), String::new()));
    let (status, said) =
        check("PLAIN,OAUTHBEARER", "/nowhere/broker.pem", &format!("{good}{tokens}"));
    assert_eq!((status, said.lines().count()), (Some(1), 2), "{said}");
    assert!(said.contains("/nowhere/broker.pem") && said.contains("/nowhere/keys.json"), "{said}");
    let (status, said) = check("PLAIN", &keystore, &format!("{plain}=hush\n"));
    assert!(status == Some(1) && said.contains(plain) && !said.contains("hush"), "{said}");
    assert!(check("PLAIN", &keystore, "").1.contains("must be set"));
}

#[test]
fn what_cannot_be_printed_is_an_error_unless_the_reader_has_read_enough() {
    let dir = TempDir::new();
    let asked: [&[&str]; 14] = [
        &["--man"],
        &["--completion", "bash"],
        &["--settings"],
        &["--help"],
        &["--version"],
        &["--check"],
        &["dump-log", "--help"],
        &["dump-log", "--version"],
        &["metadata-log", "--help"],
        &["metadata-log", "--version"],
        &["add-scram", "--help"],
        &["add-scram", "--version"],
        &["move-to-cluster", "--help"],
        &["move-to-cluster", "--version"],
    ];
    for arguments in asked {
        let run = |out: Stdio| {
            let mut command = Command::new(broker_binary());
            command.args(arguments).current_dir(dir.path()).stdout(out).output().unwrap()
        };
        let full = run(fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into());
        assert_eq!(full.status.code(), Some(1), "{arguments:?}");
        let complaint = text(&full.stderr);
        assert!(complaint.starts_with("transferto: cannot print: No space"), "{complaint}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let unread = run(writer.into());
        assert_eq!((unread.status.code(), text(&unread.stderr)), (Some(0), String::new()));
    }
}

/// What bash would offer after these words, which it has split at each `=`.
fn offered_by_bash(words: &str, dir: &TempDir) -> Vec<String> {
    let script = format!(
        "source <({} --completion bash); COMP_WORDS=(transferto {words})\n\
         COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); compopt() {{ :; }}; _transferto\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        broker_binary().display()
    );
    let run = Command::new("bash").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    assert_eq!(text(&run.stderr), "", "{words}");
    text(&run.stdout).lines().filter(|it| !it.is_empty()).map(String::from).collect()
}

#[test]
fn bash_completes_options_settings_and_files() {
    let dir = TempDir::new();
    fs::write(dir.join("a b.properties"), "").unwrap();
    for (words, offered) in [
        ("--ove", &["--override"][..]),
        ("a.properties --che", &["--check"]),
        ("--override num.io", &["num.io.threads="]),
        ("--override = num.io", &["num.io.threads="]),
        ("--completion f", &["fish"]),
        ("a", &["add-scram", "a b.properties"]),
        ("--override log.dirs = a", &["a b.properties"]),
        ("--override = log.dirs = a", &["a b.properties"]),
        ("--override num.io.threads = a", &[]),
        ("--override transferto.fetch.inline = ", &["off", "resident"]),
        ("--override auto.create.topics.enable = f", &["false"]),
        ("dump-log --print", &["--print-data-log"]),
        ("metadata-log --boot", &["--bootstrap-controller"]),
        ("add-scram --pass", &["--password-file"]),
        ("move-to-cluster --contr", &["--controller-config"]),
        ("dump-log --print-data-log a", &["a b.properties"]),
    ] {
        assert_eq!(offered_by_bash(words, &dir), offered, "{words}");
    }
    assert!(offered_by_bash("--override =", &dir).len() > 80, "all settings");
}

#[test]
fn the_manual_page_shows_every_option_of_the_help() {
    let dir = TempDir::new();
    let (page, help) = (run(&["--man"], &dir), run(&["--help"], &dir));
    assert!(page.status.success() && page.stderr.is_empty());
    let page = text(&page.stdout).replace("\\-", "-");
    let help = text(&help.stdout);
    let options = help.lines().filter_map(|it| it.strip_prefix("  --")?.split(' ').next());
    let mut count = 0;
    for option in options {
        assert!(page.contains(&format!(".TP\n\\fB--{option}\\fR")), "{option}");
        count += 1;
    }
    assert!(count >= 7, "{help}");
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    for option in ["--man", "--settings", "--check", "--version"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let printed = Command::new(broker_binary()).arg(option).stdout(full).output().unwrap();
        let why = text(&printed.stderr);
        assert_eq!(printed.status.code(), Some(1), "{option}: {why}");
        assert!(why.starts_with("transferto: cannot print: No space left"), "{option}: {why}");
    }
}

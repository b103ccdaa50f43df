//! `--help` of every command, completions, and commands that do not exist yet.

use crate::support::run;

/// The commands below `path`, as its help lists them.
fn subcommands(path: &[&str]) -> Vec<String> {
    let help = help_of(path);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help_of(path: &[&str]) -> String {
    let run = run(&[path, &["--help"]].concat());
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{path:?}");
    run.stdout
}

#[test]
fn every_command_has_a_summary_and_examples() {
    let mut pending: Vec<Vec<String>> = vec![Vec::new()];
    let mut seen = Vec::new();
    while let Some(path) = pending.pop() {
        let borrowed: Vec<&str> = path.iter().map(String::as_str).collect();
        let help = help_of(&borrowed);
        assert!(help.contains("Examples:\n  "), "{path:?}");
        let summary = help.lines().next().unwrap_or_default();
        assert!(!summary.is_empty() && !summary.starts_with("Usage"), "{path:?}");
        pending.extend(subcommands(&borrowed).into_iter().map(|name| [path.clone(), vec![name]].concat()));
        seen.push(path.join(" "));
    }
    seen.sort();
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn help_reads_well() {
    run(&["--help"]).check("help");
    run(&["up", "--help"]).check("help_up");
    run(&["telemetry", "traces", "--help"]).check("help_traces");
}

#[test]
fn commands_of_later_issues_do_not_exist() {
    for later in ["init", "workers", "tasks", "cluster", "tenants", "benchmarks", "top"] {
        assert_eq!(run(&[later]).code, 2, "{later}");
    }
    assert_eq!(run(&["streams", "create", "s"]).code, 2);
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = run(&["completions", shell]);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{shell}");
        assert!(run.stdout.contains("telemetry"), "{shell}");
    }
}

#[test]
fn the_version_is_the_package_s() {
    assert_eq!(run(&["--version"]).stdout, format!("sabot {}\n", env!("CARGO_PKG_VERSION")));
}

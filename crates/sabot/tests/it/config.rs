//! `sabot config`: local, without a server.

use std::path::Path;

use serde_json::json;

use crate::support::{Run, run, sabot};

const AGENT: &str = "name: hourly\nkind: stream\nsql: SELECT count FROM flights\noutput: { stream: delays }\n";

fn project(settings: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("sabot.yaml", settings);
    write("streams/flights.yaml", "name: flights\npartitions: 2\nsource: { file: flights.csv }\n");
    write("flights.csv", "count\n1\n");
    write("agents/hourly.yaml", AGENT);
    write("notes.yaml", "a: 1\n");
    dir
}

fn run_on(path: &Path, dir: &Path, args: &[&str]) -> Run {
    let path = path.display().to_string();
    run(&[args, &[&path]].concat()).replacing(&dir.display().to_string(), "DIR")
}

#[test]
fn show_tells_values_and_origins() {
    let dir = project("server: { port: 9000 }\ntelemetry: { sample_rate: 0.5 }\n");
    let args = ["config", "show", &dir.path().display().to_string()];
    let output = sabot().env("SABOT_SAMPLE_RATE", "0.25").args(args).output().expect("the binary runs");
    Run::of(&args, &output).replacing(args[2], "DIR").check("config_show");
    let entries = run_on(dir.path(), dir.path(), &["config", "show", "--format", "json"]).json();
    let port = entries["entries"].as_array().and_then(|all| all.iter().find(|entry| entry["key"] == "server.port"));
    assert_eq!(port, Some(&json!({"key": "server.port", "value": 9_000, "origin": "file"})));
}

#[test]
fn check_counts_what_it_found() {
    let dir = project("");
    let check = |path: &str| run_on(&dir.path().join(path), dir.path(), &["config", "check"]);
    assert_eq!(check(".").stdout, "ok: 1 stream, 0 tables, 1 agent\n");
    assert_eq!(check("sabot.yaml").stdout, "ok: 1 stream, 0 tables, 1 agent\n");
    assert_eq!(check("streams/flights.yaml").stdout, "ok: 1 stream, 0 tables, 1 agent\n");
    assert_eq!(check("agents/hourly.yaml").stdout, "ok: 0 streams, 0 tables, 1 agent\n");
    check("notes.yaml").check("config_check_stranger");
    assert_eq!(check("nowhere").code, 2);
    let document = run_on(dir.path(), dir.path(), &["config", "check", "--format", "json"]).json();
    assert_eq!(document, json!({"ok": true, "streams": 1, "tables": 0, "agents": 1, "warnings": []}));
    let console = AGENT.replace("{ stream: delays }", "console");
    std::fs::write(dir.path().join("agents/hourly.yaml"), console).expect("a file");
    let warning = "warning: agent \"hourly\": output: console is at-least-once";
    assert!(check(".").stderr.starts_with(warning), "{}", check(".").stderr);
    assert!(!dir.path().join(".sabot").exists(), "a check writes nothing");
}

#[test]
fn check_names_everything_that_cannot_be_run() {
    let dir = project("");
    let write = |path: &str, text: &str| std::fs::write(dir.path().join(path), text).expect("a file");
    let check = |path: &str| run_on(&dir.path().join(path), dir.path(), &["config", "check"]);
    write("agents/column.yaml", "name: column\nkind: stream\nsql: SELECT cuont FROM flights\noutput: blackhole\n");
    write("agents/stream.yaml", "name: stream\nkind: stream\nsql: SELECT count FROM fligths\noutput: blackhole\n");
    write("agents/syntax.yaml", "name: syntax\nkind: stream\nsql: SELEC count FROM flights\noutput: blackhole\n");
    check(".").check("config_check_agents");
    check("agents/column.yaml").check("config_check_agent");
    let hourly = check("agents/hourly.yaml");
    assert_eq!(
        (hourly.code, hourly.stdout.as_str()),
        (0, "ok: 0 streams, 0 tables, 1 agent\n"),
        "the others do not matter"
    );

    write("streams/nothing.yaml", "name: nothing\nsource: { file: nothing.csv }\n");
    write("streams/order.yaml", "name: order\nsource: { file: flights.csv, order_by: at }\n");
    check(".").check("config_check_sources");
}

#[test]
fn a_directory_without_a_project_is_not_fine() {
    let dir = tempfile::tempdir().expect("a directory");
    let check = || run_on(dir.path(), dir.path(), &["config", "check"]);
    check().check("config_check_no_project");
    std::fs::write(dir.path().join("sabot.yml"), "").expect("a file");
    check().check("config_check_yml");
    std::fs::create_dir(dir.path().join("agents")).expect("a directory");
    let with_agents = check();
    assert_eq!((with_agents.code, with_agents.stdout.as_str()), (0, "ok: 0 streams, 0 tables, 0 agents\n"));
    assert_eq!(with_agents.stderr, "warning: sabot.yml is not read; rename it to sabot.yaml\n");
}

#[test]
fn a_bad_file_is_named_with_its_place() {
    let dir = project("server: { prot: 1 }\n");
    run_on(dir.path(), dir.path(), &["config", "check"]).check("config_check_bad_file");
    assert_eq!(run_on(dir.path(), dir.path(), &["config", "show"]).code, 2);
}

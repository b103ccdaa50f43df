//! `sabot config`: local, without a server.

use std::path::Path;

use serde_json::json;

use crate::support::{Run, run, sabot};

const AGENT: &str = "name: hourly\nkind: stream\nsql: SELECT 1\noutput: { stream: delays }\n";

fn project(settings: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    };
    write("sabot.yaml", settings);
    write("streams/flights.yaml", "name: flights\npartitions: 2\n");
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
    assert_eq!(check(".").stdout, "ok: 1 streams, 0 tables, 1 agents\n");
    assert_eq!(check("sabot.yaml").stdout, "ok: 1 streams, 0 tables, 1 agents\n");
    assert_eq!(check("streams/flights.yaml").stdout, "ok: 1 streams, 0 tables, 1 agents\n");
    assert_eq!(check("agents/hourly.yaml").stdout, "ok: 0 streams, 0 tables, 1 agents\n");
    check("notes.yaml").check("config_check_stranger");
    assert_eq!(check("nowhere").code, 2);
    let document = run_on(dir.path(), dir.path(), &["config", "check", "--format", "json"]).json();
    assert_eq!(document, json!({"ok": true, "streams": 1, "tables": 0, "agents": 1}));
}

#[test]
fn a_bad_file_is_named_with_its_place() {
    let dir = project("server: { prot: 1 }\n");
    run_on(dir.path(), dir.path(), &["config", "check"]).check("config_check_bad_file");
    assert_eq!(run_on(dir.path(), dir.path(), &["config", "show"]).code, 2);
}

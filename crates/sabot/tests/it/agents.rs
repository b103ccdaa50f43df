//! Commands that change agents, or check them before they do.

use serde_json::json;

use crate::support::{Server, run};

const AGENT: &str = "name: hourly-delays\nkind: stream\nsql: SELECT 1\noutput: { stream: delays }\n";

fn agent_file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let file = dir.path().join("agent.yaml");
    std::fs::write(&file, text).expect("a file");
    let path = file.display().to_string();
    (dir, path)
}

#[test]
fn deploy_sends_the_file_as_it_is() {
    let (_dir, path) = agent_file(AGENT);
    let answer =
        json!({"name": "hourly-delays", "version": 1, "created": true, "changed": true, "warnings": ["no key"]});
    let server = Server::with("POST /agents", &answer);
    server.run(&["agents", "deploy", "--file", &path]).replacing(&path, "FILE").check("agents_deploy");
    let request = server.requests().remove(0);
    assert_eq!((request.body.as_str(), request.headers["content-type"].as_str()), (AGENT, "application/yaml"));
    assert_eq!(server.run(&["agents", "deploy", "--file", &path, "--format", "json"]).json(), answer);
}

#[test]
fn deploy_says_what_it_did() {
    let (_dir, path) = agent_file(AGENT);
    for (created, changed, said) in [
        (false, true, "hourly-delays: rolled to a new version (version 3)\n"),
        (false, false, "hourly-delays: unchanged (version 3)\n"),
    ] {
        let answer =
            json!({"name": "hourly-delays", "version": 3, "created": created, "changed": changed, "warnings": []});
        let server = Server::with("POST /agents", answer);
        assert_eq!(server.run(&["agents", "deploy", "--file", &path]).stdout, said);
    }
}

#[test]
fn a_bad_file_never_reaches_the_server() {
    let (_dir, path) = agent_file(&AGENT.replace("stream: delays", "strem: delays"));
    let server = Server::with("POST /agents", json!({}));
    server.run(&["agents", "deploy", "--file", &path]).replacing(&path, "FILE").check("agents_deploy_bad_file");
    server.run(&["agents", "validate", "--file", &path]).replacing(&path, "FILE").check("agents_validate_bad_file");
    assert!(server.requests().is_empty());
}

#[test]
fn a_file_that_does_not_plan_is_named() {
    let (_dir, path) = agent_file(AGENT);
    let error =
        json!({"error": {"code": "invalid", "message": "no stream \"flihgts\"", "hint": "did you mean \"flights\"?"}});
    let server = Server::answering([("POST /agents", 422, &error), ("POST /agents/validate", 422, &error)]);
    server.run(&["agents", "deploy", "--file", &path]).replacing(&path, "FILE").check("agents_deploy_unplannable");
    assert_eq!(server.run(&["agents", "validate", "--file", &path]).code, 2);
}

#[test]
fn validate_plans_where_a_server_answers_and_says_so() {
    let (_dir, path) = agent_file(AGENT);
    let answer = json!({
        "name": "hourly-delays", "plan": "Scan", "warnings": [],
        "output_schema": [{"name": "origin", "type": "Utf8"}, {"name": "flights", "type": "Int64"}],
    });
    let server = Server::with("POST /agents/validate", answer);
    server.run(&["agents", "validate", "--file", &path]).replacing(&path, "FILE").check("agents_validate");
    let json = server.run(&["agents", "validate", "--file", &path, "--format", "json"]).json();
    assert_eq!((&json["parsed"], &json["planned"], &json["plan"]), (&json!(true), &json!(true), &json!("Scan")));

    let alone = ["agents", "validate", "--file", &path, "--server", "http://127.0.0.1:1"];
    run(&alone).replacing(&path, "FILE").check("agents_validate_alone");
    let document = run(&[&alone[..], &["--format", "json"]].concat()).json();
    assert_eq!((&document["parsed"], &document["planned"]), (&json!(true), &json!(false)));
}

/// A project of one stream, with an agent that reads what another one writes.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    write("sabot.yaml", "streams:\n  - { name: numbers, event_time: at, source: { file: numbers.csv } }\n");
    write("numbers.csv", "at,n\n2026-01-01T00:00:00Z,1\n");
    write(
        "agents/second.yaml",
        "name: second\nkind: stream\nsql: SELECT at, m + 1 AS k FROM doubled\noutput: { stream: k }\n",
    );
    write(
        "agents/first.yaml",
        "name: first\nkind: stream\nsql: SELECT at, n * 2 AS m FROM numbers\noutput: { stream: doubled }\n",
    );
    write("agents/wrong.yaml", "name: wrong\nkind: stream\nsql: SELECT nn FROM numbers\noutput: blackhole\n");
    dir
}

#[test]
fn validate_plans_against_the_files_own_project_without_a_server() {
    let dir = project();
    let validate = |agent: &str| {
        let file = dir.path().join("agents").join(agent).display().to_string();
        run(&["agents", "validate", "--file", &file, "--server", "http://127.0.0.1:1", "--format", "json"])
    };
    let second = validate("second.yaml").json();
    assert_eq!((&second["planned"], &second["output_schema"][1]["name"]), (&json!(true), &json!("k")), "{second}");
    let wrong = validate("wrong.yaml");
    assert_eq!(wrong.code, 2);
    assert!(wrong.stderr.contains("wrong.yaml: agent \"wrong\": sql: no field named nn"), "{}", wrong.stderr);
    assert!(!dir.path().join(".sabot").exists(), "a check writes nothing");
    let other = dir.path().join("other.yaml");
    std::fs::write(&other, "streams:\n  - { name: nn, source: { file: numbers.csv } }\n").expect("a file");
    let file = dir.path().join("agents/first.yaml").display().to_string();
    let elsewhere = run(&["agents", "validate", "--file", &file, "--config", &other.display().to_string()]);
    assert_eq!(elsewhere.code, 2, "--config stands in for the project's own file");
}

#[test]
fn a_directory_is_not_an_agent() {
    let (dir, _) = agent_file(AGENT);
    let path = dir.path().display().to_string();
    run(&["agents", "validate", "--file", &path]).replacing(&path, "DIR").check("agents_validate_directory");
    assert_eq!(run(&["agents", "deploy", "--file", "/no/such/file.yaml"]).code, 2);
}

#[test]
fn stop_start_and_delete() {
    let server = Server::answering([
        ("POST /agents/a/stop", 200, json!({"name": "a", "status": "stopped"})),
        ("POST /agents/a/start", 200, json!({"name": "a", "status": "running"})),
        ("DELETE /agents/a", 200, json!({"name": "a", "deleted": true})),
    ]);
    assert_eq!(server.run(&["agents", "stop", "a"]).stdout, "a: stopped\n");
    assert_eq!(server.run(&["agents", "start", "a"]).stdout, "a: running\n");
    server.check("agents_delete_unconfirmed", &["agents", "delete", "a"]);
    assert_eq!(server.requests().len(), 2, "nothing is asked without --confirm");
    assert_eq!(server.run(&["agents", "delete", "a", "--confirm"]).stdout, "a: deleted; its output stays\n");
    let deleted = server.run(&["agents", "delete", "a", "--confirm", "--format", "json"]);
    assert_eq!(deleted.json(), json!({"name": "a", "deleted": true}));
}

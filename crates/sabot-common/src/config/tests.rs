//! Project files, good and bad: what is read, and what an error says.

use std::path::Path;

use expect_test::{Expect, expect};

use super::{AgentConfig, Origin, Output, Project};

const GOOD_AGENT: &str = "name: a\nkind: stream\nsql: SELECT 1\noutput: { stream: b }\n";

fn check_agent(text: &str, expected: Expect) {
    let shown = match AgentConfig::parse(Path::new("agents/a.yaml"), text) {
        Ok(agent) => format!("{:?}", agent.output),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn outputs_have_five_spellings() {
    for (form, output) in [
        ("console", Output::Console),
        ("blackhole", Output::Blackhole),
        ("{ file: out.jsonl }", Output::File("out.jsonl".into())),
    ] {
        let text = GOOD_AGENT.replace("{ stream: b }", form);
        let agent = AgentConfig::parse(Path::new("a.yaml"), &text).expect("a valid agent");
        assert_eq!(agent.output, output);
    }
    check_agent(
        &GOOD_AGENT.replace("{ stream: b }", "{ table: t, key: [x, y] }"),
        expect![[r#"Table { name: Name("t"), key: KeyColumns(["x", "y"]), backend: Embedded }"#]],
    );
    check_agent(
        &GOOD_AGENT.replace("{ stream: b }", "{ strem: b }"),
        expect![[
            r#"agents/a.yaml:4:11: unknown field `strem`, expected one of stream, partitions, table, key, backend, file; did you mean "stream"?"#
        ]],
    );
}

#[test]
fn bad_files_name_the_place_and_the_fix() {
    check_agent(
        &GOOD_AGENT.replace("sql:", "sqll:"),
        expect![[
            r#"agents/a.yaml:3:1: unknown field `sqll`, expected one of name, kind, sql, watermark, late, output, count, metrics; did you mean "sql"?"#
        ]],
    );
    check_agent(
        &GOOD_AGENT.replace("kind: stream", "kind: streem"),
        expect!["agents/a.yaml:2:7: unknown variant `streem`, expected one of stream; did you mean \"stream\"?"],
    );
    check_agent(
        &GOOD_AGENT.replace("name: a", "name: A"),
        expect![[
            r#"agents/a.yaml:1:7: name "A" is not valid: use lower-case letters, digits, _ and -, starting with a letter; dots separate parts"#
        ]],
    );
    check_agent(
        &format!("{GOOD_AGENT}watermark: soon\n"),
        expect![[r#"agents/a.yaml:5:12: "soon" is not a duration; write it like 100ms, 20s, 24h, 1h30m or 7d"#]],
    );
    check_agent(&format!("{GOOD_AGENT}name: c\n"), expect!["agents/a.yaml:5:1: duplicate mapping key: name"]);
    check_agent("name: [a\n", expect!["agents/a.yaml:1:7: expected string scalar"]);
    check_agent(
        &format!("{GOOD_AGENT}watermark: ${{SABOT_NO_SUCH_VARIABLE}}\n"),
        expect![
            "agents/a.yaml:5:1: environment variable SABOT_NO_SUCH_VARIABLE is not set; give a default with ${SABOT_NO_SUCH_VARIABLE:-value}"
        ],
    );
}

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("directory");
        std::fs::write(path, text).expect("file");
    }
    dir
}

fn load(dir: &tempfile::TempDir, environment: &[(&str, &str)]) -> Result<Project, String> {
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    Project::load_with(dir.path(), environment)
        .map_err(|error| error.to_string().replace(&dir.path().display().to_string(), "DIR"))
}

#[test]
fn later_layers_win_and_origins_are_told() {
    let dir = project(&[("sabot.yaml", "server: { port: 9000 }\ntelemetry: { sample_rate: 0.5 }\n")]);
    let loaded =
        load(&dir, &[("SABOT_SAMPLE_RATE", "0.25"), ("SABOT_PERFORMANCE__COMMIT_INTERVAL", "1s")]).expect("valid");
    assert_eq!(loaded.settings.settings.server.port, 9_000);
    let origin =
        |key: &str| loaded.settings.entries().into_iter().find(|(k, ..)| k == key).map(|(_, v, o)| (v.to_string(), o));
    assert_eq!(origin("server.port"), Some(("9000".to_owned(), Origin::File)));
    assert_eq!(
        origin("telemetry.sample_rate"),
        Some(("0.25".to_owned(), Origin::Environment("SABOT_SAMPLE_RATE".to_owned())))
    );
    assert_eq!(origin("telemetry.enabled"), Some(("true".to_owned(), Origin::Default)));
}

fn check_project(files: &[(&str, &str)], environment: &[(&str, &str)], expected: Expect) {
    let dir = project(files);
    expected.assert_eq(&load(&dir, environment).err().unwrap_or_else(|| "loaded".to_owned()));
}

#[test]
fn a_project_is_checked_as_a_whole() {
    check_project(&[], &[], expect!["loaded"]);
    check_project(&[("sabot.yaml", "# nothing yet\n")], &[], expect!["loaded"]);
    check_project(
        &[("sabot.yaml", "server: { prot: 1 }\n")],
        &[],
        expect![[r#"DIR/sabot.yaml:1:11: unknown field `prot`, expected one of bind, port; did you mean "port"?"#]],
    );
    check_project(
        &[("sabot.yaml", "telemetry: { sample_rate: 3 }\n")],
        &[],
        expect!["sabot.yaml: telemetry.sample_rate: 3 is not between 0 and 1"],
    );
    check_project(
        &[],
        &[("SABOT_SERVER__PROT", "1")],
        expect![[r#"SABOT_SERVER__PROT: there is no setting server.prot; did you mean "server.port"?"#]],
    );
    check_project(
        &[],
        &[("SABOT_SERVER__PORT", "many")],
        expect![[r#"SABOT_SERVER__PORT: server.port: invalid type: string "many", expected u16"#]],
    );
    check_project(
        &[("sabot.yaml", "streams:\n  - { name: b, partitions: 0 }\n")],
        &[],
        expect![[r#"DIR/sabot.yaml: stream "b": partitions: 0 is not between 1 and 1024"#]],
    );
    // Without a source an agent fills it, in the shape declared.
    check_project(
        &[("sabot.yaml", "streams:\n  - { name: b }\n"), ("agents/a.yaml", GOOD_AGENT)],
        &[],
        expect!["loaded"],
    );
    check_project(
        &[("sabot.yaml", "streams:\n  - { name: b }\n"), ("streams/b.yaml", "name: b\n")],
        &[],
        expect![[
            r#"DIR/streams/b.yaml: "b" is declared already in DIR/sabot.yaml; a stream or table has one declaration and one writer"#
        ]],
    );
    check_project(
        &[("sabot.yaml", "streams:\n  - { name: b, source: { file: b.csv } }\n"), ("agents/a.yaml", GOOD_AGENT)],
        &[],
        expect![[
            r#"DIR/agents/a.yaml: "b" is declared already in DIR/sabot.yaml; a stream or table has one declaration and one writer"#
        ]],
    );
}

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
        expect!["agents/a.yaml:2:7: kind: unknown variant `streem`, expected one of stream; did you mean \"stream\"?"],
    );
    check_agent(
        &GOOD_AGENT.replace("name: a", "name: A"),
        expect![[
            r#"agents/a.yaml:1:7: name: name "A" is not valid: use lower-case letters, digits, _ and -, starting with a letter; dots separate parts"#
        ]],
    );
    check_agent(
        &format!("{GOOD_AGENT}watermark: soon\n"),
        expect![[
            r#"agents/a.yaml:5:12: watermark: "soon" is not a duration; write it like 100ms, 20s, 24h, 1h30m or 7d"#
        ]],
    );
    check_agent(&format!("{GOOD_AGENT}name: c\n"), expect!["agents/a.yaml:5:1: duplicate mapping key: name"]);
    check_agent("name: [a\n", expect!["agents/a.yaml:1:7: expected string scalar"]);
    check_agent(
        &format!("{GOOD_AGENT}watermark: ${{SABOT_NO_SUCH_VARIABLE}}\n"),
        expect![
            "agents/a.yaml:5:12: environment variable SABOT_NO_SUCH_VARIABLE is not set; set it, or give a default with ${SABOT_NO_SUCH_VARIABLE:-default}"
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
    Project::load_from(Some(dir.path()), None, environment)
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
        &[],
        &[("SABOT_SERVER__PROT", "1")],
        expect![[r#"SABOT_SERVER__PROT: there is no setting server.prot; did you mean "server.port"?"#]],
    );
    let sourced = "streams:\n  - { name: b, source: { file: b.csv } }\n";
    check_project(
        &[("sabot.yaml", sourced), ("agents/a.yaml", GOOD_AGENT)],
        &[],
        expect![[
            r#"DIR/agents/a.yaml: "b" is declared already in DIR/sabot.yaml; a stream or table has one declaration and one writer"#
        ]],
    );
}

#[test]
fn a_stream_declared_without_a_source_takes_one_agent() {
    let declared = ("sabot.yaml", "streams:\n  - { name: b, partitions: 2 }\n");
    check_project(&[declared, ("agents/a.yaml", GOOD_AGENT)], &[], expect!["loaded"]);
    check_project(
        &[declared, ("agents/a.yaml", GOOD_AGENT), ("agents/z.yaml", &GOOD_AGENT.replace("name: a", "name: z"))],
        &[],
        expect![[
            r#"DIR/agents/z.yaml: "b" is declared already in DIR/sabot.yaml; a stream or table has one declaration and one writer"#
        ]],
    );
}

#[test]
fn values_out_of_range_are_told_with_their_place() {
    for (settings, expected) in [
        (
            "telemetry: { sample_rate: 3 }",
            expect!["DIR/sabot.yaml:1:27: telemetry.sample_rate: 3 is not between 0 and 1"],
        ),
        (
            "telemetry: { max_spans_per_second: 0 }",
            expect!["DIR/sabot.yaml:1:36: telemetry.max_spans_per_second: 0 is not at least 1"],
        ),
        (
            "telemetry:\n  sample_rate: .nan\n",
            expect!["DIR/sabot.yaml:2:16: telemetry.sample_rate: NaN is not between 0 and 1"],
        ),
        (
            "performance:\n  commit_interval: 0s",
            expect!["DIR/sabot.yaml:2:20: performance.commit_interval: 0s is not longer than 0"],
        ),
        (
            "performance: { segment_bytes: 0B }",
            expect!["DIR/sabot.yaml:1:31: performance.segment_bytes: 0 B is not more than 0"],
        ),
        (
            "performance: { commit_bytes: 0B }",
            expect!["DIR/sabot.yaml:1:30: performance.commit_bytes: 0 B is not more than 0"],
        ),
        (
            "performance: { max_memory_mb: 63 }",
            expect!["DIR/sabot.yaml:1:31: performance.max_memory_mb: 63 is not between 64 and 16777216"],
        ),
        (
            "streams:\n  - name: b\n    partitions: 0\n",
            expect!["DIR/sabot.yaml:3:17: streams[0].partitions: 0 is not between 1 and 1024"],
        ),
        (
            "tables:\n  - { name: t, key: k }\n",
            expect![[
                r#"DIR/sabot.yaml: table "t" has no `source`: name the file it is read from, or leave it to an agent with `output: { table: t, key: … }`, which declares it"#
            ]],
        ),
        (
            "tables:\n  - { name: t, key: [] }\n",
            expect!["DIR/sabot.yaml:2:21: tables[0].key: a key names at least one column"],
        ),
    ] {
        check_project(&[("sabot.yaml", settings)], &[], expected);
    }
    check_agent(&format!("{GOOD_AGENT}count: 65\n"), expect!["agents/a.yaml:5:8: count: 65 is not between 1 and 64"]);
    check_agent(
        &GOOD_AGENT.replace("stream: b", "stream: b, partitions: 0"),
        expect!["agents/a.yaml:4:34: output.partitions: 0 is not between 1 and 1024"],
    );
}

#[test]
fn values_of_the_wrong_type_are_told_with_their_place() {
    for (settings, expected) in [
        (
            "server:\n  port: many\n",
            expect![[r#"DIR/sabot.yaml:2:9: server.port: "many" is not a whole number from 0 to 65535"#]],
        ),
        (
            "server: { port: 70000 }",
            expect![[r#"DIR/sabot.yaml:1:17: server.port: "70000" is not a whole number from 0 to 65535"#]],
        ),
        ("server: { bind: here }", expect![[r#"DIR/sabot.yaml:1:17: server.bind: "here" is not an IP address"#]]),
        (
            "telemetry:\n  enabled: perhaps\n",
            expect![[r#"DIR/sabot.yaml:2:12: telemetry.enabled: "perhaps" is not true or false"#]],
        ),
        (
            "telemetry: { storage: { max_bytes: 12 } }",
            expect![[
                r#"DIR/sabot.yaml:1:36: telemetry.storage.max_bytes: "12" is not a size; write it like 64KiB, 32MiB or 1GiB"#
            ]],
        ),
        (
            "telemetry: { sample_rate: often }",
            expect![[r#"DIR/sabot.yaml:1:27: telemetry.sample_rate: "often" is not a number"#]],
        ),
        (
            "telemetry: { service_name: [a] }",
            expect!["DIR/sabot.yaml:1:28: telemetry.service_name: a list is not text"],
        ),
        (
            "performance: { workers: -1, max_memory_mb: 1GiB }",
            expect![[r#"DIR/sabot.yaml:1:25: performance.workers: "-1" is not a whole number, 0 or more"#]],
        ),
        ("server: 8000", expect![[r#"DIR/sabot.yaml:1:9: server: "8000" is not a mapping of keys to values"#]]),
        ("streams: b", expect![[r#"DIR/sabot.yaml:1:10: streams: "b" is not a list"#]]),
        (
            "streams:\n  - { name: b }\n  - { name: c, partitions: two }\n",
            expect![[r#"DIR/sabot.yaml:3:28: streams[1].partitions: "two" is not a whole number, 0 or more"#]],
        ),
    ] {
        check_project(&[("sabot.yaml", settings)], &[], expected);
    }
}

#[test]
fn a_variable_is_named_when_its_value_is_wrong() {
    for (variable, value, expected) in [
        (
            "SABOT_SERVER__PORT",
            "many",
            expect![[r#"SABOT_SERVER__PORT: server.port: "many" is not a whole number from 0 to 65535"#]],
        ),
        ("SABOT_SAMPLE_RATE", "3", expect!["SABOT_SAMPLE_RATE: telemetry.sample_rate: 3 is not between 0 and 1"]),
        (
            "SABOT_PERFORMANCE__COMMIT_INTERVAL",
            "0",
            expect!["SABOT_PERFORMANCE__COMMIT_INTERVAL: performance.commit_interval: 0s is not longer than 0"],
        ),
        (
            "SABOT_TELEMETRY_ENABLED",
            "perhaps",
            expect![[r#"SABOT_TELEMETRY_ENABLED: telemetry.enabled: "perhaps" is not true or false"#]],
        ),
    ] {
        check_project(&[("sabot.yaml", "server: { port: 1 }")], &[(variable, value)], expected);
    }
}

#[test]
fn variables_come_from_the_given_environment() {
    let dir = project(&[("sabot.yaml", "server: { port: ${API_PORT:-1} } # not ${THIS}\n")]);
    let port =
        |environment: &[(&str, &str)]| load(&dir, environment).map(|project| project.settings.settings.server.port);
    assert_eq!(port(&[]), Ok(1));
    assert_eq!(port(&[("API_PORT", "9000")]), Ok(9_000));
    assert!(port(&[("API_PORT", "many")]).is_err_and(|error| error.contains("sabot.yaml:1:17: server.port")));
}

#[test]
fn without_a_directory_the_environment_still_counts() {
    let environment = [("SABOT_SERVER__PORT", "9000"), ("OTEL_SERVICE_NAME", "mine")];
    let environment = environment.map(|(k, v)| (k.to_owned(), v.to_owned()));
    let project = Project::load_from(None, None, environment).expect("valid");
    let settings = &project.settings.settings;
    assert_eq!((settings.server.port, settings.telemetry.service_name.as_str()), (9_000, "mine"));
    assert_eq!(project.dir, Path::new("."));
    assert!(project.streams.is_empty() && project.agents.is_empty());
    Project::without_directory().expect("this process has no wrong variables");
}

#[test]
fn a_file_stands_in_for_the_directorys() {
    let dir = project(&[
        ("sabot.yaml", "server: { port: 1 }\nstreams: [{ name: own }]\n"),
        ("streams/b.yaml", "name: b\n"),
        ("elsewhere/other.yaml", "server: { port: 2 }\nstreams: [{ name: theirs }]\n"),
    ]);
    let config = dir.path().join("elsewhere/other.yaml");
    let loaded = |in_dir: bool| {
        let project = Project::load_from(in_dir.then_some(dir.path()), Some(&config), []).expect("valid");
        let streams: Vec<String> = project.streams.iter().map(|stream| stream.name.to_string()).collect();
        (project.settings.settings.server.port, streams)
    };
    assert_eq!(loaded(true), (2, vec!["theirs".to_owned(), "b".to_owned()]));
    assert_eq!(loaded(false), (2, vec!["theirs".to_owned()]));
    let missing = Project::load_from(None, Some(Path::new("/no/such.yaml")), []).expect_err("no such file");
    assert!(missing.to_string().starts_with("/no/such.yaml: "), "{missing}");
}

#[test]
fn agents_have_names_and_files_of_their_own() {
    check_agent(
        &GOOD_AGENT.replace("name: a", "name: validate"),
        expect![[
            r#"agents/a.yaml:1:7: name: an agent cannot be called "validate": the API has /agents/validate for something else; choose another name"#
        ]],
    );
    check_agent(
        &GOOD_AGENT.replace("name: a", "name: a/b"),
        expect![[
            r#"agents/a.yaml:1:7: name: name "a/b" is not valid: use lower-case letters, digits, _ and -, starting with a letter; dots separate parts"#
        ]],
    );
    for file in
        ["/etc/motd.jsonl", "../out.jsonl", "a/../../out.jsonl", ".sabot/telemetry/x.parquet", "./.sabot/x.jsonl", "''"]
    {
        let agent = AgentConfig::parse(Path::new("a.yaml"), &GOOD_AGENT.replace("stream: b", &format!("file: {file}")));
        let error = agent.expect_err(file).to_string();
        assert!(error.starts_with("a.yaml:4:17: output.file: output file "), "{error}");
    }
    check_agent(
        &GOOD_AGENT.replace("stream: b", "file: ../x.jsonl"),
        expect![[
            r#"agents/a.yaml:4:17: output.file: output file "../x.jsonl" leads out of the project; write a path relative to the project's directory, without .."#
        ]],
    );
    check_agent(
        &GOOD_AGENT.replace("stream: b", "file: .sabot/x.jsonl"),
        expect![[
            r#"agents/a.yaml:4:17: output.file: output file ".sabot/x.jsonl" is in .sabot, where Sabot keeps its data; choose another directory of the project"#
        ]],
    );
    check_agent(&GOOD_AGENT.replace("stream: b", "file: ./out/x..y.jsonl"), expect![[r#"File("./out/x..y.jsonl")"#]]);
}

#[test]
fn names_that_sabot_makes_are_not_taken_by_others() {
    let late = format!("{GOOD_AGENT}late: {{ to: orders.dead }}\n");
    for (settings, agent, expected) in [
        (
            "streams:\n  - { name: orders.dead }\n  - { name: orders, source: { file: o.csv } }\n",
            GOOD_AGENT,
            expect![[
                r#"DIR/sabot.yaml: "orders.dead" is where Sabot keeps the rows of "orders" that do not fit; choose another name"#
            ]],
        ),
        (
            "streams: [{ name: orders, source: { file: o.csv } }]",
            &late,
            expect![[
                r#"DIR/agents/a.yaml: "orders.dead" is where Sabot keeps the rows of "orders" that do not fit; choose another name"#
            ]],
        ),
        (
            "tables: [{ name: t, key: k, source: { file: t.csv } }]",
            &GOOD_AGENT.replace("stream: b", "stream: t.changelog"),
            expect![[
                r#"DIR/agents/a.yaml: "t.changelog" is where Sabot keeps the changes of table "t"; choose another name"#
            ]],
        ),
        (
            "streams: [{ name: a.file }]",
            &GOOD_AGENT.replace("stream: b", "file: out.parquet"),
            expect![[
                r#"DIR/sabot.yaml: "a.file" is where Sabot keeps the rows of agent "a" until its file is written; choose another name"#
            ]],
        ),
        (
            "streams: [{ name: b.changelog }]",
            &GOOD_AGENT.replace("stream: b", "table: b, key: k"),
            expect![[
                r#"DIR/sabot.yaml: "b.changelog" is where Sabot keeps the changes of table "b"; choose another name"#
            ]],
        ),
        // Nothing goes to orders.dead here.
        ("streams: [{ name: orders, on_error: skip, source: { file: o.csv } }]", &late, expect!["loaded"]),
    ] {
        check_project(&[("sabot.yaml", settings), ("agents/a.yaml", agent)], &[], expected);
    }
}

#[test]
fn a_file_is_read_or_written_but_not_both() {
    let settings = ("sabot.yaml", "streams: [{ name: orders, source: { file: data/../data/o.jsonl } }]");
    let agent = |name: &str, file: &str| {
        GOOD_AGENT.replace("name: a", &format!("name: {name}")).replace("stream: b", &format!("file: {file}"))
    };
    let (same, other) = (agent("a", "./data/o.jsonl"), agent("a", "data/p.jsonl"));
    check_project(
        &[settings, ("agents/a.yaml", &same)],
        &[],
        expect![[
            r#"DIR/agents/a.yaml: output.file: "./data/o.jsonl" is taken: "orders" is filled from it; choose another file"#
        ]],
    );
    check_project(
        &[settings, ("agents/a.yaml", &same), ("data/o.jsonl", "{}")],
        &[],
        expect![[
            r#"DIR/agents/a.yaml: output.file: "./data/o.jsonl" is taken: "orders" is filled from it; choose another file"#
        ]],
    );
    check_project(&[settings, ("agents/a.yaml", &other)], &[], expect!["loaded"]);
    check_project(
        &[settings, ("agents/a.yaml", &other), ("agents/z.yaml", &agent("z", "data/p.jsonl"))],
        &[],
        expect![[
            r#"DIR/agents/z.yaml: output.file: "data/p.jsonl" is taken: agent "a" writes it; choose another file"#
        ]],
    );
}

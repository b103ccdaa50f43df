//! Files of any form, changed by key.

use std::path::Path;

use serde_json::{Value, json};

use super::{Change, SettingsFile, TelemetryChange, edit};
use crate::config::{Origin, Project};

fn edited(text: &str, changes: &[Change]) -> Result<String, String> {
    edit(Path::new("sabot.yaml"), text, changes).map_err(|error| error.to_string())
}

fn on() -> Vec<Change> {
    let change = TelemetryChange {
        sample_rate: Some(0.25),
        otlp_endpoint: Some("http://c:4317".to_owned()),
        ..TelemetryChange::default()
    };
    change.changes(true)
}

#[test]
fn everything_else_stays_as_it_is() {
    let text = "# head\nserver:\n  port: 1   # p\n\n# tele\ntelemetry:\n  # why\n  enabled: false   # off\n  sample_rate: 1.0\n\n# tail\n\
                streams:\n- name: \"a\"\n";
    expect_test::expect![[r#"
        # head
        server:
          port: 1   # p

        # tele
        telemetry:
          # why
          enabled: true   # off
          sample_rate: 0.25
          tracing:
            otlp_endpoint: http://c:4317

        # tail
        streams:
        - name: "a"
    "#]]
    .assert_eq(&edited(text, &on()).expect("edited"));
}

#[test]
fn any_form_of_file_can_be_changed() {
    for text in [
        "",
        "# only a comment",
        "name: x\n",
        "telemetry:\nstreams: []\n",
        "telemetry: { enabled: false, service_name: flights }   # all\nstreams: []\n",
        "telemetry: # later\n  tracing: {}\n",
        "telemetry:\n    tracing:\n        otlp_endpoint: \"http://a:1\" # x\n    enabled: no",
        "{\"telemetry\": {\"enabled\": false,\n  \"tracing\": {\"console\": false}}}\n",
        "---\ntelemetry:\n  enabled: true\n...\n",
        "telemetry:\r\n  enabled: false # off\r\nstreams: []\r\n",
        "telemetry:\n  tracing:\n    headers:\n      a: b\n  storage:\n    retention: 1d\nserver:\n  port: 1\n",
    ] {
        let after = edited(text, &on()).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        let means: Value = serde_saphyr::from_str(&after).unwrap_or_else(|error| panic!("{after}: {error}"));
        assert_eq!(means["telemetry"]["enabled"], json!(true), "{after}");
        assert_eq!(means["telemetry"]["sample_rate"], json!(0.25), "{after}");
        assert_eq!(means["telemetry"]["tracing"]["otlp_endpoint"], json!("http://c:4317"), "{after}");
        assert!(
            text.lines().filter_map(|line| line.split_once('#')).all(|(_, comment)| after.contains(comment)),
            "{after}"
        );
        assert_eq!(text.contains("\r\n"), after.contains("\r\n"), "{after:?}");
        assert_eq!(edited(&after, &on()).expect("again"), after, "the same change changes nothing");
        let off =
            TelemetryChange { otlp_endpoint: Some("none".to_owned()), ..TelemetryChange::default() }.changes(false);
        let off = edited(&after, &off).unwrap_or_else(|error| panic!("{after}: {error}"));
        let means: Value = serde_saphyr::from_str(&off).unwrap_or_else(|error| panic!("{off}: {error}"));
        assert_eq!(means["telemetry"]["enabled"], json!(false), "{off}");
        assert_eq!(means["telemetry"]["tracing"].get("otlp_endpoint"), None, "{off}");
    }
}

#[test]
fn a_file_that_is_no_mapping_is_left_alone() {
    for text in ["- a\n- b\n", "text", "a: ["] {
        match edited(text, &on()) {
            Err(error) => assert!(error.starts_with("sabot.yaml: cannot be changed by a program"), "{error}"),
            Ok(after) => panic!("{text:?} became {after:?}"),
        }
    }
}

#[test]
fn the_environment_still_counts_more() {
    let variables = [("SABOT_SAMPLE_RATE".to_owned(), "0.5".to_owned())];
    let project = Project::load_from(None, None, variables).expect("a project");
    let changed = project.settings.changed(&on()).expect("changed");
    let telemetry = &changed.source.settings.telemetry;
    assert!((telemetry.sample_rate - 0.5).abs() < f64::EPSILON);
    assert_eq!(telemetry.tracing.otlp_endpoint.as_deref(), Some("http://c:4317"));
    assert_eq!(
        changed.overridden,
        ["telemetry.sample_rate stays 0.5: the environment variable SABOT_SAMPLE_RATE says so"]
    );
    assert_eq!(changed.source.origins.get("telemetry.tracing.otlp_endpoint"), Some(&Origin::File));
    let wrong = TelemetryChange { sample_rate: Some(2.0), ..TelemetryChange::default() };
    let settings = Project::load_from(None, None, []).expect("a project").settings;
    let error = settings.changed(&wrong.changes(true)).expect_err("more than everything").to_string();
    assert!(error.starts_with("telemetry.sample_rate: "), "{error}");
}

#[test]
fn a_file_is_written_whole_and_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let (path, link) = (dir.path().join("sabot.yaml"), dir.path().join("link.yaml"));
    SettingsFile::edit(&path, &on()).expect("edited").save().expect("a new file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("a mode");
    std::os::unix::fs::symlink(&path, &link).expect("a link");
    let off = TelemetryChange::default().changes(false);
    SettingsFile::edit(&link, &off).expect("edited").save().expect("written");
    assert!(link.is_symlink());
    let mode = std::fs::metadata(&path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let settings = Project::load_from(Some(dir.path()), None, []).expect("a project").settings.settings;
    assert!(!settings.telemetry.enabled && (settings.telemetry.sample_rate - 0.25).abs() < f64::EPSILON);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 2, "nothing else is left");

    std::fs::write(&path, "telemetry:\n  colour: red\n").expect("written");
    let error = SettingsFile::edit(&path, &off).expect_err("an unknown key").to_string();
    assert!(error.contains("sabot.yaml:2:3") && error.contains("colour"), "{error}");
}

#[test]
fn what_somebody_else_changes_meanwhile_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let (path, theirs) = (dir.path().join("sabot.yaml"), dir.path().join("sabot.yaml.partial"));
    std::fs::write(&path, "telemetry:\n  enabled: true\n").expect("written");
    std::fs::write(&theirs, "mine").expect("written");
    let edited = SettingsFile::edit(&path, &TelemetryChange::default().changes(false)).expect("edited");
    std::fs::write(&path, "# new\ntelemetry:\n  enabled: true\n").expect("written");
    edited.save().expect("written");
    assert_eq!(std::fs::read_to_string(&path).expect("text"), "# new\ntelemetry:\n  enabled: false\n");
    assert_eq!(std::fs::read_to_string(&theirs).expect("text"), "mine");
    let gone = dir.path().join("gone.yaml");
    std::os::unix::fs::symlink(dir.path().join("nothing"), &gone).expect("a link");
    let error = SettingsFile::edit(&gone, &on()).expect_err("a link to nothing").to_string();
    assert!(error.contains("mend the link"), "{error}");
}

#[test]
fn line_ends_of_a_mixed_file_stay_as_they_are() {
    let text = "server:\r\n  port: 8000\ntelemetry:\n  enabled: true\n";
    let after = edited(text, &TelemetryChange::default().changes(false)).expect("edited");
    assert_eq!(after, "server:\r\n  port: 8000\ntelemetry:\n  enabled: false\n");
}

#[test]
fn values_that_would_become_others_are_refused() {
    let settings = Project::load_from(None, None, []).expect("a project").settings;
    let rate = |rate| TelemetryChange { sample_rate: Some(rate), ..TelemetryChange::default() };
    for change in [rate(f64::NAN), rate(f64::INFINITY), rate(-0.1)] {
        let error = settings.changed(&change.changes(true)).expect_err("no share").to_string();
        assert!(error.starts_with("telemetry.sample_rate: "), "{error}");
    }
    let named = TelemetryChange { service_name: Some("${HOME}".to_owned()), ..TelemetryChange::default() };
    let error = settings.changed(&named.changes(true)).expect_err("a variable").to_string();
    assert!(error.contains("give the value itself"), "{error}");
}

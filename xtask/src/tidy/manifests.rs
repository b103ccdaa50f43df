//! Rules for manifests: every crate takes the workspace's lints, and dependencies point down only.
//!
//! The layers are ARCHITECTURE.md's, top first; a crate may depend on crates of lower layers, never on one of its own.
//! Development dependencies are free: they do not ship.

use toml::{Table, Value};

use super::Report;
use super::repo::File;

/// Crates from top to bottom; crates of one layer do not know each other.
const LAYERS: [&[&str]; 9] = [
    &["sabot", "sabot-bench"],
    &["sabot-server"],
    &["sabot-cluster"],
    &["sabot-observatory", "sabot-engine", "sabot-tasks"],
    &["sabot-sql"],
    &["sabot-runtime"],
    // Examples stand here because they may use sabot-telemetry, and nothing of what is above.
    &["sabot-store", "telemetry_demo", "tracing_service"],
    // sabot-telemetry is for any Rust program, so it stands beside the bottom and not on it.
    &["sabot-common", "sabot-telemetry"],
    // What expands to calls of sabot-telemetry, and knows its names only.
    &["sabot-telemetry-macros"],
];

/// A library, by the start of its name, and the one crate that may name it.
const KEEPERS: [(&str, &str); 2] = [("datafusion", "sabot-sql"), ("fjall", "sabot-store")];

/// Applies the rules to the manifests among `files`.
pub(super) fn check(files: &[File], report: &mut Report) {
    let manifests = files.iter().filter(|file| is_member(&file.path));
    let workspace = files.iter().find(|file| file.path == "Cargo.toml").map(|file| &file.text);
    let workspace = workspace.and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
    for file in manifests {
        match file.text.parse::<Table>() {
            Ok(manifest) => check_manifest(&file.path, &manifest, &workspace, report),
            Err(error) => report.problem(&file.path, 0, format!("does not parse: {}", error.message())),
        }
    }
}

fn is_member(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').collect();
    matches!(parts.as_slice(), ["crates" | "examples", _, "Cargo.toml"] | ["xtask", "Cargo.toml"])
}

fn check_manifest(path: &str, manifest: &Table, workspace: &Table, report: &mut Report) {
    let has_lints = at(manifest, &["lints", "workspace"]).and_then(Value::as_bool) == Some(true);
    if !has_lints {
        report.problem(path, 0, "lacks `[lints] workspace = true`");
    }
    let Some(name) = at(manifest, &["package", "name"]).and_then(Value::as_str) else {
        report.problem(path, 0, "has no package.name");
        return;
    };
    if layer(name).is_none() && name != "xtask" {
        report.problem(path, 0, format!("{name} is in no layer; add it to xtask's LAYERS and to ARCHITECTURE.md"));
    }
    for dependency in dependencies(manifest, workspace, &["dependencies", "build-dependencies"]) {
        check_direction(path, name, &dependency, report);
    }
    for dependency in dependencies(manifest, workspace, &["dependencies", "build-dependencies", "dev-dependencies"]) {
        for (library, keeper) in KEEPERS {
            if dependency.starts_with(library) && name != keeper {
                report.problem(path, 0, format!("{name} names {dependency}; only {keeper} may"));
            }
        }
    }
}

fn check_direction(path: &str, name: &str, dependency: &str, report: &mut Report) {
    let Some(below) = layer(dependency) else { return };
    if layer(name).is_none_or(|own| below <= own) {
        let message = format!("{name} depends on {dependency}, which is not below it; arrows point down only");
        report.problem(path, 0, message);
    }
}

/// How far down a crate of ours stands.
fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|crates| crates.contains(&name))
}

/// The packages named in these tables, also those for some targets only, by their real names.
fn dependencies(manifest: &Table, workspace: &Table, tables: &[&str]) -> Vec<String> {
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    let places = targets.filter_map(Value::as_table).chain([manifest]);
    let tables = places.flat_map(|place| tables.iter().filter_map(|table| place.get(*table)?.as_table()));
    tables.flat_map(|table| table.iter().map(|(key, value)| package(key, value, workspace))).collect()
}

/// A dependency's real name: it may be renamed here or, when inherited, in the workspace.
fn package(key: &str, value: &Value, workspace: &Table) -> String {
    let renamed = |spec: &Value| spec.get("package").and_then(Value::as_str).map(str::to_owned);
    let inherited = || at(workspace, &["workspace", "dependencies", key]).and_then(renamed);
    renamed(value).or_else(inherited).unwrap_or_else(|| key.to_owned())
}

fn at<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(*key))
}

//! The repository is tidy, and each rule can fail.

use std::path::Path;

use super::repo::File;
use super::report::Sizes;
use super::{Report, manifests, rust, text};

#[test]
fn the_repository_is_tidy() {
    let report = super::check(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).expect("git and readable files");
    assert!(report.is_clean(), "\n{report}");
}

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// What the rules say of one Rust file, one problem a line, without the sizes.
fn rust_problems(path: &str, code: &str) -> String {
    let mut report = Report::default();
    let file = file(path, code);
    rust::check(&file, &mut report);
    text::check(&file, &mut report);
    problems(report)
}

fn problems(mut report: Report) -> String {
    report.sort();
    let text = report.to_string();
    let lines = text.lines().filter(|line| line.contains(": ") && !line.contains(" p50 "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_clean_file_passes() {
    let code = "//! What lives here.\n\n/// \"todo!()\", and `#[allow(x)]` in words.\nfn f() -> &'static str {\n    \"todo!(\"\n}\n";
    assert_eq!(rust_problems("crates/a/src/a.rs", code), "");
}

#[test]
fn files_begin_with_a_doc_and_are_not_named_mod() {
    assert_eq!(
        rust_problems("crates/a/src/a/mod.rs", "fn f() {}\n"),
        "crates/a/src/a/mod.rs: is named mod.rs; write foo.rs beside foo/\n\
         crates/a/src/a/mod.rs:1: does not begin with a module doc: //! what lives here, and the invariant"
    );
}

#[test]
fn broken_rust_is_told_with_its_line() {
    let found = rust_problems("crates/a/src/a.rs", "//! Doc.\nfn f( {}\n");
    assert!(found.starts_with("crates/a/src/a.rs:2: does not parse: "), "{found}");
}

#[test]
fn long_files_fail_and_their_tests_do_not_count() {
    let constants = |count: usize| "const C: u8 = 0;\n".repeat(count);
    let with_tests =
        |tests: usize| format!("//! Doc.\n{}#[cfg(test)]\nmod tests {{\n{}}}\n", constants(599), constants(tests));
    assert_eq!(rust_problems("crates/a/src/a.rs", &with_tests(300)), "");
    let too_long = format!("//! Doc.\n{}", constants(600));
    assert_eq!(
        rust_problems("crates/a/src/a.rs", &too_long),
        "crates/a/src/a.rs: 601 lines of production code; at most 600: split along a seam"
    );
    for path in [
        "crates/a/src/a/tests.rs",
        "crates/a/tests/it/main.rs",
        "crates/a/benches/b.rs",
        "crates/a/examples/b.rs",
        "examples/a/tests/it/main.rs",
    ] {
        assert_eq!(rust_problems(path, &too_long), "", "{path}");
    }
    assert!(rust_problems("examples/a/src/main.rs", &too_long).contains("601 lines"));
    let not_a_test = too_long.replacen("const", "#[cfg(not(test))]\nmod c {}\nconst", 1);
    assert!(rust_problems("crates/a/src/a.rs", &not_a_test).contains("603 lines"));
}

#[test]
fn long_functions_fail_and_comments_in_them_do_not_count() {
    let function = |statements: usize, attribute: &str| {
        let body = "    // why\n\n    g();\n".repeat(statements);
        format!("//! Doc.\n{attribute}fn f() {{\n{body}}}\n")
    };
    assert_eq!(rust_problems("crates/a/src/a.rs", &function(70, "")), "");
    let too_long = "crates/a/src/a.rs:2: fn f has 71 lines; at most 70";
    assert_eq!(rust_problems("crates/a/src/a.rs", &function(71, "")), too_long);
    assert_eq!(rust_problems("crates/a/src/a.rs", &function(71, "#[test]\n")), "");
    for wrapper in ["impl A {", "trait A {", "mod inner {", "fn outer() {"] {
        let nested = function(71, "").replace("fn f", &format!("{wrapper}\nfn f")) + "}\n";
        assert!(rust_problems("crates/a/src/a.rs", &nested).contains("fn f has 71 lines"), "{wrapper}");
    }
}

#[test]
fn forbidden_words_fail_in_code() {
    for (code, expected) in [
        ("fn f() { todo!() }", "todo!: finish it, or return an error the user can act on"),
        ("fn f() { g(unimplemented!(\"x\")) }", "unimplemented!: finish it, or return an error the user can act on"),
        ("#[allow(dead_code)] fn f() {}", "#[allow]: write #[expect(lint, reason = \"…\")]"),
        ("#![allow(dead_code)]", "#[allow]: write #[expect(lint, reason = \"…\")]"),
        ("#[test] #[ignore = \"slow\"] fn f() {}", "#[ignore]: a test that does not run proves nothing"),
        ("// FIXME later", "FIXME: finish it, or file an issue and say what is refused"),
    ] {
        let found = rust_problems("crates/a/src/a.rs", &format!("//! Doc.\n{code}\n"));
        assert_eq!(found, format!("crates/a/src/a.rs:2: {expected}"), "{code}");
        assert_eq!(rust_problems("xtask/src/a.rs", &format!("//! Doc.\n{code}\n")), "", "{code}");
    }
}

fn text_problems(path: &str, content: &str) -> String {
    let mut report = Report::default();
    text::check(&file(path, content), &mut report);
    problems(report)
}

#[test]
fn machine_paths_fail_anywhere() {
    for line in ["see /home/ann/x", "PATH=/root/1/bin", "(\"/work/1\")", "`/Users/ann`"] {
        assert!(text_problems("docs/a.md", line).contains("which is one machine's"), "{line}");
    }
    for line in ["https://example.com/home/ann", "$HOME/work/1", "../work/1", "/workers/a", "at /home/ and /root/"] {
        assert_eq!(text_problems("docs/a.md", line), "", "{line}");
    }
}

#[test]
fn ui_files_are_bounded_and_vendored_ones_are_not() {
    let long = "x;\n".repeat(601);
    let message = "crates/sabot-server/ui/src/a.js: 601 lines; at most 600: split it along a seam";
    assert_eq!(text_problems("crates/sabot-server/ui/src/a.js", &long), message);
    assert_eq!(text_problems("crates/sabot-server/ui/a.css", &long).lines().count(), 1);
    assert_eq!(text_problems("crates/sabot-server/ui/vendor/a.js", &long), "");
    assert_eq!(text_problems("crates/sabot-server/ui/src/a.js", &"x;\n".repeat(600)), "");
}

const WORKSPACE: &str = "[workspace.dependencies]\nsabot-common = { path = \"c\" }\nengine = { package = \"datafusion\", version = \"1\" }\n";

fn manifest_problems(name: &str, rest: &str) -> String {
    let mut report = Report::default();
    let manifest = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}");
    manifests::check(&[file("Cargo.toml", WORKSPACE), file("crates/x/Cargo.toml", &manifest)], &mut report);
    problems(report).replace("crates/x/Cargo.toml: ", "")
}

#[test]
fn dependencies_point_down_only() {
    for (name, dependency) in [
        ("sabot-store", "sabot-runtime"),
        ("sabot-engine", "sabot-observatory"),
        ("sabot-tasks", "sabot-engine"),
        ("sabot-sql", "sabot-engine"),
        ("sabot-telemetry", "sabot-common"),
        ("sabot-common", "sabot-telemetry"),
        ("sabot-server", "sabot"),
        ("telemetry_demo", "sabot-runtime"),
        ("tracing_service", "sabot-store"),
        ("xtask", "sabot-common"),
    ] {
        let expected = format!("{name} depends on {dependency}, which is not below it; arrows point down only");
        for table in ["dependencies", "build-dependencies", "target.'cfg(unix)'.dependencies"] {
            assert_eq!(manifest_problems(name, &format!("[{table}]\n{dependency}.workspace = true\n")), expected);
        }
        assert_eq!(manifest_problems(name, &format!("[dev-dependencies]\n{dependency}.workspace = true\n")), "");
    }
    assert_eq!(manifest_problems("sabot-engine", "[dependencies]\nsabot-sql.workspace = true\nserde = \"1\"\n"), "");
    assert_eq!(manifest_problems("sabot-sql", "[dependencies]\nsabot-telemetry.workspace = true\n"), "");
}

#[test]
fn a_library_has_one_keeper_whatever_it_is_called() {
    let only = "only sabot-sql may";
    for rest in [
        "[dependencies]\ndatafusion-expr = \"1\"\n",
        "[dev-dependencies]\ndatafusion.workspace = true\n",
        "[dependencies]\nengine.workspace = true\n",
        "[dependencies]\nquery = { package = \"datafusion\", version = \"1\" }\n",
    ] {
        assert!(manifest_problems("sabot-engine", rest).ends_with(only), "{rest}");
        assert_eq!(manifest_problems("sabot-sql", rest), "", "{rest}");
    }
    assert!(manifest_problems("sabot-sql", "[dependencies]\nfjall = \"1\"\n").ends_with("only sabot-store may"));
}

#[test]
fn crates_take_the_workspaces_lints_and_have_a_layer() {
    let mut report = Report::default();
    let manifests = [
        file("crates/a/Cargo.toml", "[package]\nname = \"sabot-sql\"\n"),
        file("crates/b/Cargo.toml", "[package]\nname = \"sabot-extra\"\n[lints]\nworkspace = true\n"),
        file("crates/c/Cargo.toml", "[package\n"),
        file("examples/d/Cargo.toml", "[package]\nname = \"tracing_service\"\n"),
    ];
    manifests::check(&manifests, &mut report);
    let found = problems(report);
    let lines: Vec<_> = found.lines().collect();
    assert_eq!(lines.len(), 4, "{found}");
    assert_eq!(lines[0], "crates/a/Cargo.toml: lacks `[lints] workspace = true`");
    assert!(lines[1].contains("sabot-extra is in no layer"), "{found}");
    assert!(lines[2].starts_with("crates/c/Cargo.toml: does not parse"), "{found}");
    assert_eq!(lines[3], "examples/d/Cargo.toml: lacks `[lints] workspace = true`");
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let mut sizes = Sizes::default();
    assert_eq!(sizes.percentile(50), 0);
    for lines in 1..=10 {
        sizes.add(lines, String::new());
    }
    assert_eq!([50, 90, 100].map(|percent| sizes.percentile(percent)), [5, 9, 10]);
}

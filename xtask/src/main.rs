//! Tasks of this repository that are not the program itself: `cargo xtask tidy` checks the rules compilers do not know.

mod tidy;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => match tidy::check(&repository()) {
            Ok(report) => say(&report.to_string(), u8::from(!report.is_clean())),
            Err(error) => say(&format!("tidy: {error}"), 1),
        },
        _ => say(USAGE, 2),
    }
}

/// The repository this was built from.
fn repository() -> std::path::PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

fn say(text: &str, code: u8) -> ExitCode {
    match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::from(code),
        Err(_closed) => ExitCode::FAILURE,
    }
}

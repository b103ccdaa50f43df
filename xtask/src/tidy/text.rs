//! Rules for any text file: no path of one machine, no mark of unfinished work, UI files of a readable size.

use super::Report;
use super::repo::File;

/// Lines of one script or style sheet of the UI.
const UI_LINES_MAX: usize = 600;
/// Directories that exist on somebody's machine only.
const MACHINE_DIRECTORIES: [&str; 6] = ["/home/", "/root/", "/Users/", "/work/", "/workspace/", "/builds/"];

/// Applies the rules to one file.
pub(super) fn check(file: &File, report: &mut Report) {
    check_ui_size(file, report);
    if file.is_own() || file.path == "Cargo.lock" || file.path.contains("/vendor/") {
        return;
    }
    for (index, line) in file.text.lines().enumerate() {
        if let Some(directory) = machine_directory(line) {
            report.problem(&file.path, index + 1, format!("names a path under {directory}, which is one machine's"));
        }
        if is_code(file) && line.contains("FIXME") {
            report.problem(&file.path, index + 1, "FIXME: finish it, or file an issue and say what is refused");
        }
    }
}

fn check_ui_size(file: &File, report: &mut Report) {
    let in_ui = file.path.strip_prefix("crates/sabot-server/ui/").is_some_and(|rest| !rest.starts_with("vendor/"));
    let lines = file.text.lines().count();
    if in_ui && matches!(file.extension(), Some("js" | "css")) && lines > UI_LINES_MAX {
        report.problem(&file.path, 0, format!("{lines} lines; at most {UI_LINES_MAX}: split it along a seam"));
    }
}

fn is_code(file: &File) -> bool {
    matches!(file.extension(), Some("rs" | "js" | "css" | "py" | "sh")) || file.path.starts_with(".ci/")
}

/// The machine's directory an absolute path of this line lies under.
fn machine_directory(line: &str) -> Option<&'static str> {
    MACHINE_DIRECTORIES.into_iter().find(|directory| {
        line.match_indices(directory).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + directory.len()..).and_then(|text| text.chars().next());
            starts_a_path(before) && after.is_some_and(|c| c.is_alphanumeric() || c == '.')
        })
    })
}

/// Whether a slash after this character begins an absolute path, rather than going on with a relative one or a URL.
fn starts_a_path(before: Option<char>) -> bool {
    before.is_none_or(|c| c.is_whitespace() || "\"'`=:(,[<>".contains(c))
}

//! The repository's files: those git tracks and those it would add. What `.gitignore` names does not exist here.

use std::path::Path;
use std::process::Command;

use super::TidyError;

/// One file: its path from the repository's root, with `/`, and its text.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether it is Rust of this workspace.
    pub(crate) fn is_rust(&self) -> bool {
        let is_member = ["crates/", "examples/"].into_iter().any(|directory| self.path.starts_with(directory));
        self.extension() == Some("rs") && (is_member || self.is_own())
    }

    /// What follows the last dot of its name.
    pub(crate) fn extension(&self) -> Option<&str> {
        Path::new(&self.path).extension()?.to_str()
    }

    /// Whether it belongs to this checker, which must spell what it forbids.
    pub(crate) fn is_own(&self) -> bool {
        self.path.starts_with("xtask/")
    }

    /// Whether it holds tests, benchmarks or a crate's examples, and no code that ships. The examples at the root are read
    /// as programs of their own.
    pub(crate) fn is_test(&self) -> bool {
        let path = self.path.strip_prefix("examples/").unwrap_or(&self.path);
        let in_directory = |name: &str| path.split('/').rev().skip(1).any(|part| part == name);
        self.path.ends_with("/tests.rs") || ["tests", "benches", "examples"].into_iter().any(in_directory)
    }
}

/// Every text file, in order of path. Files that are not UTF-8 are data, and left out.
pub(crate) fn text_files(root: &Path) -> Result<Vec<File>, TidyError> {
    let mut files = Vec::new();
    for path in listed(root)? {
        let full = root.join(&path);
        match std::fs::read(&full) {
            Ok(bytes) => files.extend(String::from_utf8(bytes).ok().map(|text| File { path, text })),
            // Deleted and not yet committed, or a link to a directory.
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory) => {}
            Err(source) => return Err(TidyError::Read { file: full, source }),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn listed(root: &Path) -> Result<Vec<String>, TidyError> {
    let fail = |problem: String| TidyError::Git { root: root.to_owned(), problem };
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
        .current_dir(root)
        .output()
        .map_err(|error| fail(error.to_string()))?;
    if !output.status.success() {
        return Err(fail(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let names = String::from_utf8_lossy(&output.stdout);
    Ok(names.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

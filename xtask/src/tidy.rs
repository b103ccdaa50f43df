//! Rules of the house that neither the compiler nor clippy knows, checked over the files git knows or would add.
//!
//! One module per kind of file: [`rust`] (size, module doc, forbidden words), [`manifests`] (lints, direction of crates),
//! [`text`] (machine paths, marks of unfinished work, size of UI files). A rule adds a problem to the [`Report`]; nothing is changed.
//! Sizes people should aim at are measured and reported, and only the hard limits fail.

mod manifests;
mod repo;
mod report;
mod rust;
mod text;

use std::path::{Path, PathBuf};

pub(crate) use self::report::Report;

/// Why the check itself could not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TidyError {
    /// Git could not tell the repository's files.
    #[error("git ls-files in {}: {problem}", .root.display())]
    Git {
        /// The repository.
        root: PathBuf,
        /// What git said.
        problem: String,
    },
    /// A file could not be read.
    #[error("{}: {source}", .file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Checks the repository at `root`.
pub(crate) fn check(root: &Path) -> Result<Report, TidyError> {
    let mut report = Report::default();
    let files = repo::text_files(root)?;
    for file in &files {
        text::check(file, &mut report);
        if file.is_rust() {
            rust::check(file, &mut report);
        }
    }
    manifests::check(&files, &mut report);
    report.sort();
    Ok(report)
}

#[cfg(test)]
mod tests;

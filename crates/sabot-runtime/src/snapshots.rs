//! Which snapshot files are still needed: bookkeeping between an operator's pieces of state and the files they are in.

use std::collections::{BTreeMap, BTreeSet};

use sabot_store::Section;

/// For each live piece of state, the files that hold it, oldest first.
#[derive(Debug, Default)]
pub(crate) struct SnapshotFiles {
    files_of: BTreeMap<String, Vec<String>>,
}

impl SnapshotFiles {
    /// Takes note of a file read back at start.
    pub(crate) fn restored(&mut self, file: &str, sections: &[Section]) {
        self.written(file, sections);
    }

    /// Takes note of a file just written.
    pub(crate) fn written(&mut self, file: &str, sections: &[Section]) {
        for section in sections {
            let files = self.files_of.entry(section.name.clone()).or_default();
            if section.full {
                files.clear();
            }
            if files.last().is_none_or(|last| last != file) {
                files.push(file.to_owned());
            }
        }
    }

    /// Forgets pieces that are gone and returns the files still needed, oldest first.
    pub(crate) fn retain(&mut self, live: &BTreeSet<String>) -> Vec<String> {
        self.files_of.retain(|name, _| live.contains(name));
        let files: BTreeSet<_> = self.files_of.values().flatten().cloned().collect();
        files.into_iter().collect()
    }
}

/// The sections that count: of each name, those since its last full one, in order.
pub(crate) fn effective(files: Vec<Vec<Section>>) -> Vec<Section> {
    let mut kept: Vec<Section> = Vec::new();
    for section in files.into_iter().flatten() {
        if section.full {
            kept.retain(|earlier| earlier.name != section.name);
        }
        kept.push(section);
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use arrow::array::RecordBatch;
    use arrow::datatypes::Schema;
    use sabot_store::Section;

    use super::{SnapshotFiles, effective};

    fn section(name: &str, full: bool) -> Section {
        Section { name: name.to_owned(), full, batch: RecordBatch::new_empty(Arc::new(Schema::empty())) }
    }

    #[test]
    fn a_file_is_needed_while_any_of_its_pieces_lives() {
        let mut files = SnapshotFiles::default();
        files.written("1", &[section("a", false), section("b", false)]);
        files.written("2", &[section("a", false)]);
        let live = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(files.retain(&live(&["a", "b"])), ["1", "2"]);
        files.written("3", &[section("a", true)]);
        assert_eq!(files.retain(&live(&["a", "b"])), ["1", "3"]);
        assert_eq!(files.retain(&live(&["a"])), ["3"]);
        assert_eq!(files.retain(&live(&[])), Vec::<String>::new());
    }

    #[test]
    fn a_full_section_replaces_what_came_before() {
        let kept = effective(vec![
            vec![section("a", false), section("b", false)],
            vec![section("a", true)],
            vec![section("a", false)],
        ]);
        let names: Vec<_> = kept.iter().map(|s| (s.name.as_str(), s.full)).collect();
        assert_eq!(names, [("b", false), ("a", true), ("a", false)]);
    }
}

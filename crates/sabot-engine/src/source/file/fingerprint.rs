//! Whether a file, and what decides the order of its rows, is what it was when a source began to read it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// How much of a file's start, and of its end, counts: enough to tell exports of one table apart, and read in no time.
const SAMPLE_BYTES: u64 = 64 << 10;

/// Settings of a source by their key in the project.
pub(crate) type Settings = BTreeMap<String, String>;

/// What a position in a file holds good for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    /// Size of the file.
    size_bytes: u64,
    /// XXH3 of its start and end.
    content: u64,
    /// Settings that decide which rows there are, their order and their partition.
    settings: Settings,
}

impl Fingerprint {
    pub(crate) fn of(path: &Path, settings: Settings) -> Result<Self, String> {
        let (size_bytes, content) = sample(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { size_bytes, content, settings })
    }

    /// Whether it is of another file, however that was read.
    pub(crate) fn is_of_another_file(&self, then: &Self) -> bool {
        (self.size_bytes, self.content) != (then.size_bytes, then.content)
    }

    /// What is different from an earlier one, for people.
    pub(crate) fn changes_since(&self, then: &Self) -> Option<String> {
        let mut changes = Vec::new();
        if then.size_bytes != self.size_bytes {
            changes.push(format!("the file had {} bytes and has {}", then.size_bytes, self.size_bytes));
        } else if then.content != self.content {
            changes.push("the file has other content of the same size".to_owned());
        }
        let keys = then.settings.keys().chain(self.settings.keys().filter(|key| !then.settings.contains_key(*key)));
        for key in keys {
            let (before, now) = (value(&then.settings, key), value(&self.settings, key));
            if before != now {
                changes.push(format!("{key} was {before} and is {now}"));
            }
        }
        (!changes.is_empty()).then(|| changes.join(", "))
    }
}

fn value<'a>(settings: &'a Settings, key: &str) -> &'a str {
    settings.get(key).map_or("not set", String::as_str)
}

fn sample(path: &Path) -> std::io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let mut sample = Vec::new();
    file.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    file.seek(SeekFrom::Start(size.saturating_sub(SAMPLE_BYTES).max(sample.len() as u64)))?;
    file.take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    Ok((size, xxh3_64(&sample)))
}

//! Outputs other than streams: tables and files.

use std::fmt::Write as _;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sabot_store::{Disk, FaultyDisk, RealDisk};

use crate::harness::{Harness, contents};

fn harness(output: &str) -> Harness {
    let mut events = "k,v\n".to_owned();
    for i in 0..3_000 {
        writeln!(events, "{},{i}", i % 10).expect("text");
    }
    Harness::new(&[
        ("e.csv", &events),
        ("sabot.yaml", "streams:\n  - { name: e, source: { file: e.csv } }\n"),
        (
            "agents/a.yaml",
            &format!("name: a\nkind: stream\noutput: {output}\nsql: SELECT k, v FROM e WHERE v >= 1000\n"),
        ),
    ])
}

#[test]
fn a_table_holds_the_newest_row_of_each_key() {
    let harness = harness("{ table: t, key: k, backend: memory }");
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    let table = store.table("t").expect("the table");
    assert_eq!(table.len(), 10);
    let row = table.get(&["7"]).expect("a lookup").expect("a row");
    assert!(row.column(1).as_primitive::<Int64Type>().value(0) >= 2_900);
}

#[test]
fn parquet_is_whole_when_the_input_has_ended() {
    let harness = harness("{ file: out/rows.parquet }");
    let disk = FaultyDisk::new();
    harness.run(Arc::new(disk.clone()), 2).expect("a run");
    let bytes = bytes::Bytes::from(contents(&disk, &harness.dir.path().join("out/rows.parquet")));
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).expect("Parquet").build().expect("a reader");
    let rows: usize = reader.map(|batch| batch.expect("rows").num_rows()).sum();
    assert_eq!(rows, 2_000);
}

#[test]
fn json_lines_survive_a_crash_at_every_step() {
    let count = |disk: &FaultyDisk, harness: &Harness| {
        let text = String::from_utf8(contents(disk, &harness.dir.path().join("out.jsonl"))).expect("text");
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let harness = harness("{ file: out.jsonl }");
    let undisturbed = FaultyDisk::new();
    harness.run(Arc::new(undisturbed.clone()), 2).expect("a run");
    let expected = count(&undisturbed, &harness);
    assert_eq!(expected.len(), 2_000);
    for step in 1..10_000 {
        let disk = FaultyDisk::new();
        disk.crash_at_step(step);
        drop(harness.run(Arc::new(disk.clone()), 2));
        if !disk.has_crashed() {
            return;
        }
        let survivor = disk.after_crash(step);
        harness.run(Arc::new(survivor.clone()), 2).expect("a run after the crash");
        assert_eq!(count(&survivor, &harness), expected, "after a crash at step {step}");
    }
}

#[test]
fn the_real_disk_gives_the_same_rows() {
    let mut harness = harness("{ stream: out }");
    harness.options.segment_bytes = 16_384;
    let faulty = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    let expected = crate::harness::rows(&faulty, "out");
    let real = RealRoot(tempfile::tempdir().expect("a directory"));
    let store = harness.run(Arc::new(real), 2).expect("a run");
    assert_eq!(crate::harness::rows(&store, "out"), expected);
}

/// The machine's disk, below a directory.
#[derive(Debug)]
struct RealRoot(tempfile::TempDir);

impl RealRoot {
    fn path(&self, path: &std::path::Path) -> std::path::PathBuf {
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Disk for RealRoot {
    fn create_dir_all(&self, dir: &std::path::Path) -> std::io::Result<()> {
        RealDisk.create_dir_all(&self.path(dir))
    }
    fn list(&self, dir: &std::path::Path) -> std::io::Result<Vec<String>> {
        RealDisk.list(&self.path(dir))
    }
    fn open(
        &self,
        path: &std::path::Path,
        mode: sabot_store::OpenMode,
    ) -> std::io::Result<Arc<dyn sabot_store::DiskFile>> {
        RealDisk.open(&self.path(path), mode)
    }
    fn remove_file(&self, path: &std::path::Path) -> std::io::Result<()> {
        RealDisk.remove_file(&self.path(path))
    }
    fn remove_dir_all(&self, dir: &std::path::Path) -> std::io::Result<()> {
        RealDisk.remove_dir_all(&self.path(dir))
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        RealDisk.rename(&self.path(from), &self.path(to))
    }
    fn sync_dir(&self, dir: &std::path::Path) -> std::io::Result<()> {
        RealDisk.sync_dir(&self.path(dir))
    }
    fn lock(&self, path: &std::path::Path) -> std::io::Result<Box<dyn sabot_store::DiskLock>> {
        RealDisk.lock(&self.path(path))
    }
}

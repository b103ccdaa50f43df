//! Rows to a stream on disk, committed, against writing as many bytes to one file.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use sabot_common::config::Output;
use sabot_common::name::Name;

use crate::cli::Cli;
use crate::engine::{self, Run};
use crate::error::BenchError;
use crate::meter::{Cost, Meter};
use crate::report::{Better, Report, Series};
use crate::telemetry::Telemetry;
use crate::workload::{PASS, Workload};

/// Bytes written at a time by the baseline.
const CHUNK_BYTES: usize = 1 << 20;

/// Measures the sink and its baseline in turns.
pub(crate) fn measure(cli: &Cli, workload: &Workload, dir: &Path, report: &mut Report) -> Result<(), BenchError> {
    let output = Output::Stream { name: Name::new("copy")?, partitions: Some(1) };
    let telemetry = Telemetry::with_spans(dir)?;
    for (_, counts) in cli.rounds() {
        let run = engine::run(workload, &PASS, &output, &telemetry, dir)?;
        if run.rows_out != workload.events as u64 {
            let problem = format!("{} of {} rows were written", run.rows_out, workload.events);
            return Err(BenchError::wrong(PASS.name, problem));
        }
        let sequential = write_sequentially(&dir.join("sequential"), workload.value_bytes())?;
        if counts {
            record(&run, &sequential, workload, report);
        }
    }
    telemetry.stop()
}

/// Writes bytes that no file system can leave out to a new file and syncs it once.
fn write_sequentially(path: &Path, bytes: u64) -> Result<Cost, BenchError> {
    let chunk: Vec<u8> =
        (0_u32..).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).take(CHUNK_BYTES).collect();
    let mut file = File::create(path)?;
    let meter = Meter::start();
    let mut left = usize::try_from(bytes).unwrap_or(usize::MAX);
    while left > 0 {
        let part = chunk.get(..left.min(CHUNK_BYTES)).unwrap_or(&chunk);
        file.write_all(part)?;
        left -= part.len();
    }
    file.sync_data()?;
    let cost = meter.cost();
    std::fs::remove_file(path)?;
    Ok(cost)
}

#[expect(clippy::cast_precision_loss, reason = "rates are floating point")]
fn record(run: &Run, sequential: &Cost, workload: &Workload, report: &mut Report) {
    let bytes = workload.value_bytes();
    let megabytes = bytes as f64 / 1e6;
    let (own, plain) = (megabytes / run.running.wall.as_secs_f64(), megabytes / sequential.wall.as_secs_f64());
    let series = |kind: &str| Series::new(PASS.suite, format!("{}.{kind}", PASS.name));
    report.add(series("sabot").unit("MB/second", Better::Higher), own);
    report.add(series("sequential_write").unit("MB/second", Better::Higher), plain);
    report.add(series("ratio").unit("ratio", Better::Higher), own / plain);
    report.add(
        series("sabot.cpu").unit("events/cpu_second", Better::Higher),
        run.running.per_cpu_second(workload.events),
    );
    report.add(series("sabot.wall").unit("events/second", Better::Higher), run.running.per_second(workload.events));
    let written = run.written;
    report.add(series("written_per_output").unit("ratio", Better::Lower), written.bytes() as f64 / bytes as f64);
    report.add(series("written.segments").unit("bytes", Better::Lower), written.data_bytes as f64);
    report.add(series("written.journal").unit("bytes", Better::Lower), written.journal_bytes as f64);
    report.add(series("commit_groups").unit("groups", Better::Lower), run.groups as f64);
    report.add(
        series("fsync_rounds").unit("rounds/group", Better::Lower),
        written.rounds as f64 / run.groups.max(1) as f64,
    );
    report.add(series("fsyncs").unit("syncs/group", Better::Lower), written.syncs as f64 / run.groups.max(1) as f64);
}

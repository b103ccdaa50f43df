//! What the process itself uses, as the operating system tells, and what it may use.

use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// Resident memory.
    pub(crate) memory_bytes: u64,
    /// Processor time used since the process started.
    pub(crate) cpu: Duration,
}

/// Lets the process open as many files as it may be allowed: by default a shell gives it far fewer.
pub(crate) fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!("the limit of open files stays {:?}: {error}", limit.current);
    }
}

/// Reads the process's usage; zeros where the system does not say.
pub(crate) fn usage() -> Usage {
    let memory_bytes = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| resident(&text));
    let cpu = cpu_time();
    Usage { memory_bytes: memory_bytes.unwrap_or(0), cpu: cpu.unwrap_or_default() }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1_024)
}

/// User and system time of all threads: fields 14 and 15 of `stat`, in ticks of a hundredth of a second.
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

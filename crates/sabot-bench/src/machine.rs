//! Where the numbers come from: the machine, the commit, the versions. What cannot be found out is "unknown".

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sabot_common::clock::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

/// The machine and the build.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) kernel: String,
    pub(crate) git_commit: String,
    pub(crate) started_at: Timestamp,
    memory_bytes: u64,
    rustc: String,
    datafusion: String,
    arrow: String,
}

const UNKNOWN: &str = "unknown";

impl Machine {
    /// Looks around.
    pub(crate) fn look() -> Self {
        let lock = workspace().and_then(|root| fs::read_to_string(root.join("Cargo.lock")).ok()).unwrap_or_default();
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kilobytes = field(&meminfo, "MemTotal").and_then(|total| total.strip_suffix(" kB")?.parse::<u64>().ok());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").map(|release| release.trim().to_owned());
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or(UNKNOWN).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.unwrap_or_else(|_error| UNKNOWN.to_owned()),
            git_commit: git_commit(),
            started_at: SystemClock::new().now(),
            memory_bytes: kilobytes.unwrap_or(0) * 1_024,
            rustc: first_line("rustc", &["--version"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            datafusion: locked(&lock, "datafusion").unwrap_or(UNKNOWN).to_owned(),
            arrow: locked(&lock, "arrow").unwrap_or(UNKNOWN).to_owned(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "cpu": self.cpu, "cores": self.cores, "memory_bytes": self.memory_bytes, "kernel": self.kernel })
    }

    pub(crate) fn versions(&self) -> Value {
        let (sabot, rustc) = (env!("CARGO_PKG_VERSION"), &self.rustc);
        json!({ "sabot": sabot, "rustc": rustc, "datafusion": self.datafusion, "arrow": self.arrow })
    }
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value =
        |line: &'a str| line.split_once(':').filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim());
    text.lines().find_map(value)
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let (_, after) = lock.split_once(&format!("name = \"{package}\"\nversion = \""))?;
    after.split_once('"').map(|(version, _)| version)
}

/// The directory at or above the current one that holds the lock file.
fn workspace() -> Option<PathBuf> {
    let current = std::env::current_dir().ok()?;
    current.ancestors().find(|dir| dir.join("Cargo.lock").exists()).map(Path::to_owned)
}

/// The commit, with `-dirty` when files differ from it.
fn git_commit() -> String {
    let Some(commit) = first_line("git", &["rev-parse", "HEAD"]) else { return UNKNOWN.to_owned() };
    let changed = first_line("git", &["status", "--porcelain", "--untracked-files=no"]);
    if changed.is_some() { format!("{commit}-dirty") } else { commit }
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.lines().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{field, locked};

    #[test]
    fn values_are_found_by_name() {
        assert_eq!(field("vendor_id\t: X\nmodel name\t: A CPU @ 3 GHz\n", "model name"), Some("A CPU @ 3 GHz"));
        let lock = "[[package]]\nname = \"arrow-array\"\nversion = \"1.0.0\"\n\n[[package]]\nname = \"arrow\"\nversion = \"2.0.0\"\n";
        assert_eq!((locked(lock, "arrow"), locked(lock, "absent")), (Some("2.0.0"), None));
    }
}

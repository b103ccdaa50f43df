//! A server with an empty project: how long until it is ready, and what it takes to do nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sabot_common::clock::{Clock, SystemClock};

use crate::cli::Cli;
use crate::error::BenchError;
use crate::report::{Better, Report, Series};

/// Between two looks at whether the server is ready.
const LOOK: Duration = Duration::from_millis(1);
/// Longest wait for a start or an end.
const PATIENCE: Duration = Duration::from_secs(30);
/// After the start, before idling is measured.
const SETTLE: Duration = Duration::from_secs(2);
/// How long idling is measured.
const IDLE: Duration = Duration::from_secs(5);

/// Measures starts, one after another. Without a server to start it says so and measures nothing.
pub(crate) fn measure(cli: &Cli, dir: &Path, report: &mut Report) -> Result<(), BenchError> {
    if !cli.sabot.exists() {
        writeln!(
            std::io::stderr().lock(),
            "sabot-bench: {} does not exist, no start is measured",
            cli.sabot.display()
        )?;
        return Ok(());
    }
    for iteration in 0..cli.iterations {
        let mut server = Server::start(&cli.sabot, &dir.join(format!("server-{iteration}")))?;
        let ready = server.wait_until_ready()?;
        sleep(SETTLE);
        let (busy, seconds) = server.idle()?;
        let rss = server.resident_bytes()?;
        server.stop()?;
        let series = |name: &str| Series::new("memory", format!("idle.{name}"));
        let start = Series::new("process", "start_to_ready".to_owned()).unit("ms", Better::Lower);
        report.add(start, ready.as_secs_f64() * 1e3);
        report.add(series("cpu").unit("percent", Better::Lower), busy.as_secs_f64() / seconds * 100.0);
        report.add(series("rss").unit("MB", Better::Lower), rss / 1e6);
    }
    Ok(())
}

struct Server {
    child: Child,
    address: SocketAddr,
    clock: SystemClock,
}

impl Server {
    fn start(sabot: &Path, data_dir: &Path) -> Result<Self, BenchError> {
        // Let go of again at once: the server takes it over unless somebody else is faster, and then fails to start.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let clock = SystemClock::new();
        let mut command = Command::new(sabot);
        command.arg("up").arg("--port").arg(address.port().to_string()).arg("--data-dir").arg(data_dir);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child, address, clock })
    }

    /// Time from before the process was made until it said it was ready.
    fn wait_until_ready(&mut self) -> Result<Duration, BenchError> {
        while self.clock.monotonic() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                return Err(BenchError::wrong(
                    "process",
                    format!("the server ended with {status} before it was ready"),
                ));
            }
            if is_ready(self.address) {
                return Ok(self.clock.monotonic());
            }
            sleep(LOOK);
        }
        Err(BenchError::wrong("process", format!("the server was not ready after {} s", PATIENCE.as_secs())))
    }

    /// Processor time taken while nothing is asked of it, and in how many seconds.
    fn idle(&self) -> Result<(Duration, f64), BenchError> {
        let (before, clock) = (self.cpu()?, SystemClock::new());
        sleep(IDLE);
        Ok((self.cpu()?.saturating_sub(before), clock.monotonic().as_secs_f64()))
    }

    /// Processor time of its threads.
    fn cpu(&self) -> Result<Duration, BenchError> {
        let mut nanos = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0);
        }
        Ok(Duration::from_nanos(nanos))
    }

    fn resident_bytes(&self) -> Result<f64, BenchError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let kilobytes = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kilobytes.map(|kb| kb * 1_024.0).ok_or_else(|| BenchError::wrong("process", "the server's memory is not known"))
    }

    fn stop(mut self) -> Result<(), BenchError> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::INT).map_err(std::io::Error::from)?;
        }
        let asked = self.clock.monotonic();
        while self.clock.monotonic().saturating_sub(asked) < PATIENCE {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(LOOK);
        }
        Err(BenchError::wrong("process", format!("the server did not end within {} s", PATIENCE.as_secs())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

/// Asks for readiness; whatever goes wrong means not yet.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.starts_with("HTTP/1.1 200"))
    };
    ask().unwrap_or(false)
}

#[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
fn sleep(pause: Duration) {
    std::thread::sleep(pause);
}

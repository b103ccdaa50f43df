//! A server on a project of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use sabot_common::clock::{Clock, SystemClock};
use sabot_server::{Server, UpOptions};
use sabot_telemetry::LogLayer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// A running server.
#[derive(Debug)]
pub(crate) struct Running {
    server: Option<Server>,
    address: SocketAddr,
    runtime: Runtime,
    client: ureq::Agent,
    /// What it said at its start.
    pub(crate) warnings: Vec<String>,
    pub(crate) dir: TempDir,
}

/// Writes a project's files.
pub(crate) fn project(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        std::fs::write(&path, text).expect("a file");
    }
    dir
}

impl Running {
    /// A server on a project of these files.
    pub(crate) fn on(files: &[(&str, &str)]) -> Self {
        Self::start(project(files))
    }

    pub(crate) fn start(dir: TempDir) -> Self {
        Self::try_start(dir).expect("a server")
    }

    /// A server, or why there is none.
    pub(crate) fn try_start(dir: TempDir) -> Result<Self, String> {
        Self::try_start_with(dir, UpOptions::default())
    }

    /// A server with other options than those of tests.
    pub(crate) fn try_start_with(dir: TempDir, options: UpOptions) -> Result<Self, String> {
        let runtime = Runtime::new().expect("a runtime");
        let options = UpOptions { dir: Some(dir.path().to_owned()), port: Some(0), ..options };
        let (server, started) =
            runtime.block_on(Server::start(&options, &LogLayer::default())).map_err(|error| error.to_string())?;
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let (address, warnings) = (started.address, started.warnings);
        Ok(Self { server: Some(server), address, runtime, client: config.into(), warnings, dir })
    }

    /// Why there is no server on a project, which is given back.
    pub(crate) fn refused(dir: TempDir, options: UpOptions) -> (TempDir, String) {
        let runtime = Runtime::new().expect("a runtime");
        let options = UpOptions { dir: Some(dir.path().to_owned()), port: Some(0), ..options };
        let refused =
            runtime.block_on(Server::start(&options, &LogLayer::default())).map(drop).expect_err("it is refused");
        (dir, refused.to_string())
    }

    /// Drains it and gives the project back, to start again on.
    pub(crate) fn stop(mut self) -> TempDir {
        let server = self.server.take().expect("it runs");
        assert!(self.runtime.block_on(server.stop()), "it drained in time");
        self.dir
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The answer to a request with `headers`: status and body.
    pub(crate) fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let request = self.client.get(self.url(path));
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut response = request.call().expect("an answer");
        (response.status().as_u16(), response.body_mut().read_to_string().expect("text"))
    }

    /// The answer to a request as it goes over the wire, line by line and without the last header: status, headers in
    /// lower case, body.
    pub(crate) fn raw(&self, head: &str, body: &[u8]) -> (u16, String, String) {
        let mut stream = std::net::TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = head.trim().replace('\n', "\r\n");
        let length = body.len();
        write!(stream, "{head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n").expect("sent");
        // A server that refuses a large body need not read all of it.
        drop(stream.write_all(body));
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        let answer = String::from_utf8(answer).expect("text");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    /// Posts JSON to a path below `/api/v1`.
    pub(crate) fn post_json(&self, path: &str, body: &str) -> (u16, Value) {
        let request = self.client.post(self.url(&format!("/api/v1{path}"))).header("content-type", "application/json");
        let mut response = request.send(body).expect("an answer");
        let body = response.body_mut().with_config().limit(1 << 30).read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&body).expect("JSON"))
    }

    /// The port it listens on.
    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// What a path below `/api/v1` answers, as pages ask: without leaving a span.
    pub(crate) fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask(&format!("/api/v1{path}"), &[("x-sabot-poll", "1")]);
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// Posts a body to a path below `/api/v1`.
    pub(crate) fn post(&self, path: &str, body: &str) -> (u16, Value) {
        let response = self.client.post(self.url(&format!("/api/v1{path}"))).send(body);
        let mut response = response.expect("an answer");
        let body = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&body).expect("JSON"))
    }

    /// Deletes a path below `/api/v1`.
    pub(crate) fn delete(&self, path: &str) -> u16 {
        self.client.delete(self.url(&format!("/api/v1{path}"))).call().expect("an answer").status().as_u16()
    }

    /// Rows of a query.
    pub(crate) fn sql(&self, query: &str) -> Vec<Value> {
        let body = serde_json::json!({ "query": query }).to_string();
        let response = self.client.post(self.url("/api/v1/sql")).header("content-type", "application/json").send(&body);
        let text = response.expect("an answer").body_mut().read_to_string().expect("text");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        answer["rows"].as_array().unwrap_or_else(|| panic!("{query}: {text}")).clone()
    }

    /// The status of an agent.
    pub(crate) fn agent_status(&self, name: &str) -> String {
        self.get(&format!("/agents/{name}"))["status"].as_str().expect("a status").to_owned()
    }

    /// Waits until everything has ended.
    pub(crate) fn until_finished(&self) {
        self.until("it is finished", || (self.get("/status")["finished"] == true).then_some(()));
    }

    /// Looks until there is something.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let clock = SystemClock::new();
        while clock.monotonic() < PATIENCE {
            if let Some(found) = look() {
                return found;
            }
            pause(LOOK);
        }
        panic!("not {what} within {} s: {}", PATIENCE.as_secs(), self.get("/agents"));
    }

    /// Every series of `/metrics`, by name with labels.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let (status, text) = self.ask("/metrics", &[]);
        assert_eq!(status, 200);
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let series = |line: &str| {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            (name.to_owned(), value.parse().expect("a number"))
        };
        lines.map(series).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "a real server is waited for in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// `count` lines of `event_time,key,value`, a second apart.
pub(crate) fn readings(count: u32) -> String {
    let mut csv = "at,key,value\n".to_owned();
    for number in 0..count {
        let (hours, rest) = (number / 3_600, number % 3_600);
        let line = format!(
            "2026-01-{:02}T{:02}:{:02}:{:02}Z,k{},{number}\n",
            1 + hours / 24,
            hours % 24,
            rest / 60,
            rest % 60,
            number % 97
        );
        csv.push_str(&line);
    }
    csv
}

/// Whether a path exists in the project.
pub(crate) fn segments(dir: &Path, stream: &str) -> usize {
    let partition = dir.join(".sabot/streams").join(stream).join("0");
    std::fs::read_dir(partition).map_or(0, Iterator::count)
}

//! A tiny HTTP server with canned answers, and a way to run the binary against it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::{Value, json};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// `GET /api/v1/streams?limit=1`.
    pub(crate) line: String,
    /// Header names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// The body.
    pub(crate) body: String,
}

/// Answers by `METHOD /path` below `/api/v1`; anything else is the API's 404.
pub(crate) struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Recorded>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// A server that answers the given routes with a status and a body.
    #[expect(clippy::disallowed_methods, reason = "a test server has no runtime to spawn on")]
    pub(crate) fn answering<B: ToString>(routes: impl IntoIterator<Item = (&'static str, u16, B)>) -> Self {
        let routes: BTreeMap<String, (u16, String)> = routes
            .into_iter()
            .map(|(route, status, body)| (route.replacen(' ', " /api/v1", 1), (status, body.to_string())))
            .collect();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (requests, stopping) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (record, stop) = (Arc::clone(&requests), Arc::clone(&stopping));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                answer(&stream.expect("a connection"), &routes, &record);
            }
        });
        Self { address, requests, stopping, thread: Some(thread) }
    }

    /// A server that answers one route with 200.
    pub(crate) fn with(route: &'static str, body: impl ToString) -> Self {
        Self::answering([(route, 200, body)])
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What has been asked so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.requests.lock().expect("no panic in the server").clone()
    }

    /// Runs `sabot` with `args` against this server.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let output = sabot().env("SABOT_SERVER", self.url()).args(args).output().expect("the binary runs");
        Run::of(args, &output).replacing(&self.url(), "http://SERVER")
    }

    /// Runs `sabot` and compares what it printed with the snapshot `name`.
    pub(crate) fn check(&self, name: &str, args: &[&str]) {
        self.run(args).check(name);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        let woken = TcpStream::connect(self.address).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            assert!(thread.join().is_ok() || std::thread::panicking(), "the test server panicked");
        }
    }
}

fn answer(stream: &TcpStream, routes: &BTreeMap<String, (u16, String)>, record: &Mutex<Vec<Recorded>>) {
    let mut reader = BufReader::new(stream);
    let request = read_request(&mut reader);
    let path = request.line.split('?').next().unwrap_or_default();
    let missing = || (404, json!({"error": {"code": "not_found", "message": format!("no {path}")}}).to_string());
    let (status, body) = routes.get(path).cloned().unwrap_or_else(missing);
    record.lock().expect("no panic in a test").push(request);
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    let mut writer = stream;
    // A client killed by its test does not read its answer.
    write!(writer, "{head}\r\nconnection: close\r\n\r\n{body}").unwrap_or_default();
}

fn read_request(reader: &mut impl BufRead) -> Recorded {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a request");
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let headers: BTreeMap<String, String> = lines
        .iter()
        .skip(1)
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body).expect("a body");
    let line = lines.first().map(|line| line.trim_end_matches(" HTTP/1.1").to_owned()).unwrap_or_default();
    Recorded { line, headers, body }
}

/// The binary in an empty environment.
pub(crate) fn sabot() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sabot"));
    command.env_clear().stdin(Stdio::null());
    command
}

/// Runs `sabot` without a server.
pub(crate) fn run(args: &[&str]) -> Run {
    Run::of(args, &sabot().args(args).output().expect("the binary runs"))
}

/// What one run printed.
pub(crate) struct Run {
    args: String,
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Of a finished process.
    pub(crate) fn of(args: &[&str], output: &Output) -> Self {
        Self {
            args: args.join(" "),
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout.clone()).expect("text on stdout"),
            stderr: String::from_utf8(output.stderr.clone()).expect("text on stderr"),
        }
    }

    /// The same with something that differs from run to run replaced.
    pub(crate) fn replacing(self, what: &str, with: &str) -> Self {
        Self {
            args: self.args.replace(what, with),
            code: self.code,
            stdout: self.stdout.replace(what, with),
            stderr: self.stderr.replace(what, with),
        }
    }

    /// Compares with the snapshot `name`.
    pub(crate) fn check(&self, name: &str) {
        let Self { args, code, stdout, stderr } = self;
        let shown = format!("$ sabot {args}\nexit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        let mut settings = insta::Settings::clone_current();
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, shown));
    }

    /// The one document on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

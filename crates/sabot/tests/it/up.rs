//! `sabot up` as a process: what signals do to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::support::sabot;

/// A running `sabot up` on a project whose source takes minutes.
struct Up {
    child: Child,
    stderr: BufReader<ChildStderr>,
    _dir: tempfile::TempDir,
}

impl Up {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let source = "source: { file: n.csv, speed: 10m }";
        let project = format!("streams:\n  - {{ name: n, event_time: at, {source} }}\n");
        std::fs::write(dir.path().join("sabot.yaml"), project).expect("a file");
        let rows: Vec<_> = (10..60).map(|minute| format!("2026-01-01T00:{minute}:00Z,{minute}")).collect();
        std::fs::write(dir.path().join("n.csv"), format!("at,n\n{}\n", rows.join("\n"))).expect("a file");
        let mut command = sabot();
        command.arg("up").arg(dir.path()).args(["--port", "0"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr, _dir: dir }
    }

    /// Reads stderr up to the line that has `text`, and gives that line.
    fn until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("stderr");
            assert!(read > 0, "no line with {text:?} in\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen += &line;
        }
    }

    /// The address it says it listens on.
    fn address(&mut self) -> String {
        let line = self.until("http://");
        line.split("http://").nth(1).expect("an address").trim().to_owned()
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }

    /// Waits for its end: exit code, and the rest of stderr.
    fn end(mut self) -> (Option<i32>, String) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("stderr");
        (self.child.wait().expect("it ends").code(), rest)
    }
}

/// A request whose body never comes to its end.
fn unfinished_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = "POST /api/v1/agents HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nname: a";
    stream.write_all(head.as_bytes()).expect("a request");
    // An answer to another one behind it tells that the server has read the head.
    let mut other = TcpStream::connect(address).expect("a connection");
    other.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("a request");
    let mut answer = String::new();
    other.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    stream
}

#[test]
fn each_signal_drains_and_ends_well() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut up = Up::start();
        up.address();
        up.signal(signal);
        let (code, rest) = up.end();
        assert_eq!(code, Some(0), "{signal}: {rest}");
        assert!(rest.contains("stopping: committing what is in flight"), "{signal}: {rest}");
        assert!(rest.contains("no agents ran"), "{signal}: the summary is missing in {rest}");
    }
}

#[test]
fn a_second_signal_does_not_wait_for_the_drain() {
    let mut up = Up::start();
    let address = up.address();
    let _request = unfinished_request(&address);
    up.signal("INT");
    up.until("stopping: committing what is in flight");
    up.signal("INT");
    let (code, rest) = up.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("stopped at once"), "{rest}");
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_server_from_ending_well() {
    let mut up = Up::start();
    let address = up.address();
    let _request = unfinished_request(&address);
    up.signal("INT");
    let (code, rest) = up.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("no agents ran"), "{rest}");
}

//! `sabot up` as a process: what signals do to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use serde_json::Value;

use crate::support::sabot;

/// Rows of the source.
const ROWS: usize = 50;

/// A project whose source takes a while, and that commits nothing before it is drained.
fn project() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let project =
        "performance: { commit_interval: 1h }\nstreams:\n  - { name: n, source: { file: n.csv, speed: 25s } }\n";
    std::fs::write(dir.path().join("sabot.yaml"), project).expect("a file");
    let rows: Vec<_> = (0..ROWS).map(|row| row.to_string()).collect();
    std::fs::write(dir.path().join("n.csv"), format!("n\n{}\n", rows.join("\n"))).expect("a file");
    dir
}

/// A running `sabot up`.
struct Up {
    child: Child,
    stderr: BufReader<ChildStderr>,
    dir: Option<tempfile::TempDir>,
}

impl Drop for Up {
    fn drop(&mut self) {
        // An error means that it has ended already.
        self.child.kill().unwrap_or_default();
    }
}

impl Up {
    fn start() -> Self {
        Self::on(project())
    }

    fn on(dir: tempfile::TempDir) -> Self {
        let mut command = sabot();
        command.arg("up").arg(dir.path()).args(["--port", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
        Self { child, stderr, dir: Some(dir) }
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

    /// Waits for its end: exit code, the rest of stderr, and the project.
    fn end(mut self) -> (Option<i32>, String, tempfile::TempDir) {
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).expect("stderr");
        let code = self.child.wait().expect("it ends").code();
        (code, rest, self.dir.take().expect("it ends once"))
    }
}

/// The answer to a `GET`: head and body.
fn get(address: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-sabot-poll: 1\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

/// Whether the source has read anything, committed or not.
fn has_read(address: &str) -> bool {
    let metrics = get(address, "/metrics").1;
    let mut batches =
        metrics.lines().filter_map(|line| line.strip_prefix("sabot_batch_size_rows_count{agent=\"source:n\"} "));
    batches.any(|count| count != "0")
}

/// Rows of the stream that are committed.
fn rows_committed(address: &str) -> u64 {
    let stream: Value = serde_json::from_str(&get(address, "/api/v1/streams/n").1).expect("JSON");
    stream["events_total"].as_u64().expect("a number")
}

/// A request whose body never comes to its end.
fn unfinished_request(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let head = "POST /api/v1/agents HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\nname: a";
    stream.write_all(head.as_bytes()).expect("a request");
    // An answer to another one behind it tells that the server has read the head.
    assert!(get(address, "/health").0.starts_with("HTTP/1.1 200"));
    stream
}

#[test]
fn each_signal_commits_what_was_read_and_ends_well() {
    for signal in ["INT", "TERM", "HUP"] {
        let mut up = Up::start();
        let address = up.address();
        while !has_read(&address) {}
        assert_eq!(rows_committed(&address), 0, "nothing is committed before the drain");
        up.signal(signal);
        let (code, rest, dir) = up.end();
        assert_eq!(code, Some(0), "{signal}: {rest}");
        assert!(rest.contains("stopping: committing what is in flight"), "{signal}: {rest}");
        assert!(rest.contains("no agents ran"), "{signal}: the summary is missing in {rest}");

        let mut again = Up::on(dir);
        let address = again.address();
        assert!((1..ROWS as u64).contains(&rows_committed(&address)), "{signal}: what was read is there");
        again.signal("KILL");
        again.end();
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
    let (code, rest, _) = up.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("stopped at once"), "{rest}");
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_server_from_ending_well() {
    let mut up = Up::start();
    let address = up.address();
    let _request = unfinished_request(&address);
    up.signal("INT");
    let (code, rest, _) = up.end();
    assert_eq!(code, Some(0), "{rest}");
    assert!(rest.contains("no agents ran"), "{rest}");
}

#[test]
fn an_agent_that_failed_is_told_by_the_exit_code_after_a_signal_too() {
    let dir = project();
    std::fs::create_dir(dir.path().join("agents")).expect("a directory");
    std::fs::write(dir.path().join("sabot.yaml"), "streams:\n  - { name: n, source: { file: n.csv } }\n")
        .expect("a file");
    let agent = "name: fails\nkind: stream\nsql: SELECT n / (n - n) AS x FROM n\noutput: blackhole\n";
    std::fs::write(dir.path().join("agents/fails.yaml"), agent).expect("a file");
    let mut up = Up::on(dir);
    let address = up.address();
    let told = up.until("agent fails: ");
    assert!(told.contains("zero") && told.ends_with("(see `sabot agents show fails`)\n"), "{told}");
    assert!(!up.until("Ctrl-C").contains("everything is processed"));
    assert!(get(&address, "/api/v1/agents/fails").1.contains("\"status\":\"failed\""));
    up.signal("INT");
    let (code, rest, _) = up.end();
    assert_eq!(code, Some(1), "{rest}");
    assert!(rest.contains("agent fails: "), "{rest}");
}

#[test]
fn a_project_in_the_working_directory_is_not_run_as_an_empty_one() {
    let dir = project();
    let up = || {
        let mut command = sabot();
        command.current_dir(dir.path()).args(["up", "--port", "0", "--exit-when-idle"]);
        let output = command.output().expect("the binary runs");
        (output.status.code(), String::from_utf8(output.stderr).expect("text"))
    };
    let (code, said) = up();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("sabot.yaml") && said.contains("`sabot up .`"), "{said}");
    assert!(!dir.path().join(".sabot").exists(), "nothing is written");
    std::fs::rename(dir.path().join("sabot.yaml"), dir.path().join("other.yaml")).expect("renamed");
    let (code, said) = up();
    assert_eq!(code, Some(0), "without a project here it is empty: {said}");
}

#[test]
fn what_has_changed_after_a_finished_run_is_told() {
    let dir = project();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("a file");
    let agent = |sql: &str| format!("name: double\nkind: stream\nsql: {sql}\noutput: {{ stream: doubled }}\n");
    std::fs::create_dir(dir.path().join("agents")).expect("a directory");
    let with_table = "streams:\n  - { name: n, source: { file: n.csv } }\n\
        tables:\n  - { name: names, key: id, source: { file: names.csv } }\n";
    write("sabot.yaml", with_table);
    write("names.csv", "id,name\n1,one\n");
    write("agents/double.yaml", &agent("SELECT 2 * n AS n FROM n"));
    let up = |more: &[&str]| {
        let mut command = sabot();
        command.arg("up").arg(dir.path()).args(["--port", "0", "--exit-when-idle"]).args(more);
        let output = command.output().expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stderr).expect("text")
    };
    up(&[]);
    let said = up(&[]);
    assert!(!said.contains("warning"), "{said}");
    assert!(said.contains("hint: add --fresh to start over\n"), "nothing can be queried afterwards: {said}");

    write("n.csv", "n\n1\n2\n");
    write("names.csv", "id,name\n1,two\n");
    write("agents/double.yaml", &agent("SELECT 3 * n AS n FROM n"));
    let warnings = [
        "warning: table \"names\": names.csv has changed since it was read (the file has other content of the same size); --fresh reads it again",
        "warning: stream \"n\": n.csv has changed since it was read (the file had 142 bytes and has 6); --fresh reads it again",
        "warning: agent \"double\" has changed since it finished; its output stays as it was, --fresh computes it anew",
    ];
    for start in ["first", "second"] {
        let said = up(&[]);
        let told: Vec<_> = said.lines().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(told, warnings, "{start} start");
        assert!(said.contains("this run is finished"), "{said}");
    }
    let said = up(&["--fresh"]);
    assert!(!said.contains("warning"), "{said}");

    write("sabot.yaml", &with_table.replace("file: n.csv", "file: n.csv, order_by: 'n'"));
    let said = up(&[]);
    let other =
        "stream \"n\": n.csv was read in another way (source.order_by was not set and is n); --fresh reads it again";
    assert!(said.contains(other), "{said}");
}

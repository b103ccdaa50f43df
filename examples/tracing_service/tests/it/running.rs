//! The service as a process.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use reqwest::{Client, RequestBuilder};

/// A service that runs until the test is over.
pub(crate) struct Running {
    child: Option<Child>,
    stdout: BufReader<ChildStdout>,
    pub(crate) url: String,
    client: Client,
}

/// What a service said until its end.
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing_service"));
    command.args(["--port", "0"]).env_clear().envs(variables.iter().copied());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs one that cannot start.
pub(crate) fn refused(variables: &[(&str, &str)]) -> String {
    let Output { status, stderr, .. } = command(variables).output().expect("it runs");
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).expect("text")
}

impl Running {
    /// Starts one on a free port, with nothing in its environment but these, that sends telemetry to a receiver.
    pub(crate) fn start(receiver: &str, variables: &[(&str, &str)]) -> Self {
        let sending = [("OTEL_EXPORTER_OTLP_ENDPOINT", receiver), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")];
        let all: Vec<_> = sending.into_iter().chain(variables.iter().copied()).collect();
        let mut child = command(&all).spawn().expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut first = String::new();
        stdout.read_line(&mut first).expect("a line");
        let address = first.split_whitespace().find(|word| word.starts_with("http://"));
        let url = address.unwrap_or_else(|| panic!("no address in {first:?}")).to_owned();
        Self { child: Some(child), stdout, url, client: Client::new() }
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url)).body(body.to_owned())
    }

    /// The status and the body of an answer.
    pub(crate) async fn answer(request: RequestBuilder) -> (u16, serde_json::Value) {
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    /// Asks it to end, and waits until it has sent everything.
    pub(crate) fn end(mut self) -> Ended {
        let child = self.child.take().expect("it runs");
        let asked = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill");
        assert!(asked.success());
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).expect("text");
        let Output { status, stderr, .. } = child.wait_with_output().expect("its end");
        Ended { success: status.success(), stdout, stderr: String::from_utf8(stderr).expect("text") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("its end");
        }
    }
}

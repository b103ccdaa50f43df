//! Which log lines pass.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use super::{DEFAULT_FILTER, LoggingError, choose_filter, subscriber};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The messages that get through, one line each.
fn logged(explicit: Option<&str>, environment: &[(&str, &str)]) -> Vec<String> {
    let variable = |name: &str| environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let lines = Lines::default();
    let filter = choose_filter(explicit, DEFAULT_FILTER, variable).unwrap();
    tracing::subscriber::with_default(subscriber(filter, lines.clone(), false), || {
        tracing::debug!(target: "sabot_engine::window", "own debug");
        tracing::info!(target: "sabot_engine::window", partition = 3, "own info");
        tracing::info!(target: "sabot", "own binary");
        tracing::info!(target: "hyper", "foreign info");
        tracing::warn!(target: "hyper", "foreign warning");
    });
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    text.lines().map(|line| line.split_once(' ').unwrap().1.trim_start().to_owned()).collect()
}

#[test]
fn by_default_own_crates_inform_and_others_warn() {
    let expected =
        ["INFO sabot_engine::window: own info partition=3", "INFO sabot: own binary", "WARN hyper: foreign warning"];
    assert_eq!(logged(None, &[]), expected);
    assert_eq!(logged(Some(" "), &[("SABOT_LOG", ""), ("RUST_LOG", "")]), expected, "empty is not given");
}

#[test]
fn the_flag_goes_before_sabot_log_and_that_before_rust_log() {
    let both = [("RUST_LOG", "off"), ("SABOT_LOG", "hyper=info")];
    assert_eq!(logged(None, &both), ["INFO hyper: foreign info", "WARN hyper: foreign warning"]);
    assert_eq!(logged(None, &both[..1]), Vec::<String>::new());
    assert_eq!(logged(Some("sabot_engine=debug"), &both).len(), 2);
}

#[test]
fn a_bad_filter_is_named_with_its_origin() {
    let error =
        choose_filter(None, DEFAULT_FILTER, |name| (name == "SABOT_LOG").then(|| "sabot=loud".to_owned())).unwrap_err();
    assert!(matches!(&error, LoggingError::Filter { origin: "SABOT_LOG", .. }));
    assert_eq!(
        error.to_string(),
        "log filter \"sabot=loud\" from SABOT_LOG is not valid; write it like info or warn,sabot=debug"
    );
}

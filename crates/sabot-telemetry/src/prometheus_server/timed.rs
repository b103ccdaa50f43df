//! A connection with a deadline: many small steps do not buy more time than one.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::clock::monotonic_nanos;

/// Reads and writes until its time is over.
pub(super) struct Timed<'a> {
    stream: &'a TcpStream,
    deadline_nanos: u64,
}

impl<'a> Timed<'a> {
    /// Begins now.
    pub(super) fn new(stream: &'a TcpStream, time: Duration) -> Self {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { stream, deadline_nanos: monotonic_nanos().saturating_add(time) }
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        match self.deadline_nanos.saturating_sub(monotonic_nanos()) {
            0 => Err(ErrorKind::TimedOut.into()),
            left => Ok(Some(Duration::from_nanos(left))),
        }
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(bytes)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

//! Real servers, where there are some.

use std::fmt::Display;

/// Where a server is said to be.
pub(crate) struct Server {
    variable: &'static str,
    url: String,
}

/// The server an environment variable names. Without one the test has nothing to do, and says so.
pub(crate) fn server(variable: &'static str) -> Option<Server> {
    let url = std::env::var(variable).ok().filter(|url| !url.is_empty());
    if url.is_none() {
        eprintln!("skipped: {variable} is not set");
    }
    url.map(|url| Server { variable, url })
}

impl Server {
    pub(crate) fn as_str(&self) -> &str {
        &self.url
    }

    /// The connection, if there is one. Where all servers are promised to be there, its absence is a failure.
    pub(crate) fn reached<C, E: Display>(&self, connection: Result<C, E>) -> Option<C> {
        let error = match connection {
            Ok(connection) => return Some(connection),
            Err(error) => error,
        };
        assert!(std::env::var_os("CI").is_none(), "{} is set, but there is no server: {error}", self.variable);
        eprintln!("skipped: no server at {}: {error}", self.variable);
        None
    }
}

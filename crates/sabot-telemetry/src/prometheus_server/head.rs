//! Reading the head of a request, as much of it as matters here.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;

use super::Limits;
use super::timed::Timed;

/// What a caller wants.
#[derive(Debug)]
pub(super) enum Head {
    /// A request that was understood.
    Request(Request),
    /// More bytes than a head may have.
    TooLarge,
    /// Not HTTP.
    Malformed,
}

/// A request that was understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Without what stands behind `?`.
    pub(super) path: String,
    pub(super) accept: String,
    pub(super) accept_encoding: String,
}

/// Reads up to the empty line. Fails if it does not come in time.
pub(super) fn read_head(stream: &TcpStream, limits: Limits) -> io::Result<Head> {
    let mut stream = Timed::new(stream, limits.patience);
    let mut bytes = Vec::new();
    let mut part = [0; 1_024];
    while end_of_head(&bytes).is_none() {
        if bytes.len() >= limits.head_bytes {
            return Ok(Head::TooLarge);
        }
        let size = stream.read(&mut part)?;
        if size == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes.extend(part.iter().take(size));
    }
    Ok(parse(&bytes).map_or(Head::Malformed, Head::Request))
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n")
}

fn parse(bytes: &[u8]) -> Option<Request> {
    let head = bytes.get(..end_of_head(bytes)?)?;
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/1.") || words.next().is_some() {
        return None;
    }
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), ..Request::default() };
    for line in lines {
        let (name, value) = line.split_once(':')?;
        let field = match name.to_ascii_lowercase().as_str() {
            "accept" => &mut request.accept,
            "accept-encoding" => &mut request.accept_encoding,
            _ => continue,
        };
        // A header that comes twice is a list in two pieces.
        if !field.is_empty() {
            field.push(',');
        }
        field.push_str(value.trim());
    }
    Some(request)
}

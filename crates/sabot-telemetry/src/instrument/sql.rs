//! What a SQL statement is, without the values in it.
//!
//! Invariant: no literal gets into the result. Where dialects disagree about where a literal or a comment ends (a
//! backslash before a quote, nested comments), the rest of the statement is left out instead of guessed. It is read as
//! PostgreSQL, SQLite and the standard have it: double quotes are around names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::text::Text;

mod outline;
mod scan;

/// Most of a statement that is looked at, in bytes.
const MAX_STATEMENT_BYTES: usize = 8 * 1024;
/// Most statements a thread remembers.
const MAX_KNOWN: usize = 128;
/// Longest statement that is remembered, in bytes.
const MAX_KNOWN_BYTES: usize = 2 * 1024;

/// What a SQL statement does, to which table, and its text with every literal replaced by `?`.
///
/// Cheap to clone. Lists of values and rows of them become one `(?)`, so that statements which differ only in how many
/// values they carry read the same and have the same [fingerprint](Self::fingerprint).
///
/// ```
/// use sabot_telemetry::{SqlKind, SqlStatement};
///
/// let statement = SqlStatement::of("SELECT name FROM users -- the boss\nWHERE mail = 'ada@example.com' AND id IN (1, 2)");
/// assert_eq!(statement.text(), "SELECT name FROM users WHERE mail = ? AND id IN (?)");
/// assert_eq!((statement.operation(), statement.table()), (Some("SELECT"), Some("users")));
/// assert_eq!((statement.summary(), statement.kind()), (Some("SELECT users"), SqlKind::Read));
/// ```
#[derive(Clone, Debug)]
pub struct SqlStatement {
    operation: Option<&'static str>,
    table: Option<Arc<str>>,
    summary: Option<Text>,
    text: Arc<str>,
    fingerprint: u64,
    complete: bool,
}

/// What kind of thing a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SqlKind {
    /// Reads rows.
    Read,
    /// Writes rows.
    Write,
    /// Changes what tables there are.
    Schema,
    /// Begins, ends or divides a transaction.
    Transaction,
    /// Something else, or something that is not known.
    Other,
}

impl SqlKind {
    /// Its name as it is recorded.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Schema => "schema",
            Self::Transaction => "transaction",
            Self::Other => "other",
        }
    }
}

thread_local! {
    /// By the statement as it was sent. Never leaves the thread's memory.
    static KNOWN: RefCell<HashMap<Box<str>, SqlStatement, RandomState>> =
        RefCell::new(HashMap::with_hasher(RandomState::default()));
}

impl SqlStatement {
    /// Reads a statement, or remembers it: each thread keeps a few of those it was asked last.
    pub fn of(sql: &str) -> Self {
        if sql.len() > MAX_KNOWN_BYTES {
            return Self::read(sql);
        }
        // A thread that is ending remembers nothing.
        KNOWN
            .try_with(|known| known.try_borrow_mut().ok().map(|mut known| remember(&mut known, sql)))
            .ok()
            .flatten()
            .unwrap_or_else(|| Self::read(sql))
    }

    fn read(sql: &str) -> Self {
        let scan::Scanned { text, outline, complete } = scan::scan(sql, MAX_STATEMENT_BYTES);
        let (operation, table) = outline.finish();
        let summary = operation.map(|operation| match &table {
            Some(table) => Text::Shared(format!("{operation} {table}").into()),
            None => Text::Static(operation),
        });
        let fingerprint = fingerprint(&text);
        Self { operation, table: table.map(Into::into), summary, text: text.into(), fingerprint, complete }
    }

    /// The command, in upper case: `db.operation.name`. `None` for what does not begin with a known one.
    pub const fn operation(&self) -> Option<&'static str> {
        self.operation
    }

    /// What kind of thing it does.
    pub fn kind(&self) -> SqlKind {
        self.operation.map_or(SqlKind::Other, outline::kind_of)
    }

    /// The first table, as it is written but without quotes: `db.collection.name`.
    pub fn table(&self) -> Option<&str> {
        self.table.as_deref()
    }

    /// Command and table: `db.query.summary`, and the name of a span.
    pub fn summary(&self) -> Option<&str> {
        self.summary.as_deref()
    }

    /// The statement without literals and comments: `db.query.text`. At most 8 KiB.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same for statements that differ only in values, in how many there are, in case, spaces and comments; the same
    /// in every process.
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether the text is all of the statement: not of one that is too long, that does not end properly, or that
    /// dialects read differently.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    #[cfg(feature = "sqlx")]
    pub(crate) fn shared_summary(&self) -> Option<Text> {
        self.summary.clone()
    }

    #[cfg(feature = "sqlx")]
    pub(crate) fn shared_text(&self) -> Text {
        Text::Shared(Arc::clone(&self.text))
    }

    #[cfg(feature = "sqlx")]
    pub(crate) fn shared_table(&self) -> Option<Text> {
        self.table.as_ref().map(|table| Text::Shared(Arc::clone(table)))
    }
}

fn remember(known: &mut HashMap<Box<str>, SqlStatement, RandomState>, sql: &str) -> SqlStatement {
    if let Some(statement) = known.get(sql) {
        return statement.clone();
    }
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    let statement = SqlStatement::read(sql);
    known.insert(sql.into(), statement.clone());
    statement
}

/// FNV-1a over what matters of a text that has no literals: neither case nor spaces nor the numbers of parameters.
fn fingerprint(text: &str) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii();
    let (mut hash, mut last, mut space) = (OFFSET, 0_u8, false);
    let mut add = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    for byte in text.bytes() {
        match byte {
            b' ' => space = true,
            b'0'..=b'9' if last == b'?' && !space => {}
            _ => {
                let byte = if byte == b'$' { b'?' } else { byte.to_ascii_lowercase() };
                if std::mem::take(&mut space) && is_word(last) && is_word(byte) {
                    add(b' ');
                }
                add(byte);
                last = byte;
            }
        }
    }
    hash
}

#[cfg(test)]
mod tests;

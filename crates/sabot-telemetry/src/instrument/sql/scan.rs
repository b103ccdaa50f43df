//! Goes through a statement token by token and writes it again without literals and comments.
//!
//! Invariants: the result is never longer than the statement; going through a result changes nothing.

use super::outline::Outline;

/// Longest name; what is longer is no name.
const MAX_NAME_BYTES: usize = 128;
/// Most digits of a parameter's number; what has more is a number.
const MAX_PARAMETER_DIGITS: usize = 5;

/// A statement that has been gone through.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) text: String,
    pub(super) outline: Outline,
    pub(super) complete: bool,
}

/// Goes through the first `max_bytes` of a statement.
pub(super) fn scan(sql: &str, max_bytes: usize) -> Scanned {
    let (read, unread) = sql.split_at_checked(sql.floor_char_boundary(max_bytes)).unwrap_or((sql, ""));
    let mut scanner = Scanner {
        rest: read,
        groups: Vec::new(),
        space: false,
        scanned: Scanned {
            text: String::with_capacity(read.len()),
            outline: Outline::default(),
            complete: unread.is_empty(),
        },
    };
    while let Some(first) = scanner.rest.chars().next() {
        scanner.token(first);
    }
    scanner.scanned
}

struct Scanner<'a> {
    rest: &'a str,
    groups: Vec<Group>,
    /// Whether there was a space since the last token.
    space: bool,
    scanned: Scanned,
}

/// Brackets that are not closed yet.
struct Group {
    /// Where it begins in the text.
    start: usize,
    bracket: char,
    has_value: bool,
    only_values: bool,
}

fn is_word(c: char) -> bool {
    c == '_' || c == '$' || c.is_alphanumeric()
}

impl<'a> Scanner<'a> {
    fn token(&mut self, first: char) {
        match first {
            '\'' => self.literal(false),
            '"' | '`' => self.quoted_name(first),
            '-' if self.rest.starts_with("--") => self.line_comment(),
            '/' if self.rest.starts_with("/*") => self.block_comment(),
            '#' => self.hash(),
            '$' => self.dollar(),
            '?' => self.parameter(),
            '.' if self.rest.chars().nth(1).is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '.' => {
                self.outside_values(".");
                self.scanned.outline.dot();
                self.take(1);
            }
            '(' | '[' => self.open(first),
            ')' | ']' => self.close(first),
            ',' | '+' | '-' => {
                let token = self.take(1);
                self.emit(token);
                self.scanned.outline.other();
            }
            _ if first.is_whitespace() || first.is_control() => {
                self.take(first.len_utf8());
                self.space = true;
            }
            _ if first.is_alphabetic() || first == '_' => self.word(),
            _ if first.is_numeric() => self.number(),
            _ => {
                let token = self.take(first.len_utf8());
                self.outside_values(token);
                self.scanned.outline.other();
            }
        }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        self.take(self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len()))
    }

    /// Leaves out the rest.
    fn give_up(&mut self) {
        self.rest = "";
        self.scanned.complete = false;
    }

    fn emit(&mut self, token: &str) {
        if std::mem::take(&mut self.space) && !self.scanned.text.is_empty() {
            self.scanned.text.push(' ');
        }
        self.scanned.text.push_str(token);
    }

    /// A token that does not belong into a list of values.
    fn outside_values(&mut self, token: &str) {
        if let Some(group) = self.groups.last_mut() {
            group.only_values = false;
        }
        self.emit(token);
    }

    /// A token that stands for a value.
    fn value(&mut self, token: &str) {
        if let Some(group) = self.groups.last_mut() {
            group.has_value = true;
        }
        self.emit(token);
        self.scanned.outline.other();
    }

    fn open(&mut self, bracket: char) {
        self.outside_values(self.rest.get(..1).unwrap_or_default());
        self.take(1);
        let start = self.scanned.text.len().saturating_sub(1);
        self.groups.push(Group { start, bracket, has_value: false, only_values: true });
        self.scanned.outline.open();
    }

    /// A list of nothing but values becomes one value, and rows of values become one row.
    fn close(&mut self, bracket: char) {
        let token = self.take(1);
        self.scanned.outline.close();
        let group = self.groups.pop();
        let Some(Group { start, has_value: true, only_values: true, bracket: opened }) = group else {
            return self.emit(token);
        };
        match (opened, bracket) {
            ('(', ')') => {
                self.space = false;
                let before = self.scanned.text.get(..start).unwrap_or_default();
                let row_before = before.trim_end().strip_suffix(',').map(str::trim_end).filter(|b| b.ends_with("(?)"));
                let kept = row_before.map(str::len);
                self.scanned.text.truncate(kept.unwrap_or(start));
                if kept.is_none() {
                    self.scanned.text.push_str("(?)");
                }
            }
            ('[', ']') => {
                self.space = false;
                self.scanned.text.truncate(start);
                self.scanned.text.push_str("[?]");
            }
            _ => self.emit(token),
        }
    }

    /// A word, or a literal with a letter before it.
    fn word(&mut self) {
        let word = self.take_while(is_word);
        let lower = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(word));
        if self.rest.starts_with("&'") && lower(&["u"]) {
            self.take(1);
            return self.literal(false);
        }
        if self.rest.starts_with('\'') {
            match word {
                _ if lower(&["e"]) => return self.literal(true),
                _ if lower(&["b", "x", "n"]) || word.starts_with('_') => return self.literal(false),
                // Oracle's own quotes end where they like.
                _ if lower(&["q", "nq"]) => return self.give_up(),
                _ => {}
            }
        }
        if word.len() > MAX_NAME_BYTES {
            return self.value("?");
        }
        if lower(&["null", "true", "false", "default"]) {
            return self.value(word);
        }
        self.outside_values(word);
        self.scanned.outline.word(word);
    }

    /// `'…'`, with quotes doubled and, if they are escapes, backslashes.
    fn literal(&mut self, escapes: bool) {
        self.take(1);
        self.value("?");
        let mut escaped = false;
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '\\' => escaped = !escaped,
                // The end of it or not, as the dialect has it.
                '\'' if escaped && !escapes => break,
                '\'' if escaped => escaped = false,
                '\'' if chars.next_if(|(_, next)| *next == '\'').is_some() => {}
                '\'' => {
                    self.take(at.saturating_add(1));
                    return;
                }
                _ => escaped = false,
            }
        }
        self.give_up();
    }

    /// A name in quotes is kept if it reads like one.
    fn quoted_name(&mut self, quote: char) {
        let from_quote = self.rest;
        self.take(1);
        let mut last = quote;
        let mut chars = self.rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c == quote && last == '\\' {
                break;
            }
            if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
                let name = self.take(at);
                self.take(1);
                return if reads_like_name(name, quote == '`') && !self.is_setting() {
                    self.outside_values(from_quote.get(..at.saturating_add(2)).unwrap_or_default());
                    self.scanned.outline.quoted(name);
                } else {
                    self.value("?");
                };
            }
            last = c;
        }
        self.value("?");
        self.give_up();
    }

    /// Whether the statement sets something of the connection, such as the key of a file: what it quotes is a value then,
    /// with whatever quotes.
    fn is_setting(&self) -> bool {
        let word = self.scanned.text.get(..6).unwrap_or_default();
        ["PRAGMA", "ATTACH"].iter().any(|setting| word.eq_ignore_ascii_case(setting))
    }

    /// `$1`, `$tag$…$tag$`, or a dollar.
    fn dollar(&mut self) {
        let after = self.rest.get(1..).unwrap_or_default();
        let tag = after.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(after.len());
        let quotes = after.get(tag..).is_some_and(|rest| rest.starts_with('$'));
        if after.starts_with(|c: char| c.is_ascii_digit()) {
            return self.parameter();
        }
        if !quotes {
            let token = self.take(1);
            self.outside_values(token);
            return self.scanned.outline.other();
        }
        let delimiter = self.take(tag.saturating_add(2));
        self.value("?");
        match self.rest.find(delimiter) {
            Some(end) => {
                self.take(end.saturating_add(delimiter.len()));
            }
            None => self.give_up(),
        }
    }

    /// `?`, `?1` or `$1`; what only looks like it is a value.
    fn parameter(&mut self) {
        let whole = self.rest;
        self.take(1);
        let number = if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            self.take_while(char::is_alphanumeric)
        } else {
            ""
        };
        if number.len() <= MAX_PARAMETER_DIGITS && number.bytes().all(|byte| byte.is_ascii_digit()) {
            self.value(whole.get(..number.len().saturating_add(1)).unwrap_or("?"));
        } else {
            self.value("?");
        }
    }

    fn number(&mut self) {
        loop {
            let digits = self.take_while(|c| c == '.' || (c != '$' && is_word(c)));
            let mut next = self.rest.chars();
            let signed = digits.ends_with(['e', 'E'])
                && next.next().is_some_and(|c| c == '+' || c == '-')
                && next.next().is_some_and(char::is_numeric);
            if !signed {
                break;
            }
            self.take(1);
        }
        self.value("?");
    }

    /// PostgreSQL's operators on JSON; anything else is a comment in one dialect and not in another.
    fn hash(&mut self) {
        if self.rest.starts_with("#>") || (self.rest.starts_with("#-") && !self.rest.starts_with("#--")) {
            let token = self.take(2);
            self.outside_values(token);
            self.scanned.outline.other();
        } else {
            self.give_up();
        }
    }

    fn line_comment(&mut self) {
        let comment = self.take_while(|c| c != '\n');
        self.space = true;
        let said = comment.trim_start_matches("--");
        // MySQL wants a space after the dashes, and some end the line at a carriage return.
        let elsewhere_code = said.starts_with(|c: char| !c.is_whitespace()) && said.contains(['\'', '"', '`']);
        if elsewhere_code || comment.trim_end_matches('\r').contains('\r') {
            self.give_up();
        }
    }

    fn block_comment(&mut self) {
        self.take(2);
        self.space = true;
        let end = self.rest.find("*/");
        // Some comments nest and some are code, depending on the dialect.
        let comment = end.and_then(|end| self.rest.get(..=end));
        match (comment, end) {
            (Some(comment), Some(end)) if !comment.contains("/*") && !comment.starts_with('!') => {
                self.take(end.saturating_add(2));
            }
            _ => self.give_up(),
        }
    }
}

/// In double quotes some dialects have values; those have spaces and signs.
fn reads_like_name(name: &str, may_have_spaces: bool) -> bool {
    name.len() <= MAX_NAME_BYTES
        && name.starts_with(|c: char| c == '_' || c.is_alphabetic())
        && name.chars().all(|c| is_word(c) || c == '-' || c == '.' || (may_have_spaces && c == ' '))
}

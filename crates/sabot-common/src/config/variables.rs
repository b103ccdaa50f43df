//! `${VAR}` and `${VAR:-default}` in a file's text, replaced before it is parsed. Comments are left alone.
//!
//! Replacing comes first because `${PORT}` has to become a number, not text. So what is a comment is decided here, by
//! the rules of YAML: `#` at the start of a line or after a space, unless it is inside quotes or a block of text.

use std::collections::BTreeMap;

/// The variables a file may name.
#[derive(Debug, Default)]
pub(super) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process, as far as they are text.
    pub(super) fn of_process() -> Self {
        std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
    }

    /// A variable's value; one set to nothing is the same as one that is not set.
    pub(super) fn get(&self, variable: &str) -> Option<&str> {
        self.0.get(variable).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// All variables that are set to something, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(_, value)| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// A reference that cannot be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unexpanded {
    /// Line and column of its `$`, counted from 1.
    pub(super) at: (u64, u64),
    /// What is wrong, naming the variable.
    pub(super) problem: String,
}

/// Replaces every reference outside comments.
pub(super) fn expand(text: &str, environment: &Environment) -> Result<String, Unexpanded> {
    let mut out = String::with_capacity(text.len());
    let mut scanner = Scanner::default();
    for (number, line) in text.split_inclusive('\n').enumerate() {
        scanner
            .line(line, environment, &mut out)
            .map_err(|(column, problem)| Unexpanded { at: (number as u64 + 1, column), problem })?;
    }
    Ok(out)
}

/// What the characters being read are part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Context {
    /// Keys, plain values, punctuation.
    #[default]
    Plain,
    /// Text in single quotes; two of them are one.
    Single,
    /// Text in double quotes, with `\` escapes.
    Double,
    /// A block of text (`|` or `>`): lines indented deeper than this many columns.
    Block(usize),
}

/// Just enough of YAML to tell comments from text.
#[derive(Debug, Default)]
struct Scanner {
    context: Context,
    /// Open `[` and `{`.
    depth: usize,
    /// Whether the last character was a `\` in double quotes.
    escaped: bool,
}

/// A place in a line.
#[derive(Debug)]
struct Cursor {
    /// Column of the next character, from 0.
    column: usize,
    /// The character before it.
    before: Option<char>,
    /// Whether a value or key may begin here: only there do quotes and block marks mean something.
    starts: bool,
    /// Whether the character before closed single quotes: one more reopens them.
    closed: bool,
    /// Column of the dash of the innermost list entry begun on this line.
    dash: usize,
    /// Column of the innermost key or list item of this line; none between a dash and its item.
    node: Option<usize>,
    /// The indentation that a block of text begun on this line must exceed.
    block: Option<usize>,
}

impl Cursor {
    fn at_start_of(line: &str) -> Self {
        let indent = indentation(line);
        let dash = indent.saturating_sub(1);
        Self { column: 0, before: None, starts: true, closed: false, dash, node: None, block: None }
    }

    /// The column that a block of text whose mark is here must be indented beyond: that of its key, or of its dash.
    fn parent(&self) -> usize {
        self.node.filter(|node| *node < self.column).unwrap_or(self.dash)
    }
}

fn indentation(line: &str) -> usize {
    line.chars().take_while(|c| *c == ' ').count()
}

impl Scanner {
    /// Copies one line to `out` with its references replaced. The error is a column, from 1, and what is wrong.
    fn line(&mut self, line: &str, environment: &Environment, out: &mut String) -> Result<(), (u64, String)> {
        if matches!(self.context, Context::Block(parent) if indentation(line) <= parent && !line.trim().is_empty()) {
            self.context = Context::Plain;
        }
        let mut cursor = Cursor::at_start_of(line);
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            if self.context == Context::Plain && c == '#' && cursor.before.is_none_or(char::is_whitespace) {
                break;
            }
            let written = if let Some(after) = rest.strip_prefix("${") {
                let (reference, _) = after.split_once('}').unwrap_or((after, ""));
                let problem = |problem| (cursor.column as u64 + 1, problem);
                out.push_str(&value_of(reference, after, environment).map_err(problem)?);
                self.step('}', &mut cursor, reference.chars().count() + "${}".len());
                reference.len() + "${}".len()
            } else {
                out.push(c);
                self.step(c, &mut cursor, 1);
                c.len_utf8()
            };
            rest = rest.get(written..).unwrap_or_default();
        }
        out.push_str(rest);
        if let (Context::Plain, Some(parent)) = (self.context, cursor.block) {
            self.context = Context::Block(parent);
        }
        Ok(())
    }

    /// Takes note of one character, or of a reference, which is `width` columns wide and counts as its last one.
    fn step(&mut self, c: char, cursor: &mut Cursor, width: usize) {
        let reopened = std::mem::take(&mut cursor.closed) && c == '\'';
        match self.context {
            Context::Double if self.escaped => self.escaped = false,
            Context::Double => match c {
                '\\' => self.escaped = true,
                '"' => self.context = Context::Plain,
                _ => {}
            },
            Context::Single if c == '\'' => {
                self.context = Context::Plain;
                cursor.closed = true;
            }
            Context::Single | Context::Block(_) => {}
            Context::Plain if reopened => self.context = Context::Single,
            Context::Plain => self.plain(c, cursor, width),
        }
        cursor.column += width;
        cursor.before = Some(c);
    }

    fn plain(&mut self, c: char, cursor: &mut Cursor, width: usize) {
        let in_flow = self.depth > 0;
        match c {
            '\'' if cursor.starts => self.context = Context::Single,
            '"' if cursor.starts => self.context = Context::Double,
            '[' | '{' if cursor.starts || in_flow => self.depth += 1,
            // A reference ends in `}` too, and closes nothing.
            ']' | '}' if in_flow && width == 1 => self.depth -= 1,
            '|' | '>' if cursor.starts && !in_flow => cursor.block = Some(cursor.parent()),
            '+' | '-' | '0'..='9' => {}
            _ if c.is_whitespace() => {}
            _ => cursor.block = None,
        }
        cursor.follow(c, in_flow);
    }
}

impl Cursor {
    /// Whether something may begin after `c`, and where what begins on this line stands.
    fn follow(&mut self, c: char, in_flow: bool) {
        let is_mark = |c: Option<char>| matches!(c, Some('-' | '?'));
        if c.is_whitespace() {
            if self.starts && is_mark(self.before) {
                self.dash = self.column.saturating_sub(1);
                self.node = None;
            }
            self.starts |= self.before == Some(':');
            return;
        }
        if self.starts && self.node.is_none() {
            self.node = Some(self.column);
        }
        self.starts = match c {
            '[' | '{' => self.starts || in_flow,
            ',' => in_flow,
            '-' | '?' => self.starts,
            _ => false,
        };
    }
}

/// The value of a reference, written without its braces; `after` is the rest of the line.
fn value_of(reference: &str, after: &str, environment: &Environment) -> Result<String, String> {
    const FORMS: &str = "write ${VAR} or ${VAR:-default}";
    let (variable, default) = match reference.split_once(":-") {
        Some((variable, default)) => (variable, Some(default)),
        None => (reference, None),
    };
    let is_name = !variable.is_empty() && variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !after.contains('}') {
        return Err(format!("\"${{\" without a closing \"}}\" on its line; {FORMS}"));
    }
    if !is_name {
        return Err(format!("\"{variable}\" in \"${{{reference}}}\" is not the name of a variable; {FORMS}"));
    }
    match (environment.get(variable), default) {
        (Some(value), _) => Ok(value.to_owned()),
        (None, Some(default)) => Ok(default.to_owned()),
        (None, None) => Err(format!(
            "environment variable {variable} is not set; set it, or give a default with ${{{variable}:-default}}"
        )),
    }
}

#[cfg(test)]
mod tests;

//! How deep a query may go.
//!
//! Parsing, planning and evaluating walk trees by recursion, and a stack that overflows ends the process. The parser
//! limits what stands in brackets; a chain such as `a OR b OR c` is a tree just as deep, and is limited here, by the text
//! alone, before anything is built from it. What passes fits into [`DEEP_STACK_BYTES`], also in a debug build.

use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::SqlError;

/// The stack of threads that plan or run queries. It is reserved, and used only as far as a query goes.
pub const DEEP_STACK_BYTES: usize = 64 << 20;
/// Operators that may stand in one another, at most, over all SELECTs that may stand in one another.
const MAX_DEPTH: usize = 1_000;
/// Brackets that may stand in one another in a quoted text: `arrow_cast` reads types from it, by recursion.
const MAX_TEXT_DEPTH: usize = 1_000;
/// SELECTs, joins and set operations of a query.
const MAX_RELATIONS: usize = 200;

/// What stands between two brackets, or between CASE and its END.
#[derive(Clone, Copy, Default)]
struct Level {
    /// Operators since the last word or comma that begins another expression.
    operators: usize,
    /// Whether commas join relations.
    from: bool,
    /// Whether it ends with END.
    case: bool,
}

/// What a token follows. A word such as LIMIT begins a clause only behind a whole operand; elsewhere it is a name.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Behind {
    /// Nothing, an opening bracket or a comma.
    #[default]
    Start,
    Operand,
    Operator,
    Period,
    /// A word that is no operand for certain.
    Keyword,
}

/// Measures a text as it is read. Where a text can be read in two ways, it counts as the deeper one.
#[derive(Default)]
struct Depth {
    current: Level,
    /// The levels around it, and how many operators they have together.
    outer: Vec<Level>,
    around: usize,
    deepest: usize,
    selects: usize,
    relations: usize,
    behind: Behind,
}

/// Refuses a text whose tree could be too deep. What cannot be read at all is left to the parser to tell.
pub(crate) fn check(sql: &str, dialect: &dyn Dialect) -> Result<(), SqlError> {
    let Ok(tokens) = Tokenizer::new(dialect, sql).tokenize() else { return Ok(()) };
    let mut depth = Depth::default();
    for token in &tokens {
        depth.take(token);
        if let Token::SingleQuotedString(text) = token
            && brackets(text) > MAX_TEXT_DEPTH
            && text.trim_start().starts_with(|first: char| first.is_ascii_alphabetic())
        {
            return Err(SqlError::Limit(format!("a quoted type nests more than {MAX_TEXT_DEPTH} types")));
        }
    }
    if depth.relations > MAX_RELATIONS {
        return Err(SqlError::Limit(format!(
            "a query has at most {MAX_RELATIONS} SELECTs, joins and set operations, and this one {}; split it",
            depth.relations
        )));
    }
    // A SELECT over another may become one expression with it.
    if depth.deepest.saturating_mul(depth.selects.max(1)) > MAX_DEPTH {
        return Err(SqlError::Limit(format!(
            "the query chains or nests too many operators (more than {MAX_DEPTH} over all its SELECTs); a long chain of \
             ORs is better an IN list or a join"
        )));
    }
    Ok(())
}

/// How many brackets stand in one another at most.
fn brackets(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

impl Depth {
    fn take(&mut self, token: &Token) {
        self.behind = match token {
            Token::Whitespace(_) => return,
            Token::LParen | Token::LBracket | Token::LBrace => self.open(false),
            Token::RParen | Token::RBracket | Token::RBrace => self.close(),
            Token::Comma | Token::SemiColon => self.separate(token == &Token::Comma),
            Token::Word(word) => self.word(word.keyword),
            Token::Number(..) | Token::SingleQuotedString(_) => Behind::Operand,
            Token::Period => Behind::Period,
            _ => self.operator(Behind::Operator),
        };
        self.deepest = self.deepest.max(self.around + self.current.operators);
    }

    fn word(&mut self, keyword: Keyword) -> Behind {
        match (keyword, self.behind) {
            (Keyword::NoKeyword, _) | (_, Behind::Period) => Behind::Operand,
            (Keyword::NULL | Keyword::TRUE | Keyword::FALSE, _) => self.operator(Behind::Operand),
            (Keyword::SELECT, _) => self.select(),
            (Keyword::UNION | Keyword::INTERSECT | Keyword::EXCEPT | Keyword::JOIN, _) => {
                self.relations += 1;
                self.operator(Behind::Keyword)
            }
            (Keyword::FROM, behind) => {
                self.operator(Behind::Keyword);
                let operators = if behind == Behind::Operand { 0 } else { self.current.operators };
                self.current = Level { operators, from: true, ..self.current };
                Behind::Keyword
            }
            (
                Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT | Keyword::WINDOW,
                Behind::Operand,
            ) => {
                self.current = Level { operators: 0, from: false, ..self.current };
                Behind::Keyword
            }
            (Keyword::ON | Keyword::WHEN | Keyword::THEN | Keyword::ELSE, Behind::Operand) => {
                self.current.operators = 0;
                Behind::Keyword
            }
            (Keyword::CASE, _) => self.open(true),
            (Keyword::END, Behind::Operand) if self.current.case => self.close(),
            _ => self.operator(Behind::Keyword),
        }
    }

    fn operator(&mut self, behind: Behind) -> Behind {
        self.current.operators += 1;
        behind
    }

    fn select(&mut self) -> Behind {
        self.selects += 1;
        self.relations += 1;
        let operators = if self.behind == Behind::Operator { self.current.operators + 1 } else { 0 };
        self.current = Level { operators, from: false, ..self.current };
        Behind::Keyword
    }

    fn separate(&mut self, is_comma: bool) -> Behind {
        if is_comma && self.current.from {
            self.relations += 1;
        } else {
            self.current.operators = 0;
        }
        Behind::Start
    }

    /// Opens a level. It counts in the one around it too: `a[1][2]` is as deep as it has brackets.
    fn open(&mut self, case: bool) -> Behind {
        self.current.operators += 1;
        self.around += self.current.operators;
        self.outer.push(self.current);
        self.current = Level { operators: 1, from: false, case };
        if case { Behind::Keyword } else { Behind::Start }
    }

    /// Closes a level. A bracket that closes nothing is the parser's to tell.
    fn close(&mut self) -> Behind {
        if let Some(outer) = self.outer.pop() {
            self.around -= outer.operators;
            self.current = outer;
        }
        Behind::Operand
    }
}

/// Runs work that may recurse deeply on a stack that has room for it.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> Result<T, SqlError> + Send) -> Result<T, SqlError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("sabot-plan".to_owned()).stack_size(DEEP_STACK_BYTES);
        let failed =
            |error: &dyn std::fmt::Display| SqlError::Limit(format!("no thread to plan the query on: {error}"));
        let running = thread.spawn_scoped(scope, work).map_err(|error| failed(&error))?;
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(test)]
mod tests;

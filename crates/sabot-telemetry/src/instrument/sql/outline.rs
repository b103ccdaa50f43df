//! Which command a statement is, and on which table: listens to the scanner's tokens.

use super::SqlKind;

/// What is known of a statement so far.
#[derive(Debug, Default)]
pub(super) struct Outline {
    operation: Option<&'static str>,
    table: Option<String>,
    stage: Stage,
    /// What follows when the table has its whole name.
    resume: Stage,
    depth: u32,
    /// The depth at which the table is named: not in `extract(year FROM at)`.
    base: u32,
    /// After `IS DISTINCT`, a `FROM` names no table.
    after_distinct: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The command comes first.
    #[default]
    Start,
    /// Common table expressions, then the command.
    With,
    /// Waits for the word before the table.
    Before(Sign),
    /// The table comes next.
    Naming,
    /// The table has a name, which may be a schema's.
    Named,
    /// A dot has been, so there is more of the name.
    Qualified,
    Done,
}

/// What comes before a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    From,
    Into,
    Object,
}

/// Commands by kind; what is none of these is not told, because it might be anything.
const OPERATIONS: &[(&str, SqlKind)] = &[
    ("SELECT", SqlKind::Read),
    ("INSERT", SqlKind::Write),
    ("UPDATE", SqlKind::Write),
    ("DELETE", SqlKind::Write),
    ("MERGE", SqlKind::Write),
    ("REPLACE", SqlKind::Write),
    ("BEGIN", SqlKind::Transaction),
    ("COMMIT", SqlKind::Transaction),
    ("ROLLBACK", SqlKind::Transaction),
    ("SAVEPOINT", SqlKind::Transaction),
    ("RELEASE", SqlKind::Transaction),
    ("START", SqlKind::Transaction),
    ("END", SqlKind::Transaction),
    ("ABORT", SqlKind::Transaction),
    ("CREATE", SqlKind::Schema),
    ("ALTER", SqlKind::Schema),
    ("DROP", SqlKind::Schema),
    ("TRUNCATE", SqlKind::Write),
    ("COPY", SqlKind::Write),
    ("VALUES", SqlKind::Read),
    ("TABLE", SqlKind::Read),
    ("SHOW", SqlKind::Read),
    ("EXPLAIN", SqlKind::Read),
    ("DESCRIBE", SqlKind::Read),
    ("FETCH", SqlKind::Read),
    ("COMMENT", SqlKind::Schema),
    ("GRANT", SqlKind::Schema),
    ("REVOKE", SqlKind::Schema),
    ("REINDEX", SqlKind::Schema),
    ("REFRESH", SqlKind::Write),
    ("CALL", SqlKind::Other),
    ("EXECUTE", SqlKind::Other),
    ("PREPARE", SqlKind::Other),
    ("DEALLOCATE", SqlKind::Other),
    ("DECLARE", SqlKind::Other),
    ("CLOSE", SqlKind::Other),
    ("DO", SqlKind::Other),
    ("SET", SqlKind::Other),
    ("RESET", SqlKind::Other),
    ("USE", SqlKind::Other),
    ("LOCK", SqlKind::Other),
    ("LISTEN", SqlKind::Other),
    ("NOTIFY", SqlKind::Other),
    ("UNLISTEN", SqlKind::Other),
    ("ANALYZE", SqlKind::Other),
    ("VACUUM", SqlKind::Other),
    ("CHECKPOINT", SqlKind::Other),
    ("DISCARD", SqlKind::Other),
    ("PRAGMA", SqlKind::Other),
    ("ATTACH", SqlKind::Other),
    ("DETACH", SqlKind::Other),
];

/// Words between the sign and the table.
const BEFORE_TABLE: &[&str] =
    &["ONLY", "TABLE", "IF", "NOT", "EXISTS", "LATERAL", "OR", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK"];

/// Commands that may follow common table expressions.
const AFTER_WITH: &[&str] = &["SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "VALUES", "REPLACE"];

pub(super) fn kind_of(operation: &str) -> SqlKind {
    OPERATIONS.iter().find(|(name, _)| *name == operation).map_or(SqlKind::Other, |(_, kind)| *kind)
}

fn among(words: &[&str], word: &str) -> bool {
    words.iter().any(|known| known.eq_ignore_ascii_case(word))
}

impl Outline {
    pub(super) fn finish(self) -> (Option<&'static str>, Option<String>) {
        (self.operation, self.table)
    }

    /// A word without quotes.
    pub(super) fn word(&mut self, word: &str) {
        if self.stage == Stage::Done {
            return;
        }
        self.settle();
        let distinct = std::mem::replace(&mut self.after_distinct, word.eq_ignore_ascii_case("DISTINCT"));
        match self.stage {
            Stage::Start => self.begin(word),
            Stage::With => self.in_with(word, distinct),
            Stage::Before(sign) if self.depth == self.base && !distinct && sign.is(word) => self.stage = Stage::Naming,
            Stage::Naming if among(BEFORE_TABLE, word) => {}
            Stage::Naming | Stage::Qualified => self.add_name(word),
            Stage::Before(_) | Stage::Named | Stage::Done => {}
        }
    }

    /// A name in quotes.
    pub(super) fn quoted(&mut self, name: &str) {
        self.settle();
        self.after_distinct = false;
        match self.stage {
            Stage::Naming | Stage::Qualified => self.add_name(name),
            Stage::Start => self.stage = Stage::Done,
            _ => {}
        }
    }

    pub(super) fn dot(&mut self) {
        match self.stage {
            Stage::Named => self.stage = Stage::Qualified,
            _ => self.other(),
        }
    }

    pub(super) fn open(&mut self) {
        self.settle();
        self.depth = self.depth.saturating_add(1);
        if self.stage == Stage::Naming {
            // A table that is a query: the table is in there.
            self.base = self.depth;
            self.stage = if self.resume == Stage::With { Stage::With } else { Stage::Before(Sign::From) };
        }
    }

    pub(super) fn close(&mut self) {
        self.other();
        self.depth = self.depth.saturating_sub(1);
    }

    /// Anything else.
    pub(super) fn other(&mut self) {
        self.settle();
        self.after_distinct = false;
        match self.stage {
            Stage::Naming | Stage::Qualified => self.stage = self.resume,
            Stage::Start if self.depth == 0 => self.stage = Stage::Done,
            _ => {}
        }
    }

    /// What comes now is no dot, so the table has its whole name.
    fn settle(&mut self) {
        if self.stage == Stage::Named {
            self.stage = self.resume;
        }
    }

    fn add_name(&mut self, name: &str) {
        match &mut self.table {
            Some(table) if self.stage == Stage::Qualified => {
                table.push('.');
                table.push_str(name);
            }
            table => *table = Some(name.to_owned()),
        }
        self.stage = Stage::Named;
    }

    fn begin(&mut self, word: &str) {
        self.base = self.depth;
        if word.eq_ignore_ascii_case("WITH") {
            self.base = self.depth.saturating_add(1);
            self.resume = Stage::With;
            self.stage = Stage::With;
        } else {
            self.operate(word);
        }
    }

    fn in_with(&mut self, word: &str, distinct: bool) {
        if self.depth == 0 && among(AFTER_WITH, word) {
            if !word.eq_ignore_ascii_case("SELECT") {
                self.table = None;
            }
            self.base = 0;
            self.operate(word);
            if self.table.is_some() {
                self.stage = Stage::Done; // a query for what has been read above
            }
        } else if self.table.is_none() && self.depth == self.base && !distinct && Sign::From.is(word) {
            self.stage = Stage::Naming;
        }
    }

    fn operate(&mut self, word: &str) {
        self.operation = OPERATIONS.iter().map(|(name, _)| *name).find(|name| name.eq_ignore_ascii_case(word));
        self.resume = Stage::Done;
        self.stage = match self.operation {
            Some("SELECT" | "DELETE" | "EXPLAIN") => Stage::Before(Sign::From),
            Some("INSERT" | "REPLACE" | "MERGE") => Stage::Before(Sign::Into),
            Some("UPDATE" | "TRUNCATE" | "COPY" | "CALL" | "TABLE") => Stage::Naming,
            Some("CREATE" | "ALTER" | "DROP") => Stage::Before(Sign::Object),
            _ => Stage::Done,
        };
    }
}

impl Sign {
    fn is(self, word: &str) -> bool {
        match self {
            Self::From => word.eq_ignore_ascii_case("FROM"),
            Self::Into => word.eq_ignore_ascii_case("INTO"),
            Self::Object => among(&["TABLE", "VIEW", "ON"], word),
        }
    }
}

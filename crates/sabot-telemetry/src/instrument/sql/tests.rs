//! What is told of statements, and that no literal is.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{MAX_KNOWN, MAX_STATEMENT_BYTES, SqlKind, SqlStatement};

fn check(statements: &[&str], expected: Expect) {
    let lines: Vec<_> = statements
        .iter()
        .map(|sql| {
            let read = SqlStatement::of(sql);
            let rest = if read.is_complete() { "" } else { " [incomplete]" };
            format!("{} | {}{rest}\n", read.summary().unwrap_or("-"), read.text())
        })
        .collect();
    expected.assert_eq(&lines.concat());
}

#[test]
fn commands_and_tables() {
    check(
        &[
            "select * from users",
            "SELECT extract(year FROM at) FROM shop.\"Orders\" o JOIN users u ON u.id = o.user_id",
            "SELECT a IS DISTINCT FROM b FROM pairs",
            "SELECT * FROM (SELECT id FROM inner_table) AS t",
            "(SELECT 1 FROM a) UNION (SELECT 2 FROM b)",
            "WITH recent AS (SELECT * FROM events WHERE at > now()) SELECT * FROM recent",
            "WITH old AS (SELECT id FROM events) DELETE FROM archive WHERE id IN (SELECT id FROM old)",
            "INSERT OR REPLACE INTO cache (k, v) VALUES (?, ?)",
            "update only main.accounts set balance = 5",
            "DELETE FROM `order items` WHERE 1=1",
            "CREATE TABLE IF NOT EXISTS t (id int DEFAULT 7)",
            "CREATE UNIQUE INDEX i ON public.t (id)",
            "DROP TABLE t",
            "TRUNCATE TABLE t",
            "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
            "COPY (SELECT * FROM t) TO STDOUT",
            "BEGIN",
            "PRAGMA user_version",
            "-- just a comment",
            "hunter2",
            "",
        ],
        expect![[r#"
            SELECT users | select * from users
            SELECT shop.Orders | SELECT extract(year FROM at) FROM shop."Orders" o JOIN users u ON u.id = o.user_id
            SELECT pairs | SELECT a IS DISTINCT FROM b FROM pairs
            SELECT inner_table | SELECT * FROM (SELECT id FROM inner_table) AS t
            SELECT a | (SELECT ? FROM a) UNION (SELECT ? FROM b)
            SELECT events | WITH recent AS (SELECT * FROM events WHERE at > now()) SELECT * FROM recent
            DELETE archive | WITH old AS (SELECT id FROM events) DELETE FROM archive WHERE id IN (SELECT id FROM old)
            INSERT cache | INSERT OR REPLACE INTO cache (k, v) VALUES (?)
            UPDATE main.accounts | update only main.accounts set balance = ?
            DELETE order items | DELETE FROM `order items` WHERE ?=?
            CREATE t | CREATE TABLE IF NOT EXISTS t (id int DEFAULT ?)
            CREATE public.t | CREATE UNIQUE INDEX i ON public.t (id)
            DROP t | DROP TABLE t
            TRUNCATE t | TRUNCATE TABLE t
            MERGE t | MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE
            COPY t | COPY (SELECT * FROM t) TO STDOUT
            BEGIN | BEGIN
            PRAGMA | PRAGMA user_version
            - | 
            - | hunter2
            - | 
        "#]],
    );
}

#[test]
fn literals_and_comments() {
    check(
        &[
            "SELECT 'it''s', E'it\\'s', N'x', X'DEAD', U&'\\0041', _utf8'x', 'a' 'b'",
            "SELECT 1, -2.5e-10, 0xDEAD, .5, 1_000, 12abc, t1.c2",
            "SELECT $$it's$$, $tag$ $$ secret $tag$, $1, ?, ?2, :name, @name, $1234567",
            "SELECT a /* secret */ FROM/**/t -- 'secret'\nWHERE x = 1 --",
            "SELECT * FROM t WHERE id IN (1, 2,3) AND tag = ANY(ARRAY['a', 'b']) AND x NOT IN ($1)",
            "INSERT INTO t VALUES (1, 'a', NULL, -1), (2, 'b', DEFAULT, 1) , ($1, $2, $3, $4)",
            "SELECT data->>'key', data #>> '{a,b}' FROM t WHERE data ? 'x' AND data @> '{\"a\": 1}'::jsonb",
            "SELECT \"John Smith\", \"a@b.c\", \"\", \"table\", \"4111-1111\", \"say \"\"x\"\"\"",
            "SELECT 'größe', größe FROM übung",
            "pragma key = \"hunter2\"",
            "ATTACH 'a.db' AS enc KEY \"hunter2\"",
        ],
        expect![[r#"
            SELECT | SELECT ?, ?, ?, ?, ?, ?, ? ?
            SELECT | SELECT ?, -?, ?, ?, ?, ?, t1.c2
            SELECT | SELECT ?, ?, $1, ?, ?2, :name, @name, ?
            SELECT t | SELECT a FROM t WHERE x = ?
            SELECT t | SELECT * FROM t WHERE id IN (?) AND tag = ANY(ARRAY[?]) AND x NOT IN (?)
            INSERT t | INSERT INTO t VALUES (?)
            SELECT t | SELECT data->>?, data #>> ? FROM t WHERE data ? ? AND data @> ?::jsonb
            SELECT | SELECT ?, ?, ?, "table", ?, ?
            SELECT übung | SELECT ?, größe FROM übung
            PRAGMA | pragma key = ?
            ATTACH | ATTACH ? AS enc KEY ?
        "#]],
    );
}

#[test]
fn what_dialects_read_differently_is_left_out() {
    check(
        &[
            "SELECT 'C:\\', 'secret'",
            "SELECT 'it\\'s secret', 1",
            "SELECT 'fine\\\\', 1",
            "SELECT \"a\\\" secret\", 1",
            "SELECT 1 /* a /* b */ secret */",
            "SELECT 1 /*/*/ secret */",
            "SELECT /*! secret */ 1",
            "SELECT 5--'\n secret'",
            "SELECT 1 # it's secret",
            "SELECT q'[it's secret]'",
            "SELECT 'unfinished secret",
            "SELECT $a$ unfinished secret",
        ],
        expect![[r"
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ?, ?
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT [incomplete]
            SELECT | SELECT ? [incomplete]
            SELECT | SELECT ? [incomplete]
        "]],
    );
}

#[test]
fn kinds() {
    let kind = |sql| SqlStatement::of(sql).kind();
    assert_eq!(kind("select 1"), SqlKind::Read);
    assert_eq!(kind("WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x"), SqlKind::Write);
    assert_eq!(kind("drop table t"), SqlKind::Schema);
    assert_eq!(kind("ROLLBACK TO SAVEPOINT a"), SqlKind::Transaction);
    assert_eq!(kind("VACUUM"), SqlKind::Other);
    assert_eq!(kind("nonsense"), SqlKind::Other);
}

#[test]
fn a_fingerprint_is_of_the_form() {
    let fingerprint = |sql| SqlStatement::of(sql).fingerprint();
    let form = fingerprint("SELECT * FROM t WHERE id = 1 AND x IN (1, 2)");
    for same in [
        "select  *\nfrom t where id = 'x' and x in (3)",
        "SELECT * FROM t /* by x */ WHERE id=$1 AND x IN ($2, $3, $4)",
        "SELECT * FROM t WHERE id = ?2 AND x IN (?)",
    ] {
        assert_eq!(fingerprint(same), form, "{same}");
    }
    for other in ["SELECT * FROM t WHERE id = 1 OR x IN (1, 2)", "SELECT * FROM t2 WHERE id = 1 AND x IN (1, 2)"] {
        assert_ne!(fingerprint(other), form, "{other}");
    }
    assert_ne!(fingerprint("SELECT a b"), fingerprint("SELECT ab"));
    // Kept between processes and versions.
    assert_eq!(fingerprint("SELECT 1"), 0x7c39_761b_dded_68f6);
}

#[test]
fn a_long_statement_is_cut() {
    let long = format!("SELECT * FROM t WHERE {} x = 'secret'", "a_column = 1 AND ".repeat(1000));
    let read = SqlStatement::of(&long);
    assert!(!read.is_complete() && read.text().len() <= MAX_STATEMENT_BYTES, "{} bytes", read.text().len());
    assert_eq!(read.summary(), Some("SELECT t"));

    let cut_in_literal = format!("SELECT '{}', 1", "é".repeat(MAX_STATEMENT_BYTES));
    assert_eq!(SqlStatement::of(&cut_in_literal).text(), "SELECT ?");
}

#[test]
fn what_is_remembered_is_bounded_and_right() {
    for round in 0..3 {
        for n in 0..MAX_KNOWN * 2 {
            let sql = format!("SELECT c{n} FROM t{n}");
            assert_eq!(SqlStatement::of(&sql).table(), Some(&*format!("t{n}")), "round {round}");
        }
        super::KNOWN.with_borrow(|known| assert!(known.len() <= MAX_KNOWN, "{}", known.len()));
    }
}

/// A literal that has `secret` in it, in one of the forms there are.
fn literal() -> impl Strategy<Value = String> {
    let noise = "[ a-z0-9,;.()@#$?/*\"`_%é-]{0,6}";
    (0..8_u8, noise, noise).prop_map(|(form, a, b)| match form {
        0 => format!("'{a}secret{b}'"),
        1 => format!("'{a}''secret''{b}'"),
        2 => format!("E'{a}\\'secret\\\\'"),
        3 => format!("$tag${a}'secret{b}$tag$"),
        4 => format!("N'{a}secret'"),
        5 => "0x5ec3e7".to_owned(),
        6 => format!("'{a}secret\\{b}x'"),
        _ => "5313.7e-1".to_owned(),
    })
}

fn statement() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        literal().prop_map(|literal| format!("{literal} ")),
        literal(),
        Just(" ".to_owned()),
        Just("/* secret */".to_owned()),
        Just("-- secret's\n".to_owned()),
        prop::sample::select(vec![
            "SELECT ",
            "FROM t ",
            "WHERE ",
            "a = ",
            ", ",
            "(",
            ")",
            "IN (",
            "VALUES (",
            "), (",
            "::int ",
            "\"name\" ",
            "`x y` ",
            "->>",
            "#>> ",
            "LIKE ",
            "[",
            "]",
            "-",
            "$1 ",
            "? ",
            "NULL ",
            "; ",
            "AND ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_literal_is_left(sql in statement()) {
        let read = SqlStatement::read(&sql);
        for part in ["secret", "5ec3", "5313", "7e"] {
            prop_assert!(!read.text().contains(part), "{sql} -> {}", read.text());
            prop_assert!(!read.summary().unwrap_or_default().contains(part), "{sql} -> {:?}", read.summary());
        }
    }

    #[test]
    fn a_second_time_changes_nothing(sql in statement()) {
        let once = SqlStatement::read(&sql);
        let twice = SqlStatement::read(once.text());
        prop_assert_eq!(once.text(), twice.text());
        prop_assert_eq!(once.fingerprint(), twice.fingerprint());
    }

    #[test]
    fn anything_at_all_is_read(sql in "\\PC{0,200}|[ '\"`$?#/*()\\[\\],\\\\a-e0-2.&\n\réß-]{0,60}") {
        let once = SqlStatement::read(&sql);
        prop_assert!(once.text().len() <= sql.len());
        let twice = SqlStatement::read(once.text());
        prop_assert_eq!(once.text(), twice.text());
    }

    #[test]
    fn what_is_cut_is_read_the_same_again(sql in statement(), max in 0_usize..80) {
        let once = super::scan::scan(&sql, max).text;
        prop_assert!(once.len() <= max);
        prop_assert_eq!(&super::scan::scan(&once, max).text, &once);
    }
}

//! What is replaced, what is a comment, and what a bad reference is told.

use expect_test::{Expect, expect};

use super::{Environment, expand};

fn environment() -> Environment {
    [("PORT", "9000"), ("EMPTY", ""), ("ORIGIN", "JFK")]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into_iter()
        .collect()
}

fn check(text: &str, expected: &str) {
    assert_eq!(expand(text, &environment()).as_deref(), Ok(expected), "{text}");
}

#[test]
fn references_are_replaced_by_value_or_default() {
    check("port: ${PORT}\n", "port: 9000\n");
    check("{ port: ${PORT:-1}, bind: ${BIND:-::1} }", "{ port: 9000, bind: ::1 }");
    check("a: ${EMPTY:-full} ${NONE:-}!", "a: full !");
    check("a: '${PORT}'\nb: \"${PORT}\"\n", "a: '9000'\nb: \"9000\"\n");
    check("sql: |\n  SELECT '${ORIGIN}' -- # ${ORIGIN}\n", "sql: |\n  SELECT 'JFK' -- # JFK\n");
}

/// In each text `${NO}` stands in comments only, and `${PORT}` elsewhere only.
#[test]
fn comments_are_left_alone() {
    for text in [
        "# ${NO} ${NO:-x} ${\nport: ${PORT} # ${NO}\n",
        "   # ${NO}\n",
        "a: b#${PORT} # ${NO}",
        "a: 'x # ${PORT}' # ${NO}",
        "a: 'it''s # ${PORT}' # ${NO}",
        "a: '' # ${NO}",
        "a: \"x \\\" # ${PORT}\" # ${NO}",
        "a: \"two\n  lines # ${PORT}\" # ${NO}\n",
        "a: don't # ${NO}\nb: don''t # ${NO}\n",
        "a: hello, 'tis # ${NO}\nb: ${PORT}",
        "[ 'a # ${PORT}', \"b # ${PORT}\" ] # ${NO}",
        "{ a: x, b: { c: 'd # ${PORT}' } } # ${NO}\n",
        "{ a: ${PORT} } # ${NO}\n- 'x # ${PORT}'\n",
        "a: { b: c }, 'd # ${NO}",
        "sql: | # ${NO}\n  x # ${PORT}\n\n   # ${PORT}\nb: 1 # ${NO}\n",
        "sql: >-\n  x # ${PORT}\n# ${NO}\n",
        "- sql: |2\n    x # ${PORT}\n  b: 1 # ${NO}\n",
        "-   sql: |\n      x # ${PORT}\n    b: 1 # ${NO}\n",
        "- |\n  x # ${PORT}\n- y # ${NO}\n",
        "- - |+\n    x # ${PORT}\n  - y # ${NO}\n",
        "a: b | c # ${NO}\nd: x # ${NO}\n",
        "a: |\r\n  x # ${PORT}\r\nb: 1 # ${NO}\r\n",
        "a: é ${PORT} # ${NO}",
    ] {
        check(text, &text.replace("${PORT}", "9000"));
    }
}

/// The oracle is the parser: what it takes for a comment must be what is taken for one here.
#[test]
fn the_parser_agrees_on_what_a_comment_is() {
    for text in [
        "a: 'x # y' # z\nb: don't # z\nc: [ 'p # q', \"r # s\" ] # z\n",
        "- sql: |\n    x # y\n  b: 1 # z\n- - |+\n    x # y\n  - w # z\n- >-\n  x # y\n  v\n# z\n",
        "a: \"two\n  lines # y\" # z\nb: it''s # z\nc: 'it''s # y' # z\n",
    ] {
        let parse = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
        let marked =
            expand(&text.replace('#', "#${M}"), &[("M".to_owned(), "!".to_owned())].into_iter().collect()).unwrap();
        // Comments kept their references; everywhere else they were replaced.
        assert_eq!(parse(&marked.replace("#!", "#")), parse(text), "{marked}");
        assert!(!parse(&marked).to_string().contains("${M}"), "{marked}");
        assert_eq!(marked.matches("#${M} z").count(), text.matches("# z").count(), "{marked}");
    }
}

fn check_error(text: &str, expected: Expect) {
    let error = expand(text, &environment()).unwrap_err();
    expected.assert_eq(&format!("{}:{}: {}", error.at.0, error.at.1, error.problem));
}

#[test]
fn a_bad_reference_is_told_with_its_place_and_the_forms() {
    check_error(
        "# one\nport: ${NO_SUCH}\n",
        expect!["2:7: environment variable NO_SUCH is not set; set it, or give a default with ${NO_SUCH:-default}"],
    );
    check_error(
        "a: é${PORT}${EMPTY}",
        expect!["1:12: environment variable EMPTY is not set; set it, or give a default with ${EMPTY:-default}"],
    );
    check_error(
        "a: ${PORT\n}",
        expect![[r#"1:4: "${" without a closing "}" on its line; write ${VAR} or ${VAR:-default}"#]],
    );
    check_error(
        "a: ${PORT-1}",
        expect![[r#"1:4: "PORT-1" in "${PORT-1}" is not the name of a variable; write ${VAR} or ${VAR:-default}"#]],
    );
}

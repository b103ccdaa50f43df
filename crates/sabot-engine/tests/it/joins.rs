//! Stream-table lookup joins.

use std::sync::Arc;

use sabot_store::FaultyDisk;

use crate::harness::{Harness, rows};

fn run(sql: &str) -> String {
    let harness = Harness::new(&[
        ("e.jsonl", "{\"k\":1,\"v\":10}\n{\"k\":2,\"v\":20}\n{\"k\":null,\"v\":30}\n{\"k\":9,\"v\":40}\n"),
        ("t.csv", "k,name,size\n1,one,5\n2,two,50\n1,uno,7\n"),
        (
            "sabot.yaml",
            "streams:\n  - { name: e, source: { file: e.jsonl } }\n\
             tables:\n  - { name: t, backend: memory, key: k, source: { file: t.csv } }\n",
        ),
        ("agents/a.yaml", &format!("name: a\nkind: stream\noutput: {{ stream: out }}\nsql: {sql}\n")),
    ]);
    let store = harness.run(Arc::new(FaultyDisk::new()), 2).expect("a run");
    rows(&store, "out").concat()
}

#[test]
fn inner_keeps_matches_and_left_keeps_all() {
    expect_test::expect![[r#"
        {"v":10,"name":"uno"}
        {"v":20,"name":"two"}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e JOIN t ON e.k = t.k"));
    expect_test::expect![[r#"
        {"v":10,"name":"uno"}
        {"v":20,"name":"two"}
        {"v":30}
        {"v":40}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e LEFT JOIN t ON e.k = t.k"));
}

#[test]
fn conditions_on_the_table_decide_what_matches() {
    expect_test::expect![[r#"
        {"v":10}
        {"v":20,"name":"two"}
        {"v":30}
        {"v":40}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e LEFT JOIN t ON e.k = t.k AND t.size > 10"));
    expect_test::expect![[r#"
        {"v":20,"name":"two"}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e LEFT JOIN t ON e.k = t.k WHERE t.size > 10"));
    expect_test::expect![[r#"
        {"v":10,"name":"uno"}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e JOIN t ON e.k = t.k AND t.size < e.v"));
    expect_test::expect![[r#"
        {"v":10,"name":"uno"}
        {"v":20}
        {"v":30}
        {"v":40}
    "#]]
    .assert_eq(&run("SELECT e.v, t.name FROM e LEFT JOIN t ON e.k = t.k AND t.size < e.v"));
}

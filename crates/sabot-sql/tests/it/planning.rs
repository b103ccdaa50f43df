//! What agents' SQL becomes, and what is refused with which advice.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use expect_test::{Expect, expect};
use sabot_sql::{Planner, Relation, RelationKind, event_time_type};

fn planner() -> Planner {
    let flights = Schema::new(vec![
        Field::new("time_hour", event_time_type(), false),
        Field::new("origin", DataType::Utf8, true),
        Field::new("carrier", DataType::Utf8, true),
        Field::new("tailnum", DataType::Utf8, true),
        Field::new("minute", DataType::Int64, true),
        Field::new("dep_delay", DataType::Int64, true),
    ]);
    let planes = Schema::new(vec![
        Field::new("tailnum", DataType::Utf8, false),
        Field::new("model", DataType::Utf8, true),
        Field::new("year", DataType::Int64, true),
    ]);
    let stream = RelationKind::Stream { event_time: Some("time_hour".to_owned()) };
    let table = RelationKind::Table { key: vec!["tailnum".to_owned()] };
    Planner::new(vec![
        Relation::new("flights", Arc::new(flights.clone()), stream.clone()),
        Relation::new("flights.late", Arc::new(flights), stream),
        Relation::new("planes", Arc::new(planes), table),
    ])
}

#[track_caller]
fn check(sql: &str, expected: Expect) {
    let shown = match planner().plan(sql) {
        Ok(plan) => {
            let columns: Vec<_> =
                plan.schema.fields().iter().map(|f| format!("{} {}", f.name(), f.data_type())).collect();
            format!("{plan}\n=> {}", columns.join(", "))
        }
        Err(error) => format!("error: {error}"),
    };
    expected.assert_eq(&shown);
}

#[test]
fn equal_steps_stay_steps() {
    check(
        "SELECT minute FROM flights |> SELECT minute + minute AS minute |> SELECT minute + minute AS minute \
         |> SELECT minute + minute AS minute",
        expect![[r"
            scan flights
            project minute@0 + minute@0 AS minute
            project minute@0 + minute@0 AS minute
            project step(minute@0 + minute@0) AS minute
            => minute Int64"]],
    );
}

#[test]
fn filter_and_project() {
    check(
        "SELECT origin, dep_delay * 60 AS seconds FROM flights WHERE dep_delay >= 180 AND origin = 'JFK'",
        expect![[r"
            scan flights
            filter dep_delay@1 >= 180
            filter origin@0 = JFK
            project origin@0 AS origin, dep_delay@1 * 60 AS seconds
            => origin Utf8, seconds Int64"]],
    );
}

#[test]
fn dotted_stream_names_need_no_quotes() {
    check(
        "SELECT origin FROM flights.late",
        expect![[r"
        scan flights.late
        => origin Utf8"]],
    );
}

#[test]
fn tumbling_window() {
    check(
        "SELECT window_start, origin, count(*) AS flights, avg(dep_delay) AS mean_delay
         FROM TUMBLE(flights, time_hour, INTERVAL '1 hour') WHERE carrier <> 'UA'
         GROUP BY window_start, window_end, origin HAVING count(*) > 1",
        expect![[r#"
            scan flights in tumbling windows of 1h
            filter carrier@1 != UA
            project origin@0 AS origin, dep_delay@2 AS dep_delay, window_start@3 AS window_start, window_end@4 AS window_end
            aggregate count(Int64(1)), avg(TUMBLE().dep_delay) by window, origin@0
            project window_start@0 AS window_start, origin@2 AS origin, count(Int64(1))@3 AS count(Int64(1)), avg(TUMBLE().dep_delay)@4 AS avg(TUMBLE().dep_delay)
            filter count(Int64(1))@2 > 1
            project window_start@0 AS window_start, origin@1 AS origin, count(Int64(1))@2 AS flights, avg(TUMBLE().dep_delay)@3 AS mean_delay
            => window_start Timestamp(µs, "+00:00"), origin Utf8, flights Int64, mean_delay Float64"#]],
    );
}

#[test]
fn lookup_join_with_filter_moved_before_it() {
    check(
        "SELECT f.origin, p.model FROM flights f LEFT JOIN planes p ON f.tailnum = p.tailnum
         WHERE f.dep_delay > 60 AND p.year > 2000",
        expect![[r"
            scan flights
            filter dep_delay@2 > 60
            project origin@0 AS origin, tailnum@1 AS tailnum
            left lookup in planes by tailnum@1
            project origin@0 AS origin, model@3 AS model, year@4 AS year
            filter year@2 > 2000
            project origin@0 AS origin, model@1 AS model
            => origin Utf8, model Utf8"]],
    );
}

#[test]
fn what_would_be_read_in_another_way_is_refused() {
    check(
        "SELECT origin FROM flights WHERE carrier IS NOT DISTINCT FROM 'UA' AND minute > 3 OR minute = 1",
        expect![
            "error: IS NOT DISTINCT FROM takes all that follows for its right side: put it in parentheses, as in (carrier IS NOT DISTINCT FROM 'UA') AND …"
        ],
    );
    check(
        "SELECT origin FROM flights WHERE (carrier IS DISTINCT FROM 'UA') AND minute > 3",
        expect![[r"
            scan flights
            filter carrier@1 IS DISTINCT FROM UA
            filter minute@2 > 3
            project origin@0 AS origin
            => origin Utf8"]],
    );
    check(
        "SELECT f.origin FROM flights f JOIN planes p ON f.minute = p.tailnum",
        expect![
            "error: agents do not run a join that compares key column tailnum, which is Utf8, with f.minute, which is Int64: give it the key's type with CAST(f.minute AS …), or arrow_cast(f.minute, 'Utf8')"
        ],
    );
    check(
        "SELECT origin, carrier AS origin FROM flights",
        expect!["error: two columns are called origin; give one of them another name with AS"],
    );
    check(
        "SELECT 1 AS a, 2 AS a FROM flights",
        expect!["error: columns 1 and 2 have the same name; give one of them another with AS"],
    );
}

#[test]
fn refusals_say_what_to_write() {
    check(
        "SELECT origin FROM fligths",
        expect![[r#"error: stream or table "fligths" does not exist; did you mean "flights"?"#]],
    );
    check(
        "SELECT orgin FROM flights",
        expect![
            "error: no field named orgin; did you mean 'flights.origin'? The columns are flights.time_hour, flights.origin, flights.carrier, flights.tailnum, flights.minute, flights.dep_delay"
        ],
    );
    check(
        "SELECT window_start, max(CAST(minute AS DOUBLE)) AS a, max(minute) AS b \
         FROM TUMBLE(flights, time_hour, INTERVAL '1 hour') GROUP BY window_start",
        expect![
            "error: two expressions are both called max(minute), as a cast is no part of the name; write more than a cast, such as CAST(… AS DOUBLE) + 0"
        ],
    );
    check(
        "SELECT window_start, count(*) FROM TUMBLE(flights, time_hour, INTERVAL '1 hour') GROUP BY window_start, origin, origin",
        expect!["error: agents do not run a GROUP BY that names an expression twice: name it once"],
    );
    check(
        "SELECT origin, count(*) FROM flights GROUP BY origin",
        expect![
            "error: agents do not run an aggregate without a window: its state would grow for ever; read FROM TUMBLE(stream, time_column, INTERVAL '…') and GROUP BY window_start"
        ],
    );
    check(
        "SELECT origin FROM flights ORDER BY origin",
        expect![
            "error: agents do not run ORDER BY: a stream has no end to sort at; order the result when you query it"
        ],
    );
    check(
        "SELECT origin FROM flights LIMIT 3",
        expect!["error: agents do not run LIMIT: a stream has no end; limit the result when you query it"],
    );
    check(
        "SELECT DISTINCT origin FROM flights",
        expect!["error: agents do not run DISTINCT: group by the columns within a window of TUMBLE(…)"],
    );
    check(
        "SELECT f.origin FROM flights f JOIN planes p ON f.tailnum = p.tailnum AND p.year > f.minute WHERE p.model LIKE 'A%'",
        expect![[r"
            scan flights
            inner lookup in planes by tailnum@1
            project origin@0 AS origin
            => origin Utf8"]],
    );
    check(
        "SELECT a.origin FROM flights a JOIN flights.late b ON a.tailnum = b.tailnum",
        expect![[
            r#"error: agents do not run a join of a stream with stream "flights.late": join a stream with a table"#
        ]],
    );
    check(
        "SELECT model FROM planes",
        expect![[
            r#"error: agents do not run a query that starts at table "planes": start FROM a stream and JOIN the table to it"#
        ]],
    );
    check(
        "SELECT f.origin FROM flights f JOIN planes p ON f.origin = p.model",
        expect![[
            r#"error: agents do not run a join with table "planes" on other columns than its key: compare each key column (tailnum) for equality with an expression over the stream"#
        ]],
    );
}

#[test]
fn mistakes_say_where_they_are() {
    check(
        "SELECT origin, now() AS at FROM flights",
        expect![
            "error: now() changes from one run to the next, so results could not be repeated after a crash; use a column of the stream"
        ],
    );
    check(
        "SELECT origin, origin FROM flights",
        expect!["error: columns 1 and 2 have the same name; give one of them another with AS"],
    );
    check(
        "SELECT window_start, count(*) FROM TUMBLE(flights, origin, INTERVAL '1 hour') GROUP BY window_start",
        expect![[r#"error: TUMBLE over "flights" must use its event time "time_hour", not "origin""#]],
    );
    check(
        "SELECT window_start, count(*) FROM TUMBLE(flights, time_hour, INTERVAL '1 month') GROUP BY window_start",
        expect!["error: TUMBLE's size cannot be given in months or years: their length varies; use days"],
    );
    check("SELEC origin FROM flights", expect!["error: sql line 1, column 1: expected an SQL statement, found SELEC"]);
    check(
        "SELECT origin + 1 FROM flights WHERE origin > INTERVAL '1 day'",
        expect!["error: there is no Utf8 + Int64; CAST what does not fit"],
    );
    check("DROP TABLE flights", expect!["error: agents do not run this statement: write one SELECT over a stream"]);
    check("SELECT origin FROM\n  flights WHERE", expect!["error: expected an expression, found the end of the text"]);
    check("SELECT 'JFK FROM flights", expect!["error: sql line 1, column 8: unterminated string literal"]);
    check(
        "SHOW TABLES",
        expect!["error: agents do not run SHOW and information_schema: write one SELECT over a stream"],
    );
    check(
        "SELECT origin FROM flights; SELECT dest FROM flights",
        expect!["error: there is more than one statement; write one"],
    );
}

#[test]
fn what_the_library_says_is_said_in_our_words() {
    check(
        "SELECT origin FROM flights WHERE tailnum IN (SELECT tailnum FROM planes)",
        expect!["error: agents do not run a subquery in an expression: join a table instead"],
    );
    check(
        "SELECT origin, (SELECT max(year) FROM planes) AS newest FROM flights",
        expect!["error: agents do not run a subquery in an expression: join a table instead"],
    );
    check(
        "SELECT window_start, count(*) FROM TUMBLE(flights, time_hour, INTERVAL '1 hour') GROUP BY origin",
        expect![[r#"error: column "window_start" must be in GROUP BY or inside an aggregate function"#]],
    );
    check(
        "SELECT window_start, sum(origin) FROM TUMBLE(flights, time_hour, INTERVAL '1 hour') GROUP BY window_start",
        expect![
            "error: there is no sum(Utf8), only sum(Decimal), sum(UInt64), sum(Int64), sum(Float64), sum(Duration), sum(Interval); CAST what does not fit"
        ],
    );
    check(
        "SELECT abs(origin) FROM flights",
        expect!["error: there is no abs(Utf8), only abs(Numeric(1)); CAST what does not fit"],
    );
    check(
        "SELECT minute FROM flights WHERE minute > 'x'",
        expect!["error: cannot cast string 'x' to value of Int64 type"],
    );
    check(
        "SELECT orgin FROM TUMBLE(flights, time_hour, INTERVAL '1 hour')",
        expect![
            "error: no field named orgin; did you mean 'origin'? The columns are time_hour, origin, carrier, tailnum, minute, dep_delay, window_start, window_end"
        ],
    );
}

#[test]
fn a_metric_has_no_place_in_a_query_that_nobody_wrote() {
    let schema = Arc::new(Schema::new(vec![Field::new("minute", DataType::Int64, true)]));
    let error = Planner::batch_aggregate(&schema, "sum(minute", &[]).expect_err("a bracket is open");
    expect!["expected ), found AS"].assert_eq(&error.to_string());
}

#[test]
fn expressions_over_a_schema() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("time_hour", event_time_type(), false),
        Field::new("minute", DataType::Int64, true),
        Field::new("dep_delay", DataType::Int64, true),
    ]));
    let sql = "to_timestamp_seconds(date_part('epoch', time_hour) + 60 * (minute + coalesce(dep_delay, 0)))";
    let shown = match Planner::expression(&schema, sql) {
        Ok(expr) => format!("{expr} : {:?}", expr.data_type(&schema)),
        Err(error) => format!("error: {error}"),
    };
    expect![[r#"to_timestamp_seconds(date_part(epoch, time_hour@0) + CAST(60 * (minute@1 + CASE WHEN dep_delay@2 IS NOT NULL THEN dep_delay@2 ELSE 0 END) AS Float64)) : Ok(Timestamp(Second, Some("+00:00")))"#]].assert_eq(&shown);
}

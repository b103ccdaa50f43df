//! `sabot.spans` for anyone's SQL.

use std::sync::atomic::{AtomicI64, Ordering};

use sabot_observatory::spans_schema;
use sabot_sql::RowSourceKind;
use sabot_telemetry::AttributeValue;

use crate::support::{Bench, at, child, count, number, root, sql, text, with_attribute};

#[test]
fn columns_are_those_of_the_contract() {
    let schema = spans_schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let contract = "trace_id, span_id, parent_span_id, service, operation, kind, status, status_message, started_at, \
        start_unix_nano, end_unix_nano, duration_ms, tenant_id, agent, task_id, component, cost_usd, resource, scope, \
        attributes, events, links, keep_reason, adjusted_count";
    assert_eq!(names.join(", "), contract);
}

#[tokio::test]
async fn reads_memory_and_blocks_alike() {
    let bench = Bench::new();
    let span = |trace| {
        let span = with_attribute(root(trace, "work"), "sabot.agent", text("totals"));
        with_attribute(span, "sabot.rows", AttributeValue::Int(7))
    };
    bench.append_and_flush(&[span(1), child(1, 2, "step")]);
    bench.store.append(vec![span(2)]);
    let query = "SELECT count(*) FROM sabot.spans WHERE attributes['sabot.rows'] = '7' AND agent = 'totals' \
        AND resource['service.name'] = 'shop' AND cost_usd IS NULL AND parent_span_id IS NULL \
        AND cardinality(events) = 0 AND adjusted_count = 1 AND keep_reason = 'all' AND duration_ms = 10";
    assert_eq!(number(&bench.store, query).await, 2);
    let everything = sql(&bench.store, "SELECT * FROM sabot.spans").await;
    assert_eq!(everything.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 3);
    assert_eq!(everything[0].num_columns(), spans_schema().fields().len(), "no column of ours shows");
}

/// Each batch costs its readers memory of its own, whatever it holds: spans that come one by one must not have one each.
#[test]
fn spans_that_come_one_by_one_are_few_batches() {
    let bench = Bench::new();
    for trace in 0..20_000 {
        bench.store.append(vec![root(trace, "work")]);
        // Who reads holds on to what was there, so that it cannot be added to.
        let read = (trace % 5_000 == 0).then(|| bench.store.relation());
        bench.store.append(vec![child(trace, 2, "step")]);
        drop(read);
    }
    let RowSourceKind::Parquet { recent, .. } = bench.store.relation().kind else {
        panic!("blocks and what is recent")
    };
    assert_eq!(recent.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), 40_000);
    assert!(recent.len() < 12, "{} batches", recent.len());
}

#[tokio::test]
async fn survives_a_restart() {
    let bench = Bench::new();
    for trace in 0..20 {
        bench.append_and_flush(&[root(trace, "work"), at(child(trace, 2, "step"), 1, 2)]);
    }
    let (_dir, reopened) = bench.reopened_copy();
    assert_eq!(count(&reopened).await, (40, 40));
    assert_eq!(reopened.disk_bytes(), bench.store.disk_bytes());
    reopened.append(vec![root(99, "more")]);
    reopened.flush().expect("a block");
    assert_eq!(count(&reopened).await, (41, 41));
}

/// A reader counts while spans are appended, flushed and merged: each span is seen exactly once, at once.
#[test]
fn a_span_is_never_in_two_places_or_in_none() {
    let bench = Bench::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (begun, done) = (AtomicI64::new(0), AtomicI64::new(0));
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for trace in 0..120 {
                begun.fetch_add(1, Ordering::SeqCst);
                bench.store.append(vec![root(trace, "work")]);
                done.fetch_add(1, Ordering::SeqCst);
                bench.store.flush().expect("a block");
                bench.store.maintain().expect("maintained");
            }
        });
        while !writing.is_finished() {
            let least = done.load(Ordering::SeqCst);
            let seen = runtime.block_on(number(&bench.store, "SELECT count(*) FROM sabot.spans"));
            let most = begun.load(Ordering::SeqCst);
            assert!((least..=most).contains(&seen), "{seen} is not within {least} to {most}");
        }
    });
    assert_eq!(runtime.block_on(count(&bench.store)), (120, 120));
}

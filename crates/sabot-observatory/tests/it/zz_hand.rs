use crate::support::*;
use sabot_telemetry::*;
use std::time::Instant;
#[tokio::test]
async fn hand() {
    let bench = Bench::new();
    let t0 = Instant::now();
    let mut all = vec![];
    for trace in 0..40_000u128 {
        let t = trace.wrapping_mul(0x9E3779B97F4A7C15F39CC0605CEDC835);
        all.push(with_attribute(root(t, "process_batch"), "sabot.rows", AttributeValue::Int(4096)));
        for id in 2..6 { all.push(with_attribute(child(t, id, "aggregate"), "sabot.agent", text("totals"))); }
    }
    let mut e = root(5, "events");
    e.events = vec![SpanEvent{name:"x".into(), at_unix_nano: 1, attributes: vec![("k".into(), AttributeValue::Int(3))]}];
    e.links = vec![SpanLink{trace_id:[1;16], span_id:[2;8]}];
    all.push(e);
    for c in all.chunks(25_000) { bench.append_and_flush(c); }
    bench.append_and_flush(&(0..10_000).map(|i| child(7, i+1, "step")).collect::<Vec<_>>());
    println!("write {:?} bytes {}", t0.elapsed(), bench.store.disk_bytes());
    let t0 = Instant::now();
    bench.store.maintain().unwrap();
    println!("merge {:?} bytes {} ", t0.elapsed(), bench.store.disk_bytes());
    for b in bench.blocks() { println!("{} {}", b.display(), std::fs::metadata(&b).unwrap().len()); }
    let reader = bench.reader();
    for _ in 0..3 {
        let t0 = Instant::now();
        let n = reader.trace(&trace_id(7)).await.unwrap().unwrap().spans.len();
        println!("trace of {n}: {:?}", t0.elapsed());
        let t0 = Instant::now();
        let n = reader.trace(&trace_id(0x9E3779B97F4A7C15F39CC0605CEDC835)).await.unwrap().unwrap().spans.len();
        println!("trace of {n}: {:?}", t0.elapsed());
        let t0 = Instant::now();
        let n = reader.search(&sabot_observatory::TraceQuery::default()).await.unwrap().len();
        println!("search {n}: {:?}", t0.elapsed());
        let t0 = Instant::now();
        let n = reader.search(&sabot_observatory::TraceQuery{ tags: vec![("sabot.rows".into(),"4096".into())], ..Default::default()}).await.unwrap().len();
        println!("search tag {n}: {:?}", t0.elapsed());
        let t0 = Instant::now();
        println!("services {} {:?}", reader.services().await.unwrap().len(), t0.elapsed());
    }
    let plan = sql(&bench.store, &format!("EXPLAIN ANALYZE SELECT * FROM sabot.spans WHERE trace_id = '{}' ORDER BY start_unix_nano", trace_id(0x9E3779B97F4A7C15F39CC0605CEDC835))).await;
    println!("{}", arrow::util::pretty::pretty_format_batches(&plan).map(|x| x.to_string()).unwrap_or_default());
    std::fs::remove_dir_all("/tmp/obs").unwrap();
    copy_blocks(bench.dir.path(), std::path::Path::new("/tmp/obs"));
}

//! Trace, baggage and correlation id, across a task and across HTTP.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;

use axum::routing::get;
use axum::{Json, Router};
use sabot_telemetry::{
    BaggageItem, FutureExt, HttpServerLayer, TracedClient, context_with_correlation_id, current_correlation_id,
    current_trace, get_baggage, propagate_context, trace_operation, with_baggage,
};
use tokio::net::TcpListener;

use crate::Failure;
use crate::page::Page;
use crate::readback::Received;

type Told = HashMap<String, String>;

/// What the code that runs this knows of where it belongs.
fn known_here() -> Told {
    let trace_id = current_trace().map(|trace| trace.trace_id_hex());
    let (tenant, correlation) = (get_baggage("tenant.id"), current_correlation_id().map(|id| id.to_string()));
    let all = [("trace", trace_id), ("tenant.id", tenant), ("correlation id", correlation)];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

async fn stock() -> Json<Told> {
    Json(known_here())
}

async fn serve() -> Result<SocketAddr, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/stock/{item}", get(stock)).layer(HttpServerLayer::new());
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Runs below an operation that has baggage and a correlation id.
async fn hop(address: SocketAddr) -> Result<[Told; 3], Failure> {
    let task = tokio::spawn(propagate_context(async {
        let _pack = trace_operation("pack", [("boxes", 2)]);
        known_here()
    }));
    let client = TracedClient::new(reqwest::Client::new(), "stock");
    let request = client.client().get(format!("http://{address}/stock/7")).build()?;
    let answer = client.execute(request).await?.bytes().await?;
    Ok([known_here(), task.await?, serde_json::from_slice(&answer)?])
}

pub(crate) async fn show<W: Write>(received: &Received, page: &mut Page<W>) -> Result<(), Failure> {
    let address = serve().await?;
    let correlated = context_with_correlation_id("order-4711".parse()?).attach();
    let context = with_baggage([BaggageItem::new("tenant.id", "acme")]);
    drop(correlated);
    let (trace_id, told) = async move {
        let checkout = trace_operation("checkout", [("items", 3)]);
        (checkout.trace().trace_id_hex(), checkout.in_future(hop(address)).await)
    }
    .with_context(context)
    .await;

    page.section("Context", "trace, baggage and correlation id go along into tasks and over HTTP")?;
    for (place, told) in ["here", "in a spawned task", "behind HTTP"].into_iter().zip(told?) {
        let value = |key: &str| told.get(key).map_or("-", String::as_str);
        let (trace, tenant, correlation) = (value("trace"), value("tenant.id"), value("correlation id"));
        page.row(place, format!("trace {trace}, tenant.id {tenant}, correlation id {correlation}"))?;
    }
    let names: Vec<_> = received.trace(&trace_id, 4).await?.into_iter().map(|span| span.name).collect();
    page.row("spans of that trace", names.join(", "))?;
    Ok(())
}

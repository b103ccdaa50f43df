//! What a traced request costs its server, in instructions; to be measured as `instructions` is, with `--features axum`.
//!
//! The request has a `traceparent`, a correlation id and a host; the service answers at once. `bare` is the service
//! without the layer, to be taken off the others.

#![expect(clippy::print_stderr, reason = "a tool for people")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::{Request, Response};
use sabot_telemetry::{
    HttpServer, HttpServerLayer, OtelTracerProvider, TelemetryConfig, TelemetryError, TelemetryProviders,
    init_telemetry, install_tracer_provider,
};
use tower_layer::Layer;
use tower_service::Service;

/// Requests between two times the queue is drained.
const ROUND: usize = 500;
const MODES: [&str; 4] = ["bare", "unsampled", "sampled", "sampled-and-measured"];

#[derive(Clone)]
struct Answering;

impl Service<Request<Body>> for Answering {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _task: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(Response::new(request.into_body())))
    }
}

fn request(is_sampled: bool) -> Request<Body> {
    let flags = if is_sampled { "01" } else { "00" };
    Request::get("/orders/7")
        .header("host", "shop.example")
        .header("traceparent", format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}"))
        .header("x-correlation-id", "order-12")
        .body(Body::empty())
        .unwrap_or_default()
}

fn answer<S: Service<Request<Body>>>(service: &mut S, request: Request<Body>) -> bool {
    let mut task = Context::from_waker(Waker::noop());
    pin!(service.call(black_box(request))).poll(&mut task).is_ready()
}

#[inline(never)]
fn measured(mode: &str, service: &mut HttpServer<Answering>, requests: Vec<Request<Body>>) {
    for request in requests {
        let is_done = if mode == "bare" { answer(&mut Answering, request) } else { answer(service, request) };
        black_box(is_done);
    }
}

fn run(mode: &str, requests: usize, telemetry: &TelemetryProviders) {
    let layer = HttpServerLayer::new();
    let is_measured = mode == "sampled-and-measured";
    let layer = if is_measured { layer.with_metrics(telemetry.registry()) } else { layer };
    let mut service = layer.layer(Answering);
    answer(&mut service, request(mode != "unsampled")); // what is made once per thread
    for _ in 0..requests.div_ceil(ROUND) {
        let round = std::iter::repeat_with(|| request(mode != "unsampled")).take(ROUND).collect();
        measured(mode, &mut service, round);
        drop(telemetry.span_queue().drain(usize::MAX));
    }
}

fn main() -> Result<(), TelemetryError> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let name = arguments.next().unwrap_or_default();
    let requests: usize = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
    let chosen: Vec<_> = MODES.into_iter().filter(|mode| name.is_empty() || *mode == name).collect();
    if chosen.is_empty() {
        eprintln!("no mode \"{name}\"; one of {MODES:?}");
    }
    let telemetry = init_telemetry(TelemetryConfig::new("bench"))?;
    install_tracer_provider(OtelTracerProvider::new(telemetry.spans()));
    for mode in chosen {
        run(mode, requests, &telemetry);
    }
    Ok(())
}

//! Which provider ambient spans go to. The provider is the process's, so all of it is one test.

use std::sync::mpsc::sync_channel;

use opentelemetry::trace::{Span, Tracer};
use sabot_telemetry::{
    CorrelationId, OtelContext, OtelTracerProvider, SpanBuilder, Spans, TelemetryConfig, TelemetryProviders,
    TraceContext, W3cPropagator, context_with_trace, current_trace, get_trace_context_headers, init_telemetry,
    install_propagator, install_tracer_provider, otel_global, propagate_context, trace_operation,
};

fn install() -> TelemetryProviders {
    let telemetry = init_telemetry(TelemetryConfig::new("test").without_globals()).expect("telemetry");
    install_tracer_provider(OtelTracerProvider::new(telemetry.spans()));
    telemetry
}

#[test]
fn spans_go_to_the_provider_installed_last_on_every_thread() {
    let _turn = crate::provider::turn();
    let remote = TraceContext { trace_id: [1; 16], span_id: [2; 8], flags: 1 };
    let attached = context_with_trace(remote).attach();
    let mut nowhere = SpanBuilder::new("nowhere").with_attribute_with("costly", || -> bool { panic!("built") }).start();
    assert!(!nowhere.is_recording());
    assert_eq!(nowhere.trace(), remote, "without a provider the parent is passed on");
    nowhere.end();
    drop(attached);

    let first = install();
    let names = |telemetry: &TelemetryProviders| {
        let spans = telemetry.span_queue().drain(usize::MAX);
        spans.into_iter().map(|span| span.name.to_string()).collect::<Vec<_>>()
    };
    let (to_thread, orders) = sync_channel::<&'static str>(0);
    let (to_test, done) = sync_channel(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for name in orders {
                drop(SpanBuilder::new(name).start());
                otel_global::tracer("lib").start(format!("{name} of a library")).end();
                to_test.send(()).unwrap();
            }
        });
        let order = |name| {
            to_thread.send(name).unwrap();
            done.recv().unwrap();
        };
        order("early");
        assert_eq!(names(&first), ["early", "early of a library"]);
        let second = install();
        order("late");
        assert_eq!((names(&first), names(&second)), (vec![], vec!["late".to_owned(), "late of a library".to_owned()]));
        install_tracer_provider(OtelTracerProvider::new(&Spans::disabled()));
        order("never");
        assert_eq!((names(&first), names(&second)), (vec![], vec![]));
        drop(to_thread);
    });

    let third = install();
    let operation = trace_operation("request", [("items", 3)]);
    let current = operation.enter();
    let task = propagate_context(async { (current_trace(), get_trace_context_headers()) });
    drop(current);
    let (seen, headers) = std::thread::scope(|scope| scope.spawn(|| futures::executor::block_on(task)).join().unwrap());
    assert_eq!(seen, Some(operation.trace()));
    assert_eq!(headers.get("traceparent"), operation.trace().to_traceparent().as_ref());
    drop(operation);
    assert_eq!(names(&third), ["request"]);

    let _attached = OtelContext::new().with_value(CorrelationId::create()).attach();
    assert_eq!(get_trace_context_headers().len(), 1);
    install_propagator(W3cPropagator::new().without_correlation_id());
    assert_eq!(get_trace_context_headers().len(), 0);
}

//! Series by open attributes: which are one, the cap, and what the observations add up to.
#![expect(clippy::float_cmp, reason = "binary fractions add without error")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Base, OVERFLOW_ATTRIBUTE, Observer};
use crate::metrics::instrument::{InstrumentDesc, InstrumentKind};
use crate::record::Scope;
use crate::{MetricKind, MetricSample, MetricsRecorder, Registry};

const NONE: [(&str, &str); 0] = [];

fn counter(name: &'static str) -> InstrumentDesc {
    InstrumentDesc::new(name, InstrumentKind::Counter)
}

fn values(registry: &Registry) -> Vec<(String, f64)> {
    let text = |sample: &MetricSample| {
        sample.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
    };
    registry.snapshot().iter().map(|sample| (text(sample), sample.value)).collect()
}

fn expect(registry: &Registry, expected: &[(&str, f64)]) {
    let expected: Vec<_> = expected.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect();
    assert_eq!(values(registry), expected);
}

#[test]
fn sets_that_read_the_same_are_one_series_however_they_are_written() {
    let registry = Registry::new();
    let events = registry.instrument(counter("events"), None).unwrap();
    let mut base = Base::default();
    base.set(("b".into(), "y".into()));
    events.with_series(&Base::default(), &[("a", "x"), ("b", "y")], |series| series.add(1));
    events.with_series(&Base::default(), &[("b", "y"), ("a", "x")], |series| series.add(2));
    events.with_series(&base, &[("a", "x")], |series| series.add(4));
    events.with_series(&base, &[("a", "x"), ("b", "y"), ("a", "x")], |series| series.add(8));
    events.with_series(&Base::default(), &[("a", "x"), ("b", "y"), ("c", "")], |series| series.add(16));
    events.with_series(&base, &[("a", "x"), ("b", "other")], |series| series.add(32));
    events.with_series(&Base::default(), &[("a", 1)], |series| series.add(64));
    events.with_series(&Base::default(), &[("a", "1")], |series| series.add(128));
    events.with_series(&Base::default(), &NONE, |series| series.add(256));
    expect(&registry, &[("", 256.0), ("a=1", 192.0), ("a=x,b=other", 32.0), ("a=x,b=y", 31.0)]);
}

#[test]
fn a_set_with_a_key_twice_is_not_taken_for_another_order() {
    let registry = Registry::new();
    let events = registry.instrument(counter("events"), None).unwrap();
    for (last, amount) in [("2", 1), ("1", 2), ("2", 4)] {
        let first = if last == "1" { "2" } else { "1" };
        events.with_series(&Base::default(), &[("a", first), ("a", last)], |series| series.add(amount));
    }
    expect(&registry, &[("a=1", 2.0), ("a=2", 5.0)]);
}

#[test]
fn above_the_cap_nothing_is_lost() {
    let registry = Registry::with_series_cap(3);
    let events = registry.instrument(counter("events"), None).unwrap();
    let add = |user: i64, amount| events.with_series(&Base::default(), &[("user", user)], |series| series.add(amount));
    (0..10).for_each(|user| add(user, 1));
    (0..10).for_each(|user| add(user, 10));
    events.with_series(&Base::default(), &NONE, |series| series.add(100));
    let overflow = "otel_metric_overflow=true";
    expect(&registry, &[("", 100.0), (overflow, 77.0), ("user=0", 11.0), ("user=1", 11.0), ("user=2", 11.0)]);
    assert_eq!(registry.folded(), 14);
    let sample = registry.snapshot().into_iter().find(|sample| sample.value == 77.0).unwrap();
    let [(key, value)] = &sample.origin.unwrap().attributes[..] else { panic!("one attribute") };
    assert_eq!((key.as_str(), value), (OVERFLOW_ATTRIBUTE, &true.into()));
}

#[test]
fn a_metric_may_have_a_cap_of_its_own() {
    let registry = Registry::with_series_cap(3);
    assert!(registry.describe(counter("events").with_series_cap(1)));
    let recorder = MetricsRecorder::new(&registry);
    (0..5).for_each(|user| recorder.record_counter_with("events", 1, &[("user", user)]));
    expect(&registry, &[("otel_metric_overflow=true", 4.0), ("user=0", 1.0)]);
}

#[test]
fn spellings_of_the_same_series_are_bounded_too() {
    let registry = Registry::with_series_cap(4);
    let events = registry.instrument(counter("events"), None).unwrap();
    for round in 0..50 {
        // The key comes twice, with another first value each time: one series, many spellings.
        events.with_series(&Base::default(), &[("a", round), ("a", 7)], |series| series.add(1));
    }
    assert!(events.known_count.load(Ordering::Relaxed) <= 2 * 4 + 1);
    let total: f64 = values(&registry).iter().map(|(_, value)| value).sum();
    assert_eq!(total, 50.0);
}

#[test]
fn what_is_too_long_is_counted_where_its_start_is() {
    let registry = Registry::new();
    let events = registry.instrument(counter("events"), None).unwrap();
    for end in ["a", "b"] {
        let text = format!("{}{end}", "x".repeat(5_000));
        for _ in 0..2 {
            events.with_series(&Base::default(), &[("a", text.as_str())], |series| series.add(1));
        }
    }
    assert_eq!(values(&registry).iter().map(|(_, value)| *value).collect::<Vec<_>>(), [4.0]);
    assert_eq!(events.known_count.load(Ordering::Relaxed), 0, "it is not remembered as it was given");
}

#[test]
fn threads_that_meet_a_set_at_once_share_its_series() {
    let registry = Registry::with_series_cap(100);
    let events = registry.instrument(counter("events"), None).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                (0..20_000).for_each(|round| {
                    events.with_series(&Base::default(), &[("user", round % 150)], |series| series.add(1));
                });
            });
        }
    });
    let samples = registry.snapshot();
    assert_eq!(samples.len(), 101, "the cap, and what is above it");
    assert_eq!(samples.iter().map(|sample| sample.value).sum::<f64>(), 80_000.0);
}

#[test]
fn libraries_keep_their_series_apart() {
    let registry = Registry::new();
    let scope = |name: &'static str, version: Option<&'static str>| Scope {
        name: name.into(),
        version: version.map(Into::into),
    };
    for scope in [None, Some(scope("a", None)), Some(scope("a", Some("2"))), Some(scope("a", None))] {
        let events = registry.instrument(counter("events"), scope.as_ref()).unwrap();
        events.with_series(&Base::default(), &[("otel_scope_name", "forged")], |series| series.add(1));
    }
    expect(
        &registry,
        &[("otel_scope_name=a", 2.0), ("otel_scope_name=a,otel_scope_version=2", 1.0), ("otel_scope_name=forged", 1.0)],
    );
    let scopes: Vec<_> = registry.snapshot().into_iter().map(|sample| sample.origin.unwrap().scope).collect();
    assert_eq!(scopes[1].as_ref().unwrap().version.as_ref().unwrap(), "2");
    let refused = (0..100).filter(|number| {
        let scope = Scope { name: format!("scope{number}").into(), version: None };
        registry.instrument(counter("events"), Some(&scope)).is_none()
    });
    assert_eq!(refused.count(), 100 - 64 + 3, "they are bounded");
}

#[test]
fn the_first_use_of_a_name_wins() {
    let registry = Registry::new();
    assert!(registry.describe(counter("a.b").with_unit("s")));
    assert!(registry.describe(counter("a.b")), "nothing said, nothing contradicted");
    assert!(!registry.describe(counter("a.b").with_unit("ms")));
    assert!(!registry.describe(InstrumentDesc::new("a.b", InstrumentKind::Histogram)));
    assert!(!registry.describe(counter("a_b").with_unit("s")), "the same name in Prometheus");
    assert!(!registry.describe(InstrumentDesc::new("a_b_seconds.created", InstrumentKind::Gauge)));
    assert!(registry.describe(counter("a_b").with_unit("ms")), "another name in Prometheus");
}

#[test]
fn a_sample_knows_what_it_was_made_by() {
    let registry = Registry::new();
    let desc =
        InstrumentDesc::new("disk.free", InstrumentKind::UpDownCounter).with_unit("By").with_description("Room.");
    let free = registry.instrument(desc, None).unwrap();
    free.with_series(&Base::default(), &[("disk.id", 7)], |series| series.add_f64(-2.5));
    let [sample] = &registry.snapshot()[..] else { panic!("one series") };
    assert_eq!(
        (sample.name.as_ref(), sample.kind, sample.unit.as_ref()),
        ("disk_free_bytes", MetricKind::Gauge, "bytes")
    );
    assert_eq!((sample.value, sample.help.as_ref()), (-2.5, "Room."));
    assert_eq!(sample.labels, [("disk_id".to_owned(), "7".to_owned())]);
    let origin = sample.origin.as_ref().unwrap();
    assert_eq!(origin.instrument.name, "disk.free");
    assert_eq!((origin.instrument.kind, origin.instrument.unit.as_ref()), (InstrumentKind::UpDownCounter, "By"));
    assert_eq!(origin.attributes[..], [("disk.id".into(), 7.into())]);
    assert!(sample.since_unix_nano > 1_700_000_000_000_000_000);
}

#[test]
fn a_histogram_has_bounds_for_its_unit() {
    let registry = Registry::new();
    let bounds = |name: &'static str, unit: &'static str, own: Option<&[f64]>| {
        let mut desc = InstrumentDesc::new(name, InstrumentKind::Histogram).with_unit(unit);
        if let Some(own) = own {
            desc = desc.with_buckets(own.iter().copied());
        }
        let instrument = registry.instrument(desc, None).unwrap();
        instrument.with_series(&Base::default(), &NONE, |series| series.observe(1.0));
        let sample = registry.snapshot().into_iter().find(|sample| sample.name.starts_with(name)).unwrap();
        sample.buckets.iter().map(|bucket| bucket.le).filter(|le| le.is_finite()).collect::<Vec<_>>()
    };
    assert_eq!(bounds("time", "s", None), crate::SECONDS_BUCKETS);
    assert_eq!(bounds("size", "By", None), crate::OTEL_BUCKETS);
    assert_eq!(bounds("own", "s", Some(&[2.0, 1.0, 2.0])), [1.0, 2.0]);
    assert_eq!(bounds("none", "s", Some(&[])), [0.0; 0]);
}

#[test]
fn a_forgotten_metric_begins_again() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    recorder.record_counter("events", 5);
    assert!(registry.forget("events_total"));
    assert_eq!(values(&registry), []);
    recorder.record_counter("events", 1);
    expect(&registry, &[("", 1.0)]);
    assert!(registry.forget("events_total"));
    recorder.record_gauge("events", 2.0);
    expect(&registry, &[("", 2.0)]);
}

#[test]
fn forgotten_metrics_make_room() {
    let registry = Registry::new();
    let recorder = MetricsRecorder::new(&registry);
    for number in 0..3_000 {
        recorder.record_counter(&format!("name{number}"), 1);
        assert!(registry.forget(&format!("name{number}_total")));
    }
    assert_eq!(registry.refused(), 0);
}

#[test]
fn observed_series_follow_what_is_observed() {
    let registry = Registry::with_series_cap(2);
    let seats = registry.instrument(InstrumentDesc::new("seats", InstrumentKind::Gauge), None).unwrap();
    let observer = Observer::new(seats);
    let ask = |rooms: &[(&str, f64)]| {
        observer.ask(|round| rooms.iter().for_each(|(room, seats)| round.observe(*seats, &[("room", *room)])));
    };
    ask(&[("a", 1.0), ("b", 2.0), ("a", 3.0)]);
    expect(&registry, &[("room=a", 3.0), ("room=b", 2.0)]);
    ask(&[("b", 4.0)]);
    expect(&registry, &[("room=b", 4.0)]);
    ask(&[("b", 4.0), ("c", 1.0), ("d", 8.0), ("e", 16.0)]);
    expect(&registry, &[("otel_metric_overflow=true", 24.0), ("room=b", 4.0), ("room=c", 1.0)]);
}

#[test]
fn two_observers_of_one_metric_leave_each_other_alone() {
    let registry = Registry::new();
    let total = AtomicU32::new(5);
    let events = registry.instrument(counter("events"), None).unwrap();
    let observers = [Observer::new(Arc::clone(&events)), Observer::new(events)];
    for _ in 0..2 {
        for (observer, label) in observers.iter().zip(["a", "b"]) {
            observer.ask(|round| round.observe(total.fetch_add(1, Ordering::Relaxed).into(), &[("from", label)]));
        }
    }
    expect(&registry, &[("from=a", 7.0), ("from=b", 8.0)]);
    total.store(1, Ordering::Relaxed);
    observers[0].ask(|round| round.observe(1.0, &[("from", "a")]));
    expect(&registry, &[("from=a", 7.0), ("from=b", 8.0)]);
}

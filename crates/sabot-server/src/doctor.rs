//! What an experienced colleague would look at first: is telemetry recorded, does it arrive, is anything lost?
//!
//! Everything is looked at, not guessed: targets are asked by the protocol they are sent telemetry by. What is not as it
//! should be comes with what to do about it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use sabot_common::config::{Origin, without_credentials};
use sabot_common::units::format_size;
use sabot_observatory::SpanStore;
use sabot_telemetry::{
    Circuit, DropReason, ExporterStatus, Probed, RouteStatus, Signal, Target, TargetKind, probe_targets,
};
use serde::Serialize;

use crate::telemetry::Telemetry;

/// How long a target may take to answer.
const PROBE: Duration = Duration::from_secs(5);
/// How long this machine may take to answer itself.
const LOCAL: Duration = Duration::from_millis(200);
/// Where OTLP is usually received.
const OTLP_PORTS: [u16; 2] = [4317, 4318];

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    name: String,
    status: Verdict,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// As it should be.
    Ok,
    /// Perhaps not as it was meant.
    Warning,
    /// Does not work.
    Failed,
}

fn ok(name: impl Into<String>, message: impl Into<String>) -> Check {
    Check { name: name.into(), status: Verdict::Ok, message: message.into(), fix: None }
}

fn warning(name: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name: name.into(), status: Verdict::Warning, message: message.into(), fix: Some(fix.into()) }
}

fn failed(name: impl Into<String>, message: impl Into<String>, fix: impl Into<String>) -> Check {
    Check { name: name.into(), status: Verdict::Failed, message: message.into(), fix: Some(fix.into()) }
}

/// Looks at everything. Blocks, while targets are asked.
pub(crate) fn examine(telemetry: &Telemetry, spans: &SpanStore) -> Vec<Check> {
    let mut checks = vec![address(telemetry.own()), recording(telemetry)];
    if telemetry.providers.is_recording() {
        checks.extend([sampling(telemetry), batches(telemetry)]);
    }
    checks.push(queue(telemetry));
    checks.push(store(telemetry, spans));
    let routes = telemetry.providers.exporter().map(|exporter| exporter.status()).unwrap_or_default();
    checks.extend(targets(telemetry, &routes));
    checks.extend(routes.iter().map(waiting));
    checks.push(losses(telemetry));
    checks.push(metrics(telemetry, &routes));
    checks
}

fn address(own: SocketAddr) -> Check {
    if own.ip().is_loopback() {
        return ok("address", format!("the API and the pages are at {own}, for this machine only"));
    }
    let message = format!("the API and the pages are at {own}, for everybody on that network");
    warning("address", message, "bind to 127.0.0.1 unless the network is yours: server.bind in sabot.yaml")
}

fn recording(telemetry: &Telemetry) -> Check {
    let (settings, recorded) = (telemetry.settings(), telemetry.providers.span_queue().received());
    if !telemetry.providers.is_recording() {
        let message = "telemetry is off: Sabot leaves no spans, and sends nothing";
        let fix = match settings.origins.get("telemetry.enabled") {
            Some(Origin::Environment(variable)) => format!("unset {variable}, or set it to true, and start again"),
            _ if settings.settings.telemetry.enabled => "unset OTEL_SDK_DISABLED, and start again".to_owned(),
            _ => "sabot telemetry enable".to_owned(),
        };
        return warning("recording", message, fix);
    }
    ok("recording", format!("on, as service {}; {recorded} spans so far", settings.settings.telemetry.service_name))
}

fn sampling(telemetry: &Telemetry) -> Check {
    let warnings = telemetry.unlike_settings();
    if !warnings.is_empty() {
        return warning("sampling", warnings.join("; "), "unset the variable, or leave the decision to it");
    }
    let rate = telemetry.settings().settings.telemetry.sample_rate;
    if rate <= 0.0 {
        let message = "no trace that begins here is recorded: sample_rate is 0";
        return warning("sampling", message, "sabot telemetry enable --sample-rate 1");
    }
    ok("sampling", format!("{} % of the traces that begin here are recorded", (rate * 1e6).round() / 1e4))
}

fn batches(telemetry: &Telemetry) -> Check {
    let (recorded, left_out) = telemetry.providers.span_queue().routine();
    if left_out == 0 {
        return ok("batches", format!("all {recorded} batches are traced"));
    }
    let most = telemetry.settings().settings.telemetry.max_spans_per_second;
    let all = recorded.saturating_add(left_out);
    ok(
        "batches",
        format!(
            "{recorded} of {all} batches are traced, the rest is above {most} spans a second (telemetry.max_spans_per_second)"
        ),
    )
}

fn queue(telemetry: &Telemetry) -> Check {
    let (spans, logs) = (telemetry.providers.span_queue().dropped(), telemetry.providers.log_queue().dropped());
    if spans + logs == 0 {
        return ok("queues", "no span and no log record was lost before it was stored or handed to an exporter");
    }
    let message = format!("{spans} spans and {logs} log records were lost: they came faster than they were taken");
    warning(
        "queues",
        message,
        "record less (telemetry.max_spans_per_second), or give Sabot a faster disk or more processors",
    )
}

fn store(telemetry: &Telemetry, spans: &SpanStore) -> Check {
    let most = telemetry.settings().settings.telemetry.storage.max_bytes.0;
    let size = format!("{} of {}", format_size(spans.disk_bytes()), format_size(most));
    match spans.unreadable() {
        [] => ok("span store", size),
        [first, ..] => {
            let message = format!("{size}; blocks cannot be read and are left out: {first}");
            warning("span store", message, "restore the files from a backup, or remove them")
        }
    }
}

/// Whether each target would take telemetry now.
fn targets(telemetry: &Telemetry, routes: &[RouteStatus]) -> Vec<Check> {
    let exporters = match telemetry.export_settings() {
        Ok(settings) => settings.exporters,
        Err(error) => return vec![failed("exporters", error.message, "mend the settings and start again")],
    };
    if exporters.targets.is_empty() {
        return vec![nowhere(telemetry)];
    }
    let probed = match probe_targets(&exporters, PROBE) {
        Ok(probed) => probed,
        Err(error) => return vec![failed("exporters", error.to_string(), "mend the settings and start again")],
    };
    let target = |(target, probed): (&Target, Probed)| exporter(target, &probed, routes);
    exporters.targets.iter().zip(probed).map(target).collect()
}

fn nowhere(telemetry: &Telemetry) -> Check {
    let message = "none: telemetry stays in Sabot's own store";
    let own = telemetry.own().port();
    let is_listening = |port: &&u16| {
        let there = SocketAddr::from((Ipv4Addr::LOCALHOST, **port));
        **port != own && TcpStream::connect_timeout(&there, LOCAL).is_ok()
    };
    match OTLP_PORTS.iter().find(is_listening) {
        Some(port) => {
            let protocol = if *port == 4318 { " --otlp-protocol http/protobuf" } else { "" };
            let fix = format!("sabot telemetry enable --otlp-endpoint http://localhost:{port}{protocol}");
            let message =
                format!("{message}, and something listens at port {port} that may take it; to send it there: {fix}");
            ok("exporters", message)
        }
        None => ok("exporters", message),
    }
}

fn exporter(target: &Target, probed: &Probed, routes: &[RouteStatus]) -> Check {
    let name = format!("exporter {}", target.name);
    let (place, tls) = match &target.kind {
        TargetKind::Otlp { endpoint, protocol } => {
            (format!("{} by {}", without_credentials(endpoint), protocol.as_str()), endpoint.starts_with("https://"))
        }
        TargetKind::Zipkin { endpoint } => (without_credentials(endpoint), endpoint.starts_with("https://")),
        TargetKind::Console => ("standard error".to_owned(), false),
        TargetKind::File { path } => (path.display().to_string(), false),
    };
    if let Some(problem) = &probed.problem {
        return failed(name, format!("{place}: {problem}"), advice(target, problem));
    }
    let members = routes.iter().flat_map(|route| &route.exporters).filter(|member| member.name == target.name);
    let (mut sent, mut failures) = (0, 0);
    let mut worst: Option<&ExporterStatus> = None;
    for member in members {
        sent += member.sent;
        failures += member.failures;
        if member.circuit != Circuit::Closed {
            worst = Some(member);
        }
    }
    let encrypted = if tls { ", encrypted" } else { "" };
    let took = probed.took.as_millis();
    let message = format!("{place}: answers in {took} ms{encrypted}; {sent} taken so far, {failures} requests failed");
    match worst.and_then(|member| member.last_problem.as_ref()) {
        Some(problem) => {
            let message = format!("{message}; it is left alone for a while because of: {problem}");
            warning(name, message, "wait: it is tried again by itself, and it answers now")
        }
        None => ok(name, message),
    }
}

/// What usually helps.
fn advice(target: &Target, problem: &str) -> String {
    let says = |words: &[&str]| words.iter().any(|word| problem.to_ascii_lowercase().contains(word));
    let key = &target.name;
    if says(&["refused", "unreachable", "no answer within", "timed out", "dns", "lookup"]) {
        return format!("start what listens there, or correct the endpoint of \"{key}\"");
    }
    if says(&["certificate", "tls", "handshake", "unknownissuer", "invalid peer", "corrupt message"]) {
        return format!(
            "give \"{key}\" the authority its certificate is from (tls.ca_file), or http:// if it is not encrypted"
        );
    }
    if says(&["401", "403", "unauthenticated", "permission"]) {
        return format!("give \"{key}\" the header its receiver wants, such as a key");
    }
    if says(&[
        "404",
        "405",
        "415",
        "unimplemented",
        "http/2",
        "frame",
        "protocol",
        "invalid http",
        "broken pipe",
        "connection reset",
        "html",
    ]) {
        return format!(
            "\"{key}\" may listen for another protocol: OTLP over gRPC is usually at port 4317, over HTTP at 4318"
        );
    }
    format!("look at the log of what listens at \"{key}\"")
}

/// What waits for a target, and what was given up.
fn waiting(route: &RouteStatus) -> Check {
    let (ledger, name) = (&route.ledger, format!("queue {} ({})", route.name, route.signal.as_str()));
    let dropped: Vec<String> = DropReason::ALL
        .into_iter()
        .filter(|reason| ledger.dropped_for(*reason) > 0)
        .map(|reason| format!("{} {reason}", ledger.dropped_for(reason)))
        .collect();
    let counts = format!("{} sent, {} wait", ledger.sent, ledger.queued);
    if dropped.is_empty() {
        return ok(name, counts);
    }
    let fix = if ledger.dropped_for(DropReason::QueueFull) > 0 {
        "allow more to wait: exporters.queue.max_disk in sabot.yaml"
    } else {
        "`sabot telemetry status` and Sabot's log have the reason the target gave"
    };
    warning(name, format!("{counts}, given up: {}", dropped.join(", ")), fix)
}

/// What was given up since the process started, by exporters that are gone as well, and what waits for none.
fn losses(telemetry: &Telemetry) -> Check {
    let orphans = telemetry.orphans();
    if !orphans.is_empty() {
        return warning("losses", orphans.join("; "), "give a target of that name again, or remove the files");
    }
    let samples = telemetry.providers.registry().snapshot();
    let dropped = samples.iter().filter(|sample| sample.name == "sabot_export_dropped_total" && sample.value > 0.0);
    let told: Vec<String> = dropped
        .map(|sample| {
            let label = |name: &str| sample.labels.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
            format!("{} {} of {}", sample.value, label("reason"), label("exporter"))
        })
        .collect();
    if told.is_empty() {
        return ok("losses", "nothing that was to be sent has been given up");
    }
    let fix =
        "exporters.queue.max_disk in sabot.yaml lets more wait; for what was rejected, Sabot's log has the reason";
    warning("losses", format!("given up since the start: {}", told.join(", ")), fix)
}

/// Whether metrics can be had.
fn metrics(telemetry: &Telemetry, routes: &[RouteStatus]) -> Check {
    let text = telemetry.providers.registry().prometheus_text();
    let series = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
    let scraped = format!("{series} series at http://{}/metrics", telemetry.own());
    let mut sending = routes.iter().filter(|route| route.signal == Signal::Metrics).peekable();
    if sending.peek().is_none() {
        return ok("metrics", format!("{scraped}; no exporter takes them"));
    }
    let sent: u64 = sending.map(|route| route.ledger.sent).sum();
    ok("metrics", format!("{scraped}; {sent} points sent to exporters"))
}

#[cfg(test)]
mod tests {
    use sabot_telemetry::{OtlpProtocol, Target};

    use super::advice;

    #[test]
    fn advice_follows_from_what_went_wrong() {
        let target = Target::otlp("primary", "http://c:4317", OtlpProtocol::Grpc);
        for (problem, expected) in [
            (
                "client error (Connect): tcp connect error: Connection refused (os error 111)",
                "start what listens there",
            ),
            ("no answer within 5000 ms", "start what listens there"),
            ("invalid peer certificate: UnknownIssuer", "tls.ca_file"),
            ("401 Unauthorized", "the header its receiver wants"),
            ("404 Not Found", "another protocol"),
            ("http2 error: frame with invalid size", "another protocol"),
            ("507", "look at the log"),
        ] {
            let advice = advice(&target, problem);
            assert!(advice.contains(expected) && advice.contains("\"primary\""), "{problem}: {advice}");
        }
    }
}

//! A server's counters for Prometheus, in its text format, over HTTP.

use crate::service::Service;
use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a client of the counters may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a request that are looked at.
const MOST: usize = 8 << 10;

/// All counters.
#[must_use]
pub fn render(service: &Service) -> String {
    let mut text = String::new();
    let stats = &service.stats;
    let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        // Writing to memory does not fail.
        let _ = writeln!(text, "# HELP replicode_fn_{name} {help}\n# TYPE replicode_fn_{name} {kind}");
    };
    head(&mut text, "executions_total", "counter", "Executions by what came of them.");
    let _ = writeln!(text, "replicode_fn_executions_total{{outcome=\"ok\"}} {}", load(&stats.succeeded));
    for (code, count) in stats.failures() {
        let _ = writeln!(text, "replicode_fn_executions_total{{outcome=\"{code}\"}} {count}");
    }
    head(&mut text, "execution_seconds", "histogram", "How long executions took.");
    let buckets = stats.latency.cumulative();
    for (us, count) in &buckets {
        let _ = writeln!(text, "replicode_fn_execution_seconds_bucket{{le=\"{:.9}\"}} {count}", us / 1e6);
    }
    let all = buckets.last().map_or(0, |(_, count)| *count);
    let _ = writeln!(text, "replicode_fn_execution_seconds_bucket{{le=\"+Inf\"}} {all}");
    let sum = stats.latency.sum_nanos() as f64 / 1e9;
    let _ = writeln!(text, "replicode_fn_execution_seconds_sum {sum}\nreplicode_fn_execution_seconds_count {all}");
    let held = service.registry.held();
    let away = service.crew.away.load(Ordering::Relaxed) as u64;
    for (name, kind, help, value) in [
        ("fuel_total", "counter", "Fuel that executions burnt.", load(&stats.fuel)),
        ("requests_total", "counter", "Requests of all kinds.", load(&stats.requests)),
        ("conflicts_total", "counter", "Executions that ran again because of others.", load(&stats.conflicts)),
        ("moved_total", "counter", "Executions that left their first slice behind.", load(&stats.moved)),
        ("compiled_total", "counter", "Modules that were compiled.", load(&stats.compiled)),
        ("in_flight", "gauge", "Executions beyond their first slice.", away),
        ("waiting", "gauge", "Those of them that wait for a processor.", service.crew.places.waiting() as u64),
        ("connections", "gauge", "Connections that are open.", load(&stats.connections)),
        ("functions", "gauge", "Functions that are loaded.", held.functions),
        ("module_bytes", "gauge", "Bytes of their modules.", held.modules),
        ("code_bytes", "gauge", "Bytes of machine code at hand.", held.code),
        ("state_bytes", "gauge", "Bytes of keys and values.", service.state.bytes()),
    ] {
        head(&mut text, name, kind, help);
        let _ = writeln!(text, "replicode_fn_{name} {value}");
    }
    text
}

/// Answers whoever asks at an address, on a thread of its own. Returns the address, where a port was to be chosen.
///
/// # Errors
/// When the address cannot be had.
pub fn serve(address: SocketAddr, service: &Arc<Service>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    let service = Arc::clone(service);
    std::thread::Builder::new().name("functions-metrics".into()).spawn(move || {
        // One after the other: who asks here asks seldom.
        for stream in listener.incoming() {
            let answered = stream.and_then(|stream| answer(stream, &service));
            if let Err(error) = answered {
                tracing::debug!("somebody who asked for counters got none: {error}");
            }
        }
    })?;
    Ok(address)
}

fn answer(mut stream: TcpStream, service: &Service) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < MOST {
        match stream.read(&mut piece)? {
            0 => break,
            count => request.extend_from_slice(piece.get(..count).unwrap_or_default()),
        }
    }
    let found = request.starts_with(b"GET /metrics ") || request.starts_with(b"GET / ");
    let (status, body) = if found { ("200 OK", render(service)) } else { ("404 Not Found", String::new()) };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())
}

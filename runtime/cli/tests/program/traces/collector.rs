//! A collector: it takes OTLP over HTTP with protobuf, and keeps what it is sent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};

/// Much more than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A span as it was sent. Ids are in hexadecimal digits, and an absent one is empty.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) name: String,
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) state: String,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
    pub(super) ended: u64,
    /// Its attributes, as texts.
    pub(super) about: BTreeMap<String, String>,
    pub(super) service: String,
}

/// What all requests have brought, in their order.
#[derive(Default)]
struct Kept {
    spans: Mutex<Vec<Sent>>,
    more: Condvar,
}

pub(super) struct Collector {
    url: &'static str,
    kept: Arc<Kept>,
    /// The address of a collector that is not there.
    _place: Option<OwnedFd>,
}

impl Collector {
    /// A collector that answers.
    pub(super) fn start() -> Self {
        let kept = Arc::new(Kept::default());
        let keeps = Arc::clone(&kept);
        let url = listen(move |stream| {
            // A client that is killed in the middle of its request has not made it.
            take(stream, &keeps).ok();
        });
        Self { url, kept, _place: None }
    }

    /// A collector that takes connections, and answers nothing for as long as the test runs.
    pub(super) fn that_hangs() -> Self {
        let mut open = Vec::new();
        let url = listen(move |stream| open.push(stream));
        Self { url, kept: Arc::default(), _place: None }
    }

    /// A collector that is not there: nobody listens, and nobody else can have the address.
    pub(super) fn that_is_away() -> Self {
        let place = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        // The program that is tested must not hold it.
        fcntl_setfd(&place, FdFlags::CLOEXEC).unwrap();
        bind(&place, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddrV4::try_from(getsockname(&place).unwrap()).unwrap();
        Self { url: format!("http://{address}").leak(), kept: Arc::default(), _place: Some(place) }
    }

    /// What the variable of the program is set to.
    pub(super) fn url(&self) -> &'static str {
        self.url
    }

    /// All spans so far.
    pub(super) fn sent(&self) -> Vec<Sent> {
        self.kept.lock().clone()
    }

    /// Waits until what was sent is enough.
    #[track_caller]
    pub(super) fn until(&self, what: &str, enough: impl Fn(&[Sent]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let mut spans = self.kept.lock();
        while !enough(&spans) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "waited in vain for {what}: {spans:#?}");
            spans = self.kept.more.wait_timeout(spans, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Kept {
    fn lock(&self) -> MutexGuard<'_, Vec<Sent>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes connections on a thread, which ends with the test. The text outlives the test: a variable of the program needs it so.
fn listen(mut take: impl FnMut(TcpStream) + Send + 'static) -> &'static str {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            take(stream.unwrap());
        }
    });
    url.leak()
}

fn take(mut stream: TcpStream, kept: &Kept) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(&stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().to_lowercase().split_once(": ") {
            Some(("content-length", bytes)) => length = bytes.parse().unwrap(),
            Some(("content-type", kind)) => assert_eq!(kind, "application/x-protobuf"),
            Some(_) => (),
            None => break,
        }
    }
    assert!(first.starts_with("POST /v1/traces HTTP/1.1"), "{first}");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = ExportTraceServiceRequest::decode(&*body).unwrap();
    kept.lock().extend(spans(request));
    kept.more.notify_all();
    // What it took is kept before it says so.
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Sent> {
    let mut sent = Vec::new();
    for of_resource in request.resource_spans {
        let resource = texts(of_resource.resource.unwrap_or_default().attributes);
        let service = resource.get("service.name").cloned().unwrap_or_default();
        let spans = of_resource.scope_spans.into_iter().flat_map(|of_scope| of_scope.spans);
        sent.extend(spans.map(|span| of(span, &service)));
    }
    sent
}

fn of(span: Span, service: &str) -> Sent {
    Sent {
        name: span.name,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        state: span.trace_state,
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        about: texts(span.attributes),
        service: service.to_owned(),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    attributes.into_iter().map(|one| (one.key, text(one.value.and_then(|value| value.value)))).collect()
}

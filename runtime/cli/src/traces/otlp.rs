//! Exports the spans of events to a collector.
//!
//! A [`tracer`] observes the runtime. It makes the spans of a [`road`] when a part of the road is over, so a span is never open. It puts
//! them into the bounded queue of an [`exporter`], whose thread sends them through a [`client`]. Nothing waits for that but the end of the
//! program, and that for [`TRACES_WAIT`] at most.
//!
//! `tracing`'s spans are not what is exported: the ids and the times of these spans follow from what is on record, so that a delivery
//! that is made after a restart is part of the same trace.

mod client;
mod exporter;
mod road;
mod settings;
mod tracer;

use std::time::Instant;

use lastword::Builder;
use opentelemetry::{Key, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanExporter as _;

use crate::limits::TRACES_WAIT;
use client::Client;
use exporter::Exporter;
use settings::Settings;
use tracer::Tracer;

/// The service's name, unless `OTEL_SERVICE_NAME` or `OTEL_RESOURCE_ATTRIBUTES` has another.
const SERVICE: &str = "lastword";
/// What the SDK calls a service without a name.
const UNNAMED: &str = "unknown_service";

/// The traces of one run.
pub(crate) struct Traces {
    tracer: Tracer,
    exporter: Exporter,
}

impl Traces {
    /// Begins to export, if the environment names a collector. What is wrong with the environment is told, and everything goes on without
    /// traces: it must not cost a session its end.
    pub(crate) fn begin() -> Option<Self> {
        match Self::of_env() {
            Ok(traces) => traces,
            Err(problem) => {
                tracing::warn!("there are no traces: {problem}; all else goes on without");
                None
            }
        }
    }

    fn of_env() -> Result<Option<Self>, String> {
        let Some(settings) = Settings::of_env()? else { return Ok(None) };
        let client = Client::new(settings.timeout);
        let sink = sink(&settings, client.clone()).map_err(|error| error.to_string())?;
        let exporter =
            Exporter::spawn(sink, client).map_err(|error| format!("no thread can be started for them: {error}"))?;
        tracing::info!("traces go to {}", settings.endpoint);
        let tracer = Tracer::new(settings.sampler, exporter.queue());
        Ok(Some(Self { tracer, exporter }))
    }

    /// Observes the runtime.
    pub(crate) fn observe(&self, builder: Builder) -> Builder {
        builder.observer(self.tracer.clone())
    }

    /// Sends what is left, until `deadline` and for [`TRACES_WAIT`] at most, and tells what is lost. Call it when the runtime has
    /// stopped.
    pub(crate) fn finish(&self, deadline: Instant) {
        self.tracer.finish();
        let left = self.exporter.flush(deadline.min(Instant::now() + TRACES_WAIT));
        let lost = left.unsent + left.dropped;
        if lost > 0 {
            let (unsent, dropped) = (left.unsent, left.dropped);
            tracing::warn!(unsent, dropped, "{lost} spans did not reach the collector");
        }
    }
}

/// Returns the number of threads that traces need.
pub(crate) fn threads() -> usize {
    usize::from(matches!(Settings::of_env(), Ok(Some(_))))
}

/// The exporter of OpenTelemetry. It reads the variables with headers itself.
fn sink(settings: &Settings, client: Client) -> Result<SpanExporter, ExporterBuildError> {
    let sink = SpanExporter::builder().with_http().with_http_client(client).with_endpoint(&settings.endpoint);
    let mut sink = sink.with_timeout(settings.timeout).build()?;
    sink.set_resource(&resource());
    Ok(sink)
}

/// What every span is said to come from.
fn resource() -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let named = Resource::builder().with_attribute(version.clone()).build();
    match named.get(&Key::from_static_str("service.name")) {
        Some(name) if !name.as_str().starts_with(UNNAMED) => named,
        _ => Resource::builder().with_service_name(SERVICE).with_attribute(version).build(),
    }
}

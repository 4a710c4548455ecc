//! The settings of traces: the standard variables of OpenTelemetry.
//!
//! The variables are those of its [SDK](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/) and of
//! [OTLP](https://opentelemetry.io/docs/specs/otel/protocol/exporter/). An empty one counts as missing.

use std::time::Duration;

use hyper::Uri;
use opentelemetry_sdk::trace::Sampler;

/// How long one request to the collector may take, unless a variable says otherwise: what the specification says.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The only protocol here.
const PROTOCOL: &str = "http/protobuf";
/// What is wrong with an endpoint that has an `@`, wherever that is: a URL with a password that is not encoded has other parts than meant,
/// or cannot be parsed.
const HAS_PASSWORD: &str =
    "has a user or a password: put them into OTEL_EXPORTER_OTLP_HEADERS (an @ of a path is written %40)";

/// Where traces go, and which.
#[derive(Debug)]
pub(super) struct Settings {
    /// The URL for traces.
    pub(super) endpoint: String,
    /// The longest that one request may take.
    pub(super) timeout: Duration,
    /// Chooses the traces.
    pub(super) sampler: Sampler,
}

impl Settings {
    /// Reads the environment. `None`: it asks for no traces.
    ///
    /// # Errors
    /// When it asks for something impossible. The error names the variable.
    pub(super) fn of_env() -> Result<Option<Self>, String> {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let said = |name: &'static str| {
            let value = variable(name)?.trim().to_owned();
            (!value.is_empty()).then_some((name, value))
        };
        let first = |of_traces, of_all| said(of_traces).or_else(|| said(of_all));
        if said("OTEL_SDK_DISABLED").is_some_and(|(_, value)| value.eq_ignore_ascii_case("true")) {
            return Ok(None);
        }
        let Some((name, named)) = first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT") else {
            return Ok(None);
        };
        match said("OTEL_TRACES_EXPORTER") {
            Some((_, value)) if value == "none" => return Ok(None),
            Some((name, value)) if value != "otlp" => return Err(format!("{name}={value:?} is not `otlp` or `none`")),
            _ => (),
        }
        if let Some((name, value)) = first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
            && value != PROTOCOL
        {
            return Err(format!("{name}={value:?} is not `{PROTOCOL}`, which a collector usually takes at port 4318"));
        }
        let endpoint =
            if name.contains("TRACES") { named } else { format!("{}/v1/traces", named.trim_end_matches('/')) };
        // The log names the endpoint, and so does an error: neither may tell a password.
        if endpoint.contains('@') {
            return Err(format!("{name} {HAS_PASSWORD}"));
        }
        check_endpoint(&endpoint).map_err(|why| format!("{name}: {endpoint:?} {why}"))?;
        let timeout = match first("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT") {
            Some((name, value)) => {
                let millis = value.parse().map_err(|_| format!("{name}={value:?} is no number of milliseconds"))?;
                Duration::from_millis(millis)
            }
            None => TIMEOUT,
        };
        let sampler = sampler(said("OTEL_TRACES_SAMPLER"), said("OTEL_TRACES_SAMPLER_ARG"))?;
        Ok(Some(Self { endpoint, timeout, sampler }))
    }
}

/// Says what is wrong with a URL.
fn check_endpoint(endpoint: &str) -> Result<(), &'static str> {
    let uri: Uri = endpoint.parse().map_err(|_| "is no URL")?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => Ok(()),
        _ => Err("is no URL that begins with http:// or https://"),
    }
}

/// Returns the sampler of this name.
fn sampler(named: Option<(&'static str, String)>, argument: Option<(&'static str, String)>) -> Result<Sampler, String> {
    let Some((variable, name)) = named else { return Ok(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))) };
    let (of_parent, own) = match name.strip_prefix("parentbased_") {
        Some(own) => (true, own),
        None => (false, name.as_str()),
    };
    let own = match own {
        "always_on" => Sampler::AlwaysOn,
        "always_off" => Sampler::AlwaysOff,
        "traceidratio" => Sampler::TraceIdRatioBased(ratio(argument)?),
        _ => {
            return Err(format!(
                "{variable}={name:?} is no sampler: always_on, always_off, traceidratio, or one of these after parentbased_"
            ));
        }
    };
    Ok(if of_parent { Sampler::ParentBased(Box::new(own)) } else { own })
}

/// Returns the part of the traces that is wanted: all, if nobody has said.
fn ratio(argument: Option<(&'static str, String)>) -> Result<f64, String> {
    let Some((name, value)) = argument else { return Ok(1.0) };
    match value.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err(format!("{name}={value:?} is no number from 0 to 1")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Option<Settings>, String> {
        Settings::of(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned()))
    }

    const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/");

    #[test]
    fn without_an_endpoint_or_when_it_is_told_so_there_are_no_traces() {
        for variables in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_TRACES_SAMPLER", "nonsense")],
            &[ENDPOINT, ("OTEL_SDK_DISABLED", "True")],
            &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            assert!(of(variables).unwrap().is_none(), "{variables:?}");
        }
    }

    #[test]
    fn the_endpoint_of_traces_is_taken_as_it_is_and_the_common_one_gets_the_path() {
        let settings = of(&[ENDPOINT]).unwrap().unwrap();
        assert_eq!((settings.endpoint.as_str(), settings.timeout), ("http://localhost:4318/v1/traces", TIMEOUT));
        assert_eq!(format!("{:?}", settings.sampler), "ParentBased(AlwaysOn)");
        let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://otel.example/here");
        let settings = of(&[ENDPOINT, own, ("OTEL_EXPORTER_OTLP_TIMEOUT", "250")]).unwrap().unwrap();
        assert_eq!((settings.endpoint.as_str(), settings.timeout.as_millis()), ("https://otel.example/here", 250));
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25")];
        assert!(matches!(of(&ratio).unwrap().unwrap().sampler, Sampler::TraceIdRatioBased(0.25)));
    }

    #[test]
    fn an_endpoint_with_a_user_or_a_password_is_refused_and_never_quoted() {
        for variable in ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            for endpoint in [
                "https://ada:secret@otel.example/v1/traces",
                "https://secret@otel.example",
                "https://ada:se/secret@otel.example",
                "https://ada:sec ret?secret@otel.example:port",
                "ada:secret@otel.example",
            ] {
                let problem = of(&[(variable, endpoint)]).unwrap_err();
                assert_eq!(problem, format!("{variable} {HAS_PASSWORD}"));
            }
        }
        let path = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://otel.example/%40team");
        assert_eq!(of(&[path]).unwrap().unwrap().endpoint, path.1);
    }

    #[test]
    fn what_is_impossible_is_named_with_its_variable() {
        for (variable, value) in [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "localhost:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://localhost"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "soon"),
            ("OTEL_TRACES_EXPORTER", "zipkin"),
            ("OTEL_TRACES_SAMPLER", "jaeger_remote"),
        ] {
            let problem = of(&[(variable, value), ENDPOINT]).unwrap_err();
            assert!(problem.starts_with(variable), "{problem}");
        }
        let ratio = [ENDPOINT, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(of(&ratio).unwrap_err().starts_with("OTEL_TRACES_SAMPLER_ARG"));
    }
}

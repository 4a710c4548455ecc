//! The picture of what was found: bars for sides that are beside each other, lines for what grows.

use std::fmt::{self, Write as _};

use super::Results;
use super::contest::Comparison;
use super::curves::{Curve, Line};

const WIDTH: f64 = 960.0;
const MARGIN: f64 = 32.0;
/// Where bars begin, and how long the longest is.
const BARS: f64 = 330.0;
const LONGEST: f64 = 500.0;
const ROW: f64 = 26.0;
/// What is shown of the lines of a number.
const CHART: (f64, f64) = (250.0, 150.0);

const STYLE: &str = "text{font:13px system-ui,-apple-system,\"Segoe UI\",\"Noto Sans\",\"DejaVu Sans\",sans-serif;fill:#1b1f24}\
.h{font-size:22px;font-weight:700}.p{font-weight:600}.d{fill:#5a6472}.s{font-size:11px;fill:#5a6472}\
.o{fill:#0072b2}.t{fill:#9aa4b1}.m{stroke:#0072b2}.k{stroke:#d55e00}.g{stroke:#dfe4ea}.m,.k,.g{fill:none}.m,.k{stroke-width:2}";

/// A bar: what, how long in µs, and whether it is ours.
type Bar<'a> = (&'a str, f64, bool);

/// Draws everything as one SVG.
pub(super) fn draw(results: &Results) -> String {
    let mut picture = String::new();
    // Writing to a text cannot fail.
    write_all(&mut picture, results).ok();
    picture
}

fn write_all(out: &mut String, results: &Results) -> fmt::Result {
    let mut body = String::new();
    let mut y = 48.0;
    writeln!(body, "<text class=\"h\" x=\"{MARGIN}\" y=\"{y}\">What a session's end costs</text>")?;
    y += 24.0;
    let about = format!("lastword {}, {}, {}", results.version, results.machine, results.measured_at);
    writeln!(body, "<text class=\"d\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(&about))?;
    let bars: Vec<Bar<'_>> =
        results.one_end.iter().map(|side| (side.name.as_str(), side.median, side.name.starts_with("ours"))).collect();
    y = write_bars(&mut body, y + 40.0, "one session-end (logarithmic)", &bars, |us| us.max(1.0).log10())?;
    let longer: Vec<&Comparison> = results.comparisons.iter().filter(|comparison| comparison.unit == "ms").collect();
    // What is beside the same of theirs has one group of bars.
    for group in longer.chunk_by(|one, next| one.what == next.what) {
        let ours = group.iter().map(|one| (one.ours.name.as_str(), 1e3 * one.ours.median, true));
        let theirs = group.iter().take(1).map(|one| (one.theirs.name.as_str(), 1e3 * one.theirs.median, false));
        let what = group.first().map_or("", |one| one.what.as_str());
        let bars: Vec<Bar<'_>> = ours.chain(theirs).collect();
        y = write_bars(&mut body, y + 34.0, what, &bars, |us| us)?;
    }
    y += 36.0;
    for (place, curve) in (0_u8..).zip(&results.curves) {
        write_curve(&mut body, MARGIN + f64::from(place) * (CHART.0 + 60.0), y, curve)?;
    }
    let height = y + if results.curves.is_empty() { 0.0 } else { CHART.1 + 90.0 };
    let size = format!("viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\"");
    writeln!(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" {size} role=\"img\">")?;
    writeln!(out, "<title>What a session's end costs with Lastword, beside others</title>\n<style>{STYLE}</style>")?;
    writeln!(out, "<rect width=\"{WIDTH}\" height=\"{height}\" rx=\"10\" fill=\"#fff\" stroke=\"#c9d0d9\"/>")?;
    out.push_str(&body);
    out.push_str("</svg>\n");
    Ok(())
}

/// Bars from `y` on, as long as `length` says of their times. Gives where they end.
fn write_bars(
    out: &mut String,
    y: f64,
    title: &str,
    bars: &[Bar<'_>],
    length: impl Fn(f64) -> f64,
) -> Result<f64, fmt::Error> {
    writeln!(out, "<text class=\"p\" x=\"{MARGIN}\" y=\"{y}\">{}</text>", escaped(title))?;
    let most = bars.iter().map(|(_, us, _)| length(*us)).fold(f64::MIN_POSITIVE, f64::max);
    let mut at = y;
    for (name, us, is_ours) in bars {
        at += ROW;
        let (class, long) = (if *is_ours { "o" } else { "t" }, (LONGEST * length(*us) / most).max(2.0));
        writeln!(out, "<text x=\"{MARGIN}\" y=\"{at}\">{}</text>", escaped(name))?;
        writeln!(
            out,
            "<rect class=\"{class}\" x=\"{BARS}\" y=\"{}\" width=\"{long:.1}\" height=\"16\" rx=\"2\"/>",
            at - 13.0
        )?;
        writeln!(out, "<text x=\"{:.1}\" y=\"{at}\">{}</text>", BARS + long + 8.0, time(*us))?;
    }
    Ok(at)
}

/// A chart whose upper left corner is there: numbers by their logarithm, times from 0 on.
fn write_curve(out: &mut String, x: f64, y: f64, curve: &Curve) -> fmt::Result {
    let (wide, high) = CHART;
    let points = || curve.lines.iter().flat_map(|line| &line.points);
    let most = points().map(|(_, side)| side.median).fold(f64::MIN_POSITIVE, f64::max) * 1.1;
    let last = points().map(|(at, _)| f64::from(*at).log10()).fold(f64::MIN_POSITIVE, f64::max);
    let first = points().map(|(at, _)| f64::from(*at).log10()).fold(last, f64::min);
    let place = |at: u32, us: f64| {
        let part = (f64::from(at).log10() - first) / (last - first).max(f64::MIN_POSITIVE);
        (x + wide * part, y + 20.0 + high * (1.0 - us / most))
    };
    writeln!(out, "<text class=\"p\" x=\"{x}\" y=\"{y}\">µs each, by {}</text>", curve.by)?;
    let bottom = y + 20.0 + high;
    writeln!(out, "<path class=\"g\" d=\"M{x} {}V{bottom}H{}\"/>", y + 20.0, x + wide)?;
    for (Line { name, points, .. }, class) in curve.lines.iter().zip(["m", "k"]) {
        let mut path = String::new();
        for (step, (at, side)) in points.iter().enumerate() {
            let (px, py) = place(*at, side.median);
            write!(path, "{}{px:.1} {py:.1}", if step == 0 { "M" } else { "L" })?;
        }
        writeln!(out, "<path class=\"{class}\" d=\"{path}\"><title>{name}</title></path>")?;
        if let Some((at, side)) = points.last() {
            let (px, py) = place(*at, side.median);
            let label = format!("{name} {}", time(side.median));
            writeln!(out, "<text class=\"s\" x=\"{px:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>", py - 8.0)?;
        }
    }
    for (at, _) in curve.lines.first().into_iter().flat_map(|line| &line.points) {
        let (px, _) = place(*at, 0.0);
        writeln!(out, "<text class=\"s\" x=\"{px:.1}\" y=\"{}\" text-anchor=\"middle\">{at}</text>", bottom + 18.0)?;
    }
    Ok(())
}

/// A time in µs, with three digits or so.
pub(super) fn time(us: f64) -> String {
    let (value, unit) = match us {
        us if us < 1e3 => (us, "µs"),
        us if us < 1e6 => (us / 1e3, "ms"),
        us => (us / 1e6, "s"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
pub(super) mod tests {
    use quick_xml::events::Event;

    use super::super::contest::Side;
    use super::*;
    use crate::targets::Figure;

    /// Results that look like real ones.
    pub(in super::super) fn results() -> Results {
        let side = |name: &str, median: f64| Side::new(name, vec![median]);
        let one_end = vec![side("bare <wasmtime>", 5.6), side("ours", 7.8), side("node & its process", 31_000.0)];
        let drain =
            |ours, theirs, target| Comparison::new("a drain", "ms", side("ours", ours), side("theirs", theirs), target);
        Results {
            measured_at: "2026-11-21T07:00:00Z".to_owned(),
            version: "0.1.0",
            machine: "2 processors".to_owned(),
            one_end,
            comparisons: vec![
                drain(43.0, 1_033.0, Some(0.05)),
                drain(2_000.0, 1_000.0, Some(1.0)),
                drain(1.0, 1.0, None),
            ],
            figures: vec![Figure {
                what: "delivered".to_owned(),
                measured: "9999".to_owned(),
                target: "10000".to_owned(),
                is_met: false,
            }],
            curves: vec![Curve { by: "sessions", lines: super::super::curves::tests::lines() }],
            left_out: vec![super::super::LeftOut { what: "Extism", why: "no registry".to_owned() }],
        }
    }

    #[test]
    fn a_picture_is_xml_with_every_side_and_every_line() {
        let picture = draw(&results());
        let (mut texts, mut paths) = (Vec::new(), 0);
        let mut reader = quick_xml::Reader::from_str(&picture);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => break,
                Event::Text(text) => texts.push(String::from_utf8(text.to_vec()).unwrap()),
                Event::Start(element) | Event::Empty(element) if element.name().as_ref() == b"path" => paths += 1,
                _ => {}
            }
        }
        let texts = texts.join(" ");
        for text in ["bare", "wasmtime", "7.80 µs", "31.0 ms", "a drain", "1.03 s", "µs each, by sessions", "1000"] {
            assert!(texts.contains(text), "{text}: {texts}");
        }
        assert_eq!(texts.matches("theirs").count(), 1, "what is beside the same has one group: {texts}");
        assert!(paths >= 3, "the axis and two lines");
        assert!(!picture.contains("NaN") && !picture.contains("inf"), "{picture}");
    }

    #[test]
    fn a_picture_of_nothing_is_drawn_as_well() {
        let nothing = Results { one_end: Vec::new(), comparisons: Vec::new(), curves: Vec::new(), ..results() };
        assert!(draw(&nothing).ends_with("</svg>\n"));
    }

    #[test]
    fn a_time_has_three_digits_and_its_unit() {
        assert_eq!(
            [7.8, 78.0, 780.0, 43_000.0, 1.5e6].map(time),
            ["7.80 µs", "78.0 µs", "780 µs", "43.0 ms", "1.50 s"]
        );
    }
}

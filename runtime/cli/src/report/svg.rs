//! Draws a picture as SVG.
//!
//! Uses integers only, so the same drain gives the same bytes everywhere. A bar is one path, however many calls it has,
//! and the number of rows is bounded. So a file has some ten KiB, whatever was drained.

use std::fmt::{Arguments, Write as _};

use lastword_events::text::clip_chars;

use super::bins::{BINS, LEVELS, Slice};
use super::picture::{Counts, Lane, Picture, Words};
use super::text::{count, escaped, reasons, shown, time};

// All lengths are in pixels.
const WIDTH: u64 = 1200;
const NAMES_X: u64 = 32;
/// Names are clipped here, whatever their letters.
const NAMES_WIDTH: u64 = 224;
const PLOT_X: u64 = 256;
const PLOT_WIDTH: u64 = 512;
const PLOT_END: u64 = PLOT_X + PLOT_WIDTH;
const BIN_WIDTH: u64 = 4;
const SHARE_X: u64 = 792;
const SHARE_WIDTH: u64 = 80;
const NUMBERS_X: u64 = 892;
const NUMBERS_END: u64 = 1168;
/// The height below the rows.
const FOOT: u64 = 74;

/// Up to so many rows have two lines of text each. With more, each has one.
const MAX_TALL: usize = 16;
/// Characters that fit, and characters of the tooltip of a row.
const NAME_CHARS: usize = 24;
const TENANT_CHARS: usize = 30;
const NUMBERS_CHARS: usize = 44;
const LEGEND_CHARS: usize = 60;
/// Characters of all entries of the legend together, which share the width. Each entry also has its pattern and a
/// space.
const LEGEND_TOGETHER: usize = 119;
/// The width of a letter in the legend.
const LETTER: u64 = 8;
const FILLING: u64 = 24;
const BEHIND_ENTRY: u64 = 28;
const HEADING_CHARS: usize = 60;
const TITLE_CHARS: usize = 160;

const STYLE: &str = r##"<style>
text{font:13px system-ui,-apple-system,"Segoe UI","Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;fill:#1b1f24}
.h{font-size:22px;font-weight:700}.p{font-weight:600}.q{font-size:11.5px;font-weight:600}.m{font-size:11px}.d{fill:#5a6472}
.s{font-size:11px;font-weight:400;fill:#5a6472}.o{font-size:12px;font-style:italic}
.del{fill:#0072b2}.fail{fill:url(#lw-failed);stroke:#a84400;stroke-width:.5}.cut{fill:url(#lw-cut);stroke:#8a6100;stroke-width:.5}.nb{fill:#fff;stroke:#5a6472}
.z{fill:#f4f6f8}.g{stroke:#dfe4ea;fill:none}.l{stroke:#c9d0d9;fill:none}.f{fill:#f2f4f7}
.b{stroke:#1b1f24;stroke-width:2.5;fill:none}.k{stroke:#1b1f24;stroke-width:1.5;stroke-dasharray:5 3;fill:none}.x{stroke:#1b1f24;stroke-width:1.25;fill:none}
</style>"##;

/// Delivered is plain, failed has stripes, cut has dots, and not begun is empty, so that they differ on paper as well.
/// The colours are those of Okabe and Ito, which people with red-green colour blindness can distinguish.
const PATTERNS: &str = r##"<pattern id="lw-failed" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="6" height="6" fill="#d55e00"/><rect width="2" height="6" fill="#fff"/></pattern>
<pattern id="lw-cut" width="5" height="5" patternUnits="userSpaceOnUse"><rect width="5" height="5" fill="#f0b429"/><circle cx="2.5" cy="2.5" r="1.1" fill="#1b1f24"/></pattern>"##;

/// Returns the picture as an `svg` element, without the XML declaration of a file.
pub(super) fn svg(picture: &Picture) -> String {
    let rows = picture.lanes();
    let frame = Frame::of(picture, &rows);
    let mut out = Out::default();
    head(&mut out, picture, &frame);
    legend(&mut out, picture);
    if frame.is_zoomed() {
        whole_budget(&mut out, picture, &frame);
    }
    plot(&mut out, picture, &frame);
    if rows.is_empty() {
        let (x, y) = (PLOT_X + PLOT_WIDTH / 2, frame.top + 26);
        out.line(format_args!(r#"<text class="d" x="{x}" y="{y}" text-anchor="middle">Nothing was owed.</text>"#));
    }
    let mut y = frame.top + 4;
    for (number, lane) in rows.iter().enumerate() {
        let is_shaded = number.is_multiple_of(2);
        row(&mut out, picture, &frame, lane, y, is_shaded);
        y += frame.pitch;
    }
    marks(&mut out, picture, &frame);
    out.line(format_args!("</svg>"));
    out.0
}

/// A text that grows.
#[derive(Default)]
struct Out(String);

impl Out {
    fn put(&mut self, text: Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.0.write_fmt(text);
    }

    fn line(&mut self, text: Arguments<'_>) {
        self.put(text);
        self.0.push('\n');
    }
}

/// The layout of the picture.
struct Frame {
    /// The level of the bins, which sets their width.
    level: u32,
    /// The time that the plot shows, in nanoseconds: the whole budget, or the used part of it if that is small.
    axis: u64,
    is_tall: bool,
    /// The distance between rows, and the height of a bar.
    pitch: u64,
    bar: u64,
    /// The top of the plot.
    top: u64,
    bottom: u64,
    height: u64,
}

impl Frame {
    fn of(picture: &Picture, rows: &[Lane<'_>]) -> Self {
        let scale = picture.scale;
        let used = picture.elapsed.max(picture.end.1);
        let enough = (0..LEVELS).find(|level| scale.span(*level) >= used).unwrap_or(LEVELS);
        let mut level = rows.iter().map(|row| row.bins.level()).fold(enough, u32::max);
        if scale.span(level).saturating_mul(4) > scale.budget() {
            level = LEVELS;
        }
        let is_tall = rows.len() <= MAX_TALL;
        let (pitch, bar) = if is_tall { (38, 26) } else { (19, 13) };
        let top = if level < LEVELS { 194 } else { 166 };
        let of_rows = u64::try_from(rows.len()).unwrap_or(u64::MAX).max(1) * pitch;
        let bottom = top + of_rows + 8;
        Self { level, axis: scale.span(level), is_tall, pitch, bar, top, bottom, height: bottom + FOOT }
    }

    fn is_zoomed(&self) -> bool {
        self.level < LEVELS
    }

    /// Returns the horizontal position of a time.
    fn x(&self, nanos: u64) -> u64 {
        x_on(self.axis, nanos)
    }
}

fn x_on(axis: u64, nanos: u64) -> u64 {
    let along = u128::from(nanos) * u128::from(PLOT_WIDTH) / u128::from(axis.max(1));
    PLOT_X + u64::try_from(along).unwrap_or(PLOT_WIDTH).min(PLOT_WIDTH)
}

fn head(out: &mut Out, picture: &Picture, frame: &Frame) {
    let height = frame.height;
    let heading = shown(&picture.drained.heading(), HEADING_CHARS);
    let sentence = escaped(&picture.sentence());
    let numbers = escaped(&picture.total.in_words(&picture.drained.words()));
    out.line(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="lw-title lw-desc">"#
    ));
    out.line(format_args!(r#"<title id="lw-title">{heading}</title>"#));
    out.line(format_args!(r#"<desc id="lw-desc">{sentence} {numbers}.</desc>"#));
    out.line(format_args!("{STYLE}"));
    out.line(format_args!("<defs>\n{PATTERNS}"));
    let x = NAMES_X - 8;
    out.line(format_args!(
        r#"<clipPath id="lw-names"><rect x="{x}" y="0" width="{NAMES_WIDTH}" height="{height}"/></clipPath>"#
    ));
    out.line(format_args!("</defs>"));
    out.line(format_args!(r##"<rect width="{WIDTH}" height="{height}" rx="10" fill="#fff" stroke="#c9d0d9"/>"##));
    out.line(format_args!(r#"<text class="h" x="{NAMES_X}" y="48">{heading}</text>"#));
    out.line(format_args!(r#"<text class="d" x="{NUMBERS_END}" y="48" text-anchor="end">{}</text>"#, picture.at));
    out.line(format_args!(r#"<text x="{NAMES_X}" y="76">{sentence}</text>"#));
}

/// Draws the legend: each pattern's meaning and count.
fn legend(out: &mut Out, picture: &Picture) {
    let (total, words) = (&picture.total, picture.drained.words());
    let entries = [
        ("del", total.delivered, "delivered", String::new()),
        ("fail", total.failed, "failed", reasons(total.failed, &total.causes)),
        ("cut", total.cut, words.cut_in_full, String::new()),
        ("nb", total.not_begun, words.not_begun, reasons(total.not_begun, &total.reasons)),
    ];
    let entries =
        entries.map(|(filling, number, what, why)| (filling, number, format!("{} {what}{why}", count(number))));
    let together = |most: usize| -> usize { entries.iter().map(|(.., text)| clipped_chars(text, most)).sum() };
    let most = (1..=LEGEND_CHARS).rev().find(|most| together(*most) <= LEGEND_TOGETHER).unwrap_or(1);
    let mut x = NAMES_X;
    for (filling, number, text) in &entries {
        let class = if *number == 0 { r#" class="d""# } else { "" };
        let (text_x, shown) = (x + FILLING, shown(text, most));
        out.line(format_args!(
            r#"<rect class="{filling}" x="{x}" y="94" width="16" height="14"/><text{class} x="{text_x}" y="106">{shown}</text>"#
        ));
        let chars = u64::try_from(clipped_chars(text, most)).unwrap_or_default();
        x = text_x + chars * LETTER + BEHIND_ENTRY;
    }
}

/// Returns the number of visible characters of a text that is clipped to `most`.
fn clipped_chars(text: &str, most: usize) -> usize {
    clip_chars(text, most).chars().count()
}

/// Draws the whole budget as a line, and the part of it that the plot shows.
fn whole_budget(out: &mut Out, picture: &Picture, frame: &Frame) {
    let budget = picture.scale.budget();
    let used = x_on(budget, frame.axis).max(PLOT_X + 2);
    let (text_x, width, top) = (PLOT_X - 12, used - PLOT_X, frame.top);
    out.line(format_args!(r#"<text class="d" x="{text_x}" y="141" text-anchor="end">of the whole budget</text>"#));
    out.line(format_args!(
        r##"<rect x="{PLOT_X}" y="130" width="{PLOT_WIDTH}" height="12" rx="2" fill="#eef1f4" stroke="#c9d0d9"/><rect x="{PLOT_X}" y="130" width="{width}" height="12" fill="#5a6472"/>"##
    ));
    out.line(format_args!(r#"<path class="f" d="M{PLOT_X} 142V{top}H{PLOT_END}L{used} 142Z"/>"#));
    let (text_x, budget) = (PLOT_END + 8, time(budget));
    out.line(format_args!(
        r#"<path class="b" d="M{PLOT_END} 126V146"/><text x="{text_x}" y="141">budget {budget}</text>"#
    ));
}

fn plot(out: &mut Out, picture: &Picture, frame: &Frame) {
    let (top, bottom) = (frame.top, frame.bottom);
    let height = bottom - top;
    out.line(format_args!(r##"<rect x="{PLOT_X}" y="{top}" width="{PLOT_WIDTH}" height="{height}" fill="#fafbfc"/>"##));
    if let Some(cut) = picture.cut.filter(|_| !frame.is_zoomed()) {
        let x = frame.x(cut);
        let width = PLOT_END - x;
        out.line(format_args!(r##"<rect x="{x}" y="{top}" width="{width}" height="{height}" fill="#eceff3"/>"##));
    }
    let step = step_of(frame.axis);
    let times: Vec<u64> = (0..=frame.axis / step).map(|number| number * step).collect();
    out.put(format_args!(r#"<path class="g" d=""#));
    for x in times.iter().map(|nanos| frame.x(*nanos)) {
        out.put(format_args!("M{x} {top}V{bottom}"));
    }
    out.line(format_args!(r#""/>"#));
    let y = bottom + 18;
    for nanos in times {
        let (x, text) = (frame.x(nanos), tick(nanos, frame.axis));
        out.line(format_args!(r#"<text class="d" x="{x}" y="{y}" text-anchor="middle">{text}</text>"#));
    }
    let y = top - 8;
    out.line(format_args!(r#"<text class="s" x="{SHARE_X}" y="{y}">its ends</text>"#));
}

/// Returns a round time that fits the axis five times or less.
fn step_of(axis: u64) -> u64 {
    let powers = (0..19).map(|power| 10_u64.pow(power));
    let mut steps = powers.flat_map(|power| [power, power * 2, power * 5]);
    steps.find(|step| axis / step <= 5).unwrap_or(u64::MAX)
}

/// Formats a time in the axis's unit.
fn tick(nanos: u64, axis: u64) -> String {
    if nanos == 0 {
        return "0".to_owned();
    }
    let (unit, name) = match axis {
        1_000_000_000.. => (1_000_000_000, "s"),
        1_000_000.. => (1_000_000, "ms"),
        1_000.. => (1_000, "µs"),
        _ => (1, "ns"),
    };
    let fraction = format!("{:03}", nanos % unit * 1_000 / unit);
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{}{point}{fraction} {name}", count(nanos / unit))
}

fn row(out: &mut Out, picture: &Picture, frame: &Frame, lane: &Lane<'_>, y: u64, is_shaded: bool) {
    let words = picture.drained.words();
    let middle = y + frame.pitch / 2;
    let slices = lane.bins.slices(frame.level);
    let most = slices.iter().copied().map(Slice::all).max().unwrap_or_default();
    let tenant = lane.tenant.map_or_else(String::new, |tenant| format!(" (tenant {tenant})"));
    let mut title = format!("{}{tenant}: {}", lane.name, lane.counts.in_words(&words));
    if most > 0 {
        let bin = time(picture.scale.bin(frame.level));
        title.push_str(&format!(". At most {} under way in {bin}", count(most)));
    }
    out.put(format_args!("<g><title>{}</title>", shown(&title, TITLE_CHARS)));
    if is_shaded {
        let pitch = frame.pitch;
        let (names, numbers) = (NAMES_X - 8, SHARE_X - 8);
        let width = NUMBERS_END + 8 - numbers;
        out.put(format_args!(
            r#"<path class="z" d="M{names} {y}h{NAMES_WIDTH}v{pitch}h-{NAMES_WIDTH}zM{numbers} {y}h{width}v{pitch}h-{width}z"/>"#
        ));
    }
    name(out, frame, lane, middle);
    let base = middle + frame.bar / 2;
    out.put(format_args!(r#"<path class="l" d="M{PLOT_X} {base}H{PLOT_END}"/>"#));
    bars(out, &slices, most, frame.bar, base);
    share(out, lane.counts, middle, if frame.is_tall { 12 } else { 9 });
    numbers(out, frame, lane, &words, middle);
    out.line(format_args!("</g>"));
}

fn name(out: &mut Out, frame: &Frame, lane: &Lane<'_>, middle: u64) {
    let name = shown(&lane.name, NAME_CHARS);
    let tenant = lane.tenant.map(|tenant| shown(tenant, TENANT_CHARS));
    out.put(format_args!(r#"<g clip-path="url(#lw-names)">"#));
    match (tenant, frame.is_tall) {
        (Some(tenant), true) => {
            let (above, below) = (middle - 2, middle + 13);
            out.put(format_args!(
                r#"<text class="p" x="{NAMES_X}" y="{above}">{name}</text><text class="s" x="{NAMES_X}" y="{below}">{tenant}</text>"#
            ));
        }
        (tenant, is_tall) => {
            let class = match (lane.is_others, is_tall) {
                (true, _) => "o",
                (false, true) => "p",
                (false, false) => "q",
            };
            let y = middle + 4;
            out.put(format_args!(r#"<text class="{class}" x="{NAMES_X}" y="{y}">{name}"#));
            if let Some(tenant) = tenant {
                out.put(format_args!(r#"<tspan class="s" dx="6">{tenant}</tspan>"#));
            }
            out.put(format_args!("</text>"));
        }
    }
    out.put(format_args!("</g>"));
}

/// Draws the bars of each bin: delivered at the bottom, then failed, then cut. Each pattern covers that of all above
/// it.
fn bars(out: &mut Out, slices: &[Slice], most: u64, bar: u64, base: u64) {
    let tops: Vec<[u64; 3]> = slices.iter().map(|slice| tops(*slice, most, bar)).collect();
    let is_there = |of: fn(&Slice) -> u64| slices.iter().any(|slice| of(slice) > 0);
    let fillings = [
        ("cut", is_there(|slice| slice.cut), tops.iter().map(|[_, _, cut]| *cut).collect::<Vec<_>>()),
        ("fail", is_there(|slice| slice.failed), tops.iter().map(|[_, failed, _]| *failed).collect()),
        ("del", is_there(|slice| slice.delivered), tops.iter().map(|[delivered, _, _]| *delivered).collect()),
    ];
    for (filling, is_there, heights) in fillings {
        if is_there {
            out.put(format_args!(r#"<path class="{filling}" d=""#));
            area(out, &heights, base);
            out.put(format_args!(r#""/>"#));
        }
    }
}

/// Returns the heights up to which delivered, failed and cut calls reach. Failures are always high enough to be
/// visible.
fn tops(slice: Slice, most: u64, bar: u64) -> [u64; 3] {
    let part = |calls: u64, least: u64| if calls == 0 { 0 } else { (calls * bar / most.max(1)).max(least) };
    let [delivered, failed, cut] = [part(slice.delivered, 1), part(slice.failed, 2), part(slice.cut, 2)];
    let height = part(slice.all(), 2).max(delivered + failed + cut).min(bar);
    let cut = cut.min(height);
    let failed = failed.min(height - cut);
    let delivered = if slice.delivered == 0 { 0 } else { height - cut - failed };
    [delivered, delivered + failed, delivered + failed + cut]
}

/// Returns the path around bins of these heights. Uses relative steps, which are the shortest: a row has a hundred.
fn area(out: &mut Out, heights: &[u64], base: u64) {
    let (mut x, mut drawn_to, mut before) = (PLOT_X, PLOT_X, 0);
    for height in heights.iter().take(BINS).copied().chain([0]) {
        if height != before {
            let along = x - drawn_to;
            match before {
                0 => out.put(format_args!("M{x} {base}")),
                _ => out.put(format_args!("h{along}")),
            }
            match height.checked_sub(before) {
                Some(up) => out.put(format_args!("v-{up}")),
                None => out.put(format_args!("v{}", before - height)),
            }
            if height == 0 {
                out.put(format_args!("z"));
            }
            drawn_to = x;
        }
        before = height;
        x += BIN_WIDTH;
    }
}

/// Draws the shares of a row's outcomes. Each outcome is wide enough to be visible.
fn share(out: &mut Out, counts: &Counts, middle: u64, height: u64) {
    let all = counts.all();
    if all == 0 {
        return;
    }
    let parts = [("del", counts.delivered), ("fail", counts.failed), ("cut", counts.cut), ("nb", counts.not_begun)];
    let part = |number: u64| {
        let width = u128::from(number) * u128::from(SHARE_WIDTH) / u128::from(all);
        u64::try_from(width).unwrap_or(SHARE_WIDTH).max(3)
    };
    let mut widths = parts.map(|(_, number)| if number == 0 { 0 } else { part(number) });
    let together: u64 = widths.iter().sum();
    // The widest part absorbs the rounding of the rest. Of two equal ones the first does.
    if let Some(widest) = widths.iter_mut().rev().max_by_key(|width| **width) {
        *widest = (*widest + SHARE_WIDTH).saturating_sub(together);
    }
    let (mut x, y) = (SHARE_X, middle - height / 2);
    for ((filling, _), width) in parts.into_iter().zip(widths).filter(|(_, width)| *width > 0) {
        out.put(format_args!(r#"<rect class="{filling}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#));
        x += width;
    }
}

fn numbers(out: &mut Out, frame: &Frame, lane: &Lane<'_>, words: &Words, middle: u64) {
    let delivered = format!("{} delivered", count(lane.counts.delivered));
    let beside = if frame.is_tall { 0 } else { delivered.chars().count() + 2 };
    let troubles = lane.counts.troubles(words, NUMBERS_CHARS.saturating_sub(beside));
    if frame.is_tall && !troubles.is_empty() {
        let (above, below) = (middle - 2, middle + 13);
        let troubles = shown(&troubles.join(", "), NUMBERS_CHARS);
        out.put(format_args!(
            r#"<text x="{NUMBERS_X}" y="{above}">{delivered}</text><text class="s" x="{NUMBERS_X}" y="{below}">{troubles}</text>"#
        ));
        return;
    }
    let text = if lane.is_others && troubles.is_empty() {
        format!("all delivered: {}", count(lane.counts.delivered))
    } else {
        let parts: Vec<String> = troubles.into_iter().chain([delivered]).collect();
        parts.join(", ")
    };
    let class = if frame.is_tall { "" } else { r#" class="m""# };
    let (y, text) = (middle + 4, shown(&text, NUMBERS_CHARS));
    out.put(format_args!(r#"<text{class} x="{NUMBERS_X}" y="{y}">{text}</text>"#));
}

/// Marks the end of the budget, the cut, and the end of the drain.
fn marks(out: &mut Out, picture: &Picture, frame: &Frame) {
    let (top, bottom) = (frame.top, frame.bottom);
    if !frame.is_zoomed() {
        let (begin, y, budget) = (top - 10, top - 28, time(picture.scale.budget()));
        out.line(format_args!(
            r#"<path class="b" d="M{PLOT_END} {begin}V{bottom}"/><text x="{PLOT_END}" y="{y}" text-anchor="end">budget {budget}</text>"#
        ));
    }
    if let Some(cut) = picture.cut {
        let x = frame.x(cut);
        let (begin, text_x, y, cut) = (top - 4, x - 4, top - 8, time(cut));
        out.line(format_args!(
            r#"<path class="k" d="M{x} {begin}V{bottom}"/><text x="{text_x}" y="{y}" text-anchor="end">cut {cut}</text>"#
        ));
    }
    let (word, after) = picture.end;
    let x = frame.x(after);
    let (anchor, text_x) = if x > PLOT_X + PLOT_WIDTH / 2 { ("end", x - 10) } else { ("start", x + 10) };
    let (end, left, right, tip, foot, y) = (bottom + 24, x - 5, x + 5, bottom + 22, bottom + 30, bottom + 36);
    let after = time(after);
    out.line(format_args!(
        r##"<path class="x" d="M{x} {top}V{end}"/><path d="M{left} {foot}L{x} {tip}L{right} {foot}Z" fill="#1b1f24"/><text x="{text_x}" y="{y}" text-anchor="{anchor}">{word} {after}</text>"##
    ));
    let (y, bin) = (frame.height - 16, time(picture.scale.bin(frame.level)));
    out.line(format_args!(
        r#"<text class="s" x="{NAMES_X}" y="{y}">A bar is as high as the calls under way in each {bin}, beside the most of its row.</text>"#
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_times() {
        for (axis, wanted) in [
            (2_000_000_000, "0, 0.5 s, 1 s, 1.5 s, 2 s"),
            (62_501_120, "0, 20 ms, 40 ms, 60 ms"),
            (1_953_920, "0, 0.5 ms, 1 ms, 1.5 ms"),
            (3_600_000_000_000, "0, 1 000 s, 2 000 s, 3 000 s"),
            (1, "0, 1 ns"),
        ] {
            let step = step_of(axis);
            let ticks: Vec<String> = (0..=axis / step).map(|number| tick(number * step, axis)).collect();
            assert_eq!(ticks.join(", "), wanted);
        }
    }

    #[test]
    fn the_legend_fits_however_much_it_has_to_say() {
        let mut picture = crate::report::tests::one();
        let many = |names: [&'static str; 8]| names.map(|name| (name, 1_234_567)).into_iter().collect();
        let millions = 1_234_567_890;
        picture.total = Counts {
            delivered: millions,
            failed: millions,
            causes: many(["deadline", "fuel", "memory", "trap", "retry", "fatal", "host", "other"]),
            cut: millions,
            not_begun: millions,
            reasons: many(["budget", "breaker", "memory", "turn", "quota", "slots", "fuel", "other"]),
        };
        let mut out = Out::default();
        legend(&mut out, &picture);
        let last = out.0.lines().last().unwrap();
        let (_, text) = last.split_once("<text x=\"").unwrap();
        let (x, text) = text.split_once("\" y=\"106\">").unwrap();
        let end = x.parse::<u64>().unwrap() + LETTER * text.trim_end_matches("</text>").chars().count() as u64;
        assert!(end <= NUMBERS_END && text.contains('…'), "{end}: {}", out.0);
        let words = ["1 234 567 890 delivered", "1 234 567 890 failed", "1 234 567 890 cut", "1 234 567 890 not begun"];
        for (line, words) in out.0.lines().zip(words) {
            assert!(line.contains(words), "{words} is missing: {line}");
        }
    }

    #[test]
    fn what_went_wrong_is_never_too_little_to_be_seen() {
        let slice = Slice { delivered: 10_000, failed: 1, cut: 1 };
        assert_eq!(tops(slice, 10_002, 26), [22, 24, 26]);
        assert_eq!(tops(Slice { delivered: 1, ..Slice::default() }, 10_000, 26), [2, 2, 2]);
        assert_eq!(tops(Slice::default(), 0, 26), [0; 3]);
        let counts = Counts { delivered: 99_999, failed: 1, ..Counts::default() };
        let mut out = Out::default();
        share(&mut out, &counts, 100, 12);
        assert!(out.0.contains(r#"class="fail" x="869" y="94" width="3""#), "{}", out.0);
    }
}

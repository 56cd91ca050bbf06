//! A report as a picture.

use std::{fmt::Write, time::Duration};

use super::{
    report::{Report, clock},
    samples::Sample,
};
use crate::api::names::phase;

/// Where the lanes begin and end, in pixels.
const LEFT: f64 = 70.0;
const WIDTH: f64 = 860.0;
const RIGHT: f64 = LEFT + WIDTH;
const PODS: (f64, f64) = (50.0, 190.0);
const TRAFFIC: (f64, f64) = (220.0, 320.0);
const PHASES: (f64, f64) = (345.0, 365.0);
const LIST: f64 = 420.0;
const LINE: f64 = 16.0;

/// Lines of the list at most.
const LISTED: usize = 80;

/// Characters of a line at most.
const LONGEST: usize = 130;

struct Axis {
    whole: f64,
}

impl Axis {
    fn x(&self, at: Duration) -> f64 {
        LEFT + WIDTH * (at.as_secs_f64() / self.whole).min(1.0)
    }
}

/// Lanes of pods, traffic and phases over time, and a numbered list of what happened.
pub(super) fn draw(report: &Report) -> String {
    let samples = report.samples();
    let last = samples.last().map_or(Duration::ZERO, |it| it.at).max(report.took());
    let axis = Axis { whole: (last.as_secs_f64() * 1.03).max(1.0) };
    let happened: Vec<_> = report.entries().iter().filter(|it| it.reason != "ScalingReplicaSet").collect();
    let listed = happened.len().min(LISTED);
    let height = LIST + LINE * as_f64(listed) + 2.0 * LINE;
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{w}" height="{height}" viewBox="0 0 {w} {height}" font-family="sans-serif" font-size="11" fill="#333"><rect width="100%" height="100%" fill="#fff"/><text x="{LEFT}" y="26" font-size="16">{title}</text>"##,
        w = RIGHT + 20.0,
        title = escape(&format!("{}: {} after {}", report.name, ending(report), clock(report.took()))),
    );
    pods(&mut out, &samples, &axis);
    traffic(&mut out, &samples, &axis);
    phases(&mut out, &samples, &axis);
    ticks(&mut out, &axis);
    for (at, entry) in happened.iter().take(LISTED).enumerate() {
        let (x, y) = (axis.x(entry.at), LIST + LINE * as_f64(at));
        let colour = if entry.reason == "Act" || entry.reason == "ApiFault" { "#a40" } else { "#999" };
        let (top, bottom) = (PODS.0, PHASES.0);
        let _ = write!(
            out,
            r#"<line x1="{x:.1}" y1="{top}" x2="{x:.1}" y2="{bottom}" stroke="{colour}" stroke-width="0.6" stroke-dasharray="2 3"/>"#,
        );
        let _ = write!(
            out,
            r#"<text x="{LEFT}" y="{y}" text-anchor="end">{}</text><text x="{}" y="{y}" fill="{colour}">●</text><text x="{}" y="{y}">{}</text>"#,
            clock(entry.at),
            LEFT + 8.0,
            LEFT + 24.0,
            escape(&entry.message),
        );
    }
    if happened.len() > LISTED {
        let y = LIST + LINE * as_f64(LISTED);
        let _ = write!(out, r#"<text x="{}" y="{y}">and {} more</text>"#, LEFT + 24.0, happened.len() - LISTED);
    }
    out.push_str("</svg>\n");
    out
}

fn ending(report: &Report) -> String {
    match report.message() {
        "" => report.phase().to_owned(),
        message => format!("{} ({message})", report.phase()),
    }
}

/// Old and new pods, one upon the other.
fn pods(out: &mut String, samples: &[Sample], axis: &Axis) {
    let most = samples.iter().map(|it| it.old + it.new).max().unwrap_or_default().max(1);
    let y = |count: i64| PODS.1 - (PODS.1 - PODS.0) * number(count) / number(most);
    frame(out, PODS, "available pods", &[(y(most), most.to_string()), (PODS.1, "0".to_owned())]);
    area(out, samples, axis, "#7aa6d8", |it| (PODS.1, y(it.old)));
    area(out, samples, axis, "#f0a35e", |it| (y(it.old), y(it.old + it.new)));
    legend(out, &[("#7aa6d8", "old"), ("#f0a35e", "new")]);
}

fn traffic(out: &mut String, samples: &[Sample], axis: &Axis) {
    let y = |percent: i64| TRAFFIC.1 - (TRAFFIC.1 - TRAFFIC.0) * number(percent.clamp(0, 100)) / 100.0;
    let marks = [(TRAFFIC.0, "100%".to_owned()), (y(50), "50%".to_owned()), (TRAFFIC.1, "0%".to_owned())];
    frame(out, TRAFFIC, "traffic to the new version", &marks);
    area(out, samples, axis, "#f7d2ae", |it| (TRAFFIC.1, y(it.canary_percent)));
}

fn phases(out: &mut String, samples: &[Sample], axis: &Axis) {
    for (sample, until) in spans(samples, axis) {
        let colour = match sample.phase.as_str() {
            phase::HEALTHY => "#5aa469",
            phase::PAUSED => "#d9c34a",
            phase::DEGRADED => "#c9504b",
            _ => "#8ab4c9",
        };
        let (x, width) = (axis.x(sample.at), until - axis.x(sample.at));
        let _ = write!(
            out,
            r#"<rect x="{x:.1}" y="{}" width="{width:.1}" height="{}" fill="{colour}"><title>{}</title></rect>"#,
            PHASES.0,
            PHASES.1 - PHASES.0,
            escape(&sample.phase),
        );
        if width > 60.0 {
            let (x, y) = (x + 4.0, PHASES.1 - 6.0);
            let _ = write!(out, r##"<text x="{x:.1}" y="{y}" fill="#fff">{}</text>"##, escape(&sample.phase));
        }
    }
}

/// Each sample with the pixel at which it ends.
fn spans<'s>(samples: &'s [Sample], axis: &Axis) -> impl Iterator<Item = (&'s Sample, f64)> {
    let ends = samples.iter().skip(1).map(|it| axis.x(it.at)).chain([RIGHT]).collect::<Vec<_>>();
    samples.iter().zip(ends)
}

/// Steps between two heights that `of` tells.
fn area(out: &mut String, samples: &[Sample], axis: &Axis, colour: &str, of: impl Fn(&Sample) -> (f64, f64)) {
    let (mut top, mut bottom) = (String::new(), Vec::new());
    for (sample, until) in spans(samples, axis) {
        let (low, high) = of(sample);
        let from = axis.x(sample.at);
        let _ = write!(top, "{from:.1},{high:.1} {until:.1},{high:.1} ");
        bottom.push(format!("{until:.1},{low:.1} {from:.1},{low:.1}"));
    }
    bottom.reverse();
    let _ = write!(out, r#"<polygon points="{top}{}" fill="{colour}"/>"#, bottom.join(" "));
}

fn frame(out: &mut String, (top, bottom): (f64, f64), title: &str, marks: &[(f64, String)]) {
    let _ = write!(
        out,
        r##"<text x="{LEFT}" y="{}">{title}</text><line x1="{LEFT}" y1="{bottom}" x2="{RIGHT}" y2="{bottom}" stroke="#bbb"/>"##,
        top - 6.0,
    );
    for (y, text) in marks {
        let (x, y) = (LEFT - 8.0, y + 4.0);
        let _ = write!(out, r#"<text x="{x}" y="{y:.1}" text-anchor="end">{text}</text>"#);
    }
}

fn legend(out: &mut String, entries: &[(&str, &str)]) {
    for (at, (colour, text)) in entries.iter().enumerate() {
        let x = RIGHT - 100.0 + 55.0 * as_f64(at);
        let _ = write!(
            out,
            r#"<rect x="{x}" y="35" width="10" height="10" fill="{colour}"/><text x="{}" y="44">{text}</text>"#,
            x + 14.0
        );
    }
}

/// Ten times along the axis at most, of a length that people count in.
fn ticks(out: &mut String, axis: &Axis) {
    const LENGTHS: [u64; 14] = [1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400];
    let length = LENGTHS.into_iter().find(|it| axis.whole / Duration::from_secs(*it).as_secs_f64() <= 10.0);
    let length = Duration::from_secs(length.unwrap_or(7 * 86_400));
    let mut at = Duration::ZERO;
    while at.as_secs_f64() <= axis.whole {
        let (x, y) = (axis.x(at), PHASES.1 + 15.0);
        let _ = write!(out, r#"<text x="{x:.1}" y="{y}" text-anchor="middle">{}</text>"#, clock(at));
        at += length;
    }
}

fn escape(text: &str) -> String {
    let short: String = text.chars().filter(|it| !it.is_control()).take(LONGEST).collect();
    short.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Counts of pods and lines are far below what a float holds exactly.
fn number(count: i64) -> f64 {
    f64::from(i32::try_from(count).unwrap_or(i32::MAX))
}

fn as_f64(count: usize) -> f64 {
    number(i64::try_from(count).unwrap_or(i64::MAX))
}

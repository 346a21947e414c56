//! How cost grows: a table and a plot for each thing that was varied, from the raw findings of `scripts/growth`.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use clap::ArgMatches;
use serde_json::Value;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What is varied: the beginning of a finding's name, what it is called, and where in the finding it stands.
const AXES: [(&str, &str, &[&str]); 5] = [
    ("series", "series per target", &["scenario", "series"]),
    ("width", "bytes of one more label", &["scenario", "label_bytes"]),
    ("churn", "percent of the series replaced in a minute", &["scenario", "churn_percent"]),
    ("endpoints", "endpoints", &["scenario", "endpoints"]),
    ("cores", "cores", &["cores"]),
];

/// One run: what was varied, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    at: f64,
    cpu_us: f64,
    rss_bytes: f64,
}

/// `load growth`.
pub fn growth(matches: &ArgMatches) -> Outcome<()> {
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let (runs, docs) = (Path::new(text("runs")), Path::new(text("docs")));
    let findings = read(runs)?;
    let first = findings.first().ok_or("there are no findings in that folder")?;
    let word = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
    let mut page = format!(
        "# How cost grows\n\nMade by `scripts/growth` from the raw findings in `{}`; {}, {}, Linux {}. CPU is that of all \
         threads of the agent over a window after a warm-up, RSS that at its end, everything included.\n",
        runs.display(),
        word(&first.1["version"]),
        word(&first.1["cpu_model"]),
        word(&first.1["kernel"]),
    );
    for (prefix, title, path) in AXES {
        let points = points(&findings, prefix, path);
        if points.is_empty() {
            continue;
        }
        let file = format!("growth-{prefix}.svg");
        fs::write(docs.join(&file), plot(title, &points))?;
        let _ = write!(page, "\n## {title}\n\n![{title}]({file})\n\n");
        let _ =
            writeln!(page, "| {title} | CPU µs/sample | RSS, bytes per series |\n|---|---|---|");
        for point in &points {
            let Point { at, cpu_us, rss_bytes } = point;
            let _ = writeln!(page, "| {at} | {cpu_us:.3} | {rss_bytes:.0} |");
        }
    }
    fs::write(docs.join("growth.md"), page)?;
    Ok(())
}

/// Name and content of every finding of ours.
fn read(dir: &Path) -> Outcome<Vec<(String, Value)>> {
    let mut findings = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let finding: Value = serde_json::from_slice(&fs::read(&path)?)?;
            let name = finding["scenario"]["name"].as_str().unwrap_or_default().to_owned();
            findings.push((name, finding));
        }
    }
    findings.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(findings)
}

/// The median of each value's runs by CPU, in order of the value.
fn points(findings: &[(String, Value)], prefix: &str, path: &[&str]) -> Vec<Point> {
    let mut all: Vec<Point> = findings
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .filter_map(|(_, finding)| {
            let at = path.iter().fold(finding, |value, key| &value[*key]).as_f64()?;
            let cpu_us = finding["cpu_us_per_sample"].as_f64()?;
            Some(Point { at, cpu_us, rss_bytes: finding["rss_bytes_per_series"].as_f64()? })
        })
        .collect();
    all.sort_by(|a, b| a.at.total_cmp(&b.at).then(a.cpu_us.total_cmp(&b.cpu_us)));
    let of_one = all.chunk_by(|a, b| a.at.to_bits() == b.at.to_bits());
    of_one.map(|runs| runs[runs.len() / 2]).collect()
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const MARGIN: f64 = 60.0;

/// Two lines over the same values: CPU on the left axis, memory on the right one. Both begin at zero.
fn plot(title: &str, points: &[Point]) -> String {
    let top = |of: fn(&Point) -> f64| points.iter().map(of).fold(0.0, f64::max).max(1e-9) * 1.1;
    let (cpu_top, rss_top) = (top(|point| point.cpu_us), top(|point| point.rss_bytes));
    // Values are steps of a series, mostly of doublings: they stand at equal distances.
    let step = (WIDTH - 2.0 * MARGIN) / (points.len().max(2) - 1) as f64;
    let x = |index: usize| MARGIN + step * index as f64;
    let y = |share: f64| HEIGHT - MARGIN + (2.0 * MARGIN - HEIGHT) * share;
    let line = |of: fn(&Point) -> f64, top: f64| -> String {
        let places = points.iter().enumerate();
        places.map(|(i, point)| format!("{:.1},{:.1} ", x(i), y(of(point) / top))).collect()
    };
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (color, points) in [
        ("#1f5fa8", line(|point| point.cpu_us, cpu_top)),
        ("#b4511e", line(|point| point.rss_bytes, rss_top)),
    ] {
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"{}\"/>",
            points.trim_end()
        );
    }
    let mut text = |x: f64, y: f64, anchor: &str, color: &str, words: &str| {
        let _ = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{words}</text>"
        );
    };
    for share in [0.0, 0.5, 1.0] {
        let (cpu, rss) = (cpu_top * share, rss_top * share);
        text(MARGIN - 8.0, y(share) + 4.0, "end", "#1f5fa8", &format!("{cpu:.2}"));
        text(WIDTH - MARGIN + 8.0, y(share) + 4.0, "start", "#b4511e", &format!("{rss:.0}"));
    }
    for (index, point) in points.iter().enumerate() {
        text(x(index), HEIGHT - MARGIN + 18.0, "middle", "black", &point.at.to_string());
    }
    text(WIDTH / 2.0, HEIGHT - 14.0, "middle", "black", title);
    text(8.0, 24.0, "start", "#1f5fa8", "CPU µs/sample");
    text(WIDTH - 8.0, 24.0, "end", "#b4511e", "RSS, bytes per series");
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(name: &str, series: u64, cpu: f64) -> (String, Value) {
        let text = format!(
            "{{\"scenario\": {{\"series\": {series}}}, \"cpu_us_per_sample\": {cpu}, \"rss_bytes_per_series\": 60}}"
        );
        (name.to_owned(), serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn of_three_runs_the_median_is_shown_and_of_other_things_none() {
        let findings = [
            finding("series-500", 500, 0.3),
            finding("series-50", 50, 0.9),
            finding("series-500", 500, 0.1),
            finding("width-500", 500, 7.0),
            finding("series-500", 500, 0.2),
        ];
        let points = points(&findings, "series", &["scenario", "series"]);
        let shown: Vec<(f64, f64)> = points.iter().map(|point| (point.at, point.cpu_us)).collect();
        assert_eq!(shown, [(50.0, 0.9), (500.0, 0.2)]);
        let svg = plot("series", &points);
        assert!(svg.contains("<polyline") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}

//! Pages of real programs and one-purpose vectors: accepted or refused as Prometheus does, with the same series,
//! values to the bit, timestamps, exemplars and metadata.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use corelane::exposition::{Entry, Format, ParseError, Parser, Series, format_of};
use corelane::model::{HistogramRules, LabelsBuilder, MetricType, NAN, NativeHistogram, pack};

use crate::protobuf::{check_native, read_families, without_native};
use crate::requests::check_requests;

/// Everything read from one page, series by their printed labels.
#[derive(Debug, Default)]
pub struct Page {
    /// In page order, duplicates included.
    pub samples: Vec<(String, f64, Option<i64>)>,
    pub histograms: Vec<(String, NativeHistogram)>,
    /// Labels of each, packed.
    packed: Vec<Vec<u8>>,
    /// Series, labels, value, time.
    exemplars: Vec<(String, String, f64, Option<i64>)>,
    /// Family to type, unit, help.
    metadata: BTreeMap<String, (MetricType, String, String)>,
}

/// Splits a page into lines as a scrape does, joining those that a quoted string spans.
fn read_page(format: Format, body: &[u8]) -> Result<Page, String> {
    let (mut page, mut parser) = (Page::default(), Parser::new(format));
    let (mut start, mut end, mut number) = (0, 0, 1);
    while start < body.len() {
        end += body[end..].iter().position(|&byte| byte == b'\n').unwrap_or(body.len() - end);
        match read_line(&mut parser, &body[start..end], &mut page) {
            Err(ParseError::OpenQuote) if end + 1 < body.len() => end += 1,
            Err(error) => return Err(format!("line {number}: {error}")),
            Ok(()) => {
                end = (end + 1).min(body.len());
                start = end;
            }
        }
        number += 1;
    }
    parser.finish().map_err(|error| error.to_string())?;
    Ok(page)
}

fn read_line(parser: &mut Parser, line: &[u8], page: &mut Page) -> Result<(), ParseError> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match parser.line(line)? {
        Entry::Series(series) => read_series(parser, &series, page)?,
        Entry::Type { name, metric_type } => {
            page.metadata.entry(text(name)).or_default().0 = metric_type;
        }
        Entry::Unit { name, unit } => {
            page.metadata.entry(text(name)).or_default().1 = text(unit);
        }
        Entry::Help { name, help } => {
            page.metadata.entry(text(name)).or_default().2 = help.into_owned();
        }
        Entry::Comment | Entry::Blank | Entry::Eof => {}
    }
    Ok(())
}

pub fn read_series(
    parser: &Parser,
    series: &Series<'_>,
    page: &mut Page,
) -> Result<(), ParseError> {
    let mut labels = LabelsBuilder::default();
    parser.labels(series.text, &mut labels)?;
    let name = printed(&labels);
    let mut packed = Vec::new();
    pack(labels.iter(), &mut packed);
    page.packed.push(packed);
    if let Some(exemplar) = series.exemplar.filter(|exemplar| !exemplar.is_too_long()) {
        exemplar.labels(&mut labels)?;
        let labels = printed(&labels);
        let labels = if labels.is_empty() { "{}".to_owned() } else { labels };
        page.exemplars.push((name.clone(), labels, exemplar.value, exemplar.timestamp_ms));
    }
    match series.histogram {
        Some(histogram) => page.histograms.push((name, histogram.clone())),
        None => page.samples.push((name, series.value, series.timestamp_ms)),
    }
    Ok(())
}

/// As the corpus writes label sets: sorted, foreign names quoted, a foreign metric name first inside the braces.
fn printed(labels: &LabelsBuilder) -> String {
    let escaped = |text: &str| {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{text}\"")
    };
    let classic = |name: &str, colon: bool| {
        name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || colon && b == b':')
            && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let metric = labels.get("__name__");
    let mut parts = Vec::new();
    if !classic(metric, true) {
        parts.push(escaped(metric));
    }
    for (name, value) in labels.iter().filter(|(name, _)| *name != "__name__") {
        let name = if classic(name, false) { name.to_owned() } else { escaped(name) };
        parts.push(format!("{name}={}", escaped(value)));
    }
    let before = if classic(metric, true) { metric } else { "" };
    if parts.is_empty() { before.to_owned() } else { format!("{before}{{{}}}", parts.join(",")) }
}

/// Which NaN it is the query API does not tell.
fn value_bits(value: f64) -> u64 {
    if value.is_nan() { NAN.to_bits() } else { value.to_bits() }
}

fn number(text: &str) -> f64 {
    let value: f64 = text.parse().unwrap_or_else(|_| panic!("{text:?} is no number"));
    if value.is_nan() { NAN } else { value }
}

/// One page or vector and the files beside it.
struct Case {
    path: PathBuf,
    facts: Value,
}

impl Case {
    fn beside(&self, what: &str) -> Option<String> {
        fs::read_to_string(format!("{}.{what}.txt", self.path.display())).ok()
    }

    fn check(&self) -> Result<(), String> {
        let accepted = self.facts["prometheus_accepts"] == true;
        let body = fs::read(&self.path).map_err(|error| error.to_string())?;
        let page = format_of(self.facts["content_type"].as_str(), None)
            .map_err(|error| error.to_string())
            .and_then(|format| match format {
                Format::Protobuf => read_families(&body, 1000, HistogramRules::default()),
                Format::Text | Format::OpenMetrics => read_page(format, &body),
            });
        let page = match (page, accepted) {
            (Ok(page), true) => page,
            (Err(_), false) => return Ok(()),
            (Err(error), true) => {
                return Err(format!("refused, but Prometheus accepts it: {error}"));
            }
            (Ok(_), false) => {
                return Err(format!(
                    "accepted, but Prometheus says {}",
                    self.facts["prometheus_error"]
                ));
            }
        };
        let samples = page.packed.iter().zip(&page.samples);
        let samples: Vec<_> =
            samples.map(|(labels, sample)| (&**labels, sample.1, sample.2)).collect();
        check_requests(&samples)?;
        if self.is_protobuf() {
            return self.check_protobuf(page);
        }
        self.check_samples(&page, 0)?;
        self.check_timestamps(&page)?;
        self.check_exemplars(&page)?;
        self.check_metadata(&page)
    }

    fn is_protobuf(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "pb")
    }

    /// Exemplars and metadata are not read from such pages yet.
    fn check_protobuf(&self, mut page: Page) -> Result<(), String> {
        let native = self.beside("native.expected").unwrap_or_default();
        let hidden = without_native(&mut page.samples, &native)?;
        self.check_samples(&page, hidden)?;
        self.check_timestamps(&page)?;
        if native.is_empty() {
            return Ok(());
        }
        let body = fs::read(&self.path).map_err(|error| error.to_string())?;
        let rules = HistogramRules { native: true, ..HistogramRules::default() };
        check_native(read_families(&body, 1000, rules)?, &native)
    }

    /// The first value stands for a series that is there twice. `hidden`: what Prometheus counted and did not store.
    fn check_samples(&self, page: &Page, hidden: u64) -> Result<(), String> {
        let mut got: BTreeMap<&str, u64> = BTreeMap::new();
        for (series, value, _) in &page.samples {
            got.entry(series).or_insert(value_bits(*value));
        }
        let expected = self.beside("expected").ok_or("no expected file")?;
        let wanted: BTreeMap<&str, u64> = expected
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(series, value)| (series, number(value).to_bits()))
            .collect();
        same("samples", &got, &wanted)?;
        match self.facts["scrape_samples_scraped"].as_u64() {
            Some(count) if count != page.samples.len() as u64 + hidden => {
                Err(format!("{} samples, Prometheus counts {count}", page.samples.len()))
            }
            _ => Ok(()),
        }
    }

    /// Files made by Python's client keep the last time of a series that is there twice, the others the first.
    fn check_timestamps(&self, page: &Page) -> Result<(), String> {
        let by_python = self.facts["timestamps_by"] == "python prometheus_client";
        let mut got: BTreeMap<&str, i64> = BTreeMap::new();
        for (series, _, timestamp_ms) in &page.samples {
            let Some(ms) = timestamp_ms else { continue };
            let first = *got.entry(series).or_insert(*ms);
            got.insert(series, if by_python { *ms } else { first });
        }
        let Some(expected) = self.beside("timestamps") else {
            // A few vectors have times so old that neither program could say what they are.
            let known = got.is_empty() || self.facts["program_key"] == "vector";
            return if known { Ok(()) } else { Err(format!("timestamps not wanted: {got:?}")) };
        };
        let wanted: BTreeMap<&str, i64> = expected
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, ms)| Some((series, ms.parse().ok()?)))
            .collect();
        same("timestamps", &got, &wanted)
    }

    fn check_exemplars(&self, page: &Page) -> Result<(), String> {
        let got: BTreeSet<(String, u64, String)> = page
            .exemplars
            .iter()
            .map(|(series, labels, value, ms)| {
                let ms = ms.map_or("-".to_owned(), |ms| ms.to_string());
                (format!("{series} # {labels}"), value.to_bits(), ms)
            })
            .collect();
        let Some(expected) = self.beside("exemplars") else {
            return if got.is_empty() {
                Ok(())
            } else {
                Err(format!("exemplars not wanted: {got:?}"))
            };
        };
        let wanted: BTreeSet<(String, u64, String)> = expected
            .lines()
            .filter_map(|line| {
                let (rest, ms) = line.rsplit_once(' ')?;
                let (labels, value) = rest.rsplit_once(' ')?;
                Some((labels.to_owned(), number(value).to_bits(), ms.to_owned()))
            })
            .collect();
        if got == wanted {
            return Ok(());
        }
        let missing: Vec<_> = wanted.difference(&got).take(3).collect();
        let extra: Vec<_> = got.difference(&wanted).take(3).collect();
        Err(format!("exemplars: missing {missing:?}, not wanted {extra:?}"))
    }

    fn check_metadata(&self, page: &Page) -> Result<(), String> {
        let got: BTreeMap<&str, String> = page
            .metadata
            .iter()
            .map(|(name, (metric_type, unit, help))| {
                let help = help.replace('\\', "\\\\").replace('\n', "\\n").replace('\t', "\\t");
                (name.as_str(), format!("{}\t{unit}\t{help}", metric_type.name()))
            })
            .collect();
        let expected = self.beside("metadata").unwrap_or_default();
        let wanted: BTreeMap<&str, String> = expected
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(name, rest)| (name, rest.to_owned()))
            .collect();
        same("metadata", &got, &wanted)
    }
}

fn same<V: PartialEq + std::fmt::Debug>(
    what: &str,
    got: &BTreeMap<&str, V>,
    wanted: &BTreeMap<&str, V>,
) -> Result<(), String> {
    for (key, value) in wanted {
        if got.get(key) != Some(value) {
            return Err(format!("{what}: {key} is {:?}, wanted {value:?}", got.get(key)));
        }
    }
    match got.iter().find(|(key, _)| !wanted.contains_key(*key)) {
        Some(extra) => Err(format!("{what}: not wanted {extra:?}")),
        None => Ok(()),
    }
}

/// The carried files, and the whole corpus where there is one.
fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside_source = Path::new(file!()).parent().map(|folder| folder.join("corpus/exposition"));
    let carried = [Some(root.join("tests/compat/corpus/exposition")), beside_source]
        .into_iter()
        .flatten()
        .find(|folder| folder.is_dir());
    let corpus = std::env::var_os("CORELANE_CORPUS")
        .map_or_else(|| root.join("../shared/corpus"), PathBuf::from);
    let mut folders: Vec<PathBuf> = carried.into_iter().collect();
    folders.extend([corpus.join("pages"), corpus.join("vectors")]);
    folders.retain(|folder| folder.is_dir());
    folders
}

fn cases(folder: &Path) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder that is there") {
        let path = entry.expect("a folder entry").path();
        let name = path.display().to_string();
        if ![".prom.txt", ".om.txt", ".pb"].iter().any(|kind| name.ends_with(kind)) {
            continue;
        }
        let facts = fs::read(format!("{name}.json")).expect("facts beside the page");
        let facts = serde_json::from_slice(&facts).expect("facts in JSON");
        cases.push(Case { path, facts });
    }
    cases.sort_by(|a, b| a.path.cmp(&b.path));
    cases
}

#[test]
fn every_page_gives_what_prometheus_makes_of_it() {
    let (mut checked, mut failures) = (0, Vec::new());
    for folder in folders() {
        for case in cases(&folder) {
            checked += 1;
            if let Err(error) = case.check() {
                failures.push(format!("{}: {error}", case.path.display()));
            }
        }
    }
    assert!(checked > 0, "no file was found in {:?}", folders());
    assert!(failures.is_empty(), "{} of {checked} files:\n{}", failures.len(), failures.join("\n"));
}

/// The grammar written down a second time, as slowly and plainly as it reads: what the two steps must agree with.
struct Reference<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
}

type Sample = (BTreeMap<String, String>, u64, Option<i64>);

impl<'a> Reference<'a> {
    /// Labels, bits of the value, timestamp; `None` if the line is wrong. Only for ASCII without NUL.
    fn sample(line: &'a str, format: Format) -> Option<Sample> {
        let line = if format == Format::Text { line.trim_start_matches([' ', '\t']) } else { line };
        let mut this = Reference { bytes: line.as_bytes(), at: 0, format };
        let mut pairs = Vec::new();
        let name = this.word(true);
        if !name.is_empty() {
            pairs.push(("__name__".to_owned(), name));
        }
        this.blanks();
        if this.eat(b'{') {
            this.braces(&mut pairs)?;
        }
        pairs.iter().find(|(name, _)| name == "__name__")?;
        let value = this.value()?;
        let ms = this.timestamp()?;
        if format == Format::Text {
            this.blanks();
        } else if line.as_bytes()[this.at..].starts_with(b" # {") {
            this.exemplar()?;
        }
        (this.at == this.bytes.len()).then_some((unique(pairs)?, value.to_bits(), ms))
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn blanks(&mut self) {
        while self.format == Format::Text && matches!(self.peek(), b' ' | b'\t') {
            self.at += 1;
        }
    }

    fn word(&mut self, colon: bool) -> String {
        let start = self.at;
        while self.peek().is_ascii_alphabetic()
            || self.peek() == b'_'
            || (colon && self.peek() == b':')
            || (self.at > start && self.peek().is_ascii_digit())
        {
            self.at += 1;
        }
        String::from_utf8_lossy(&self.bytes[start..self.at]).into_owned()
    }

    /// `None` where there is no well formed quoted string.
    fn quoted(&mut self) -> Option<String> {
        let mut out = String::new();
        if !self.eat(b'"') {
            return None;
        }
        loop {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            match (byte, self.peek()) {
                (b'"', _) => return Some(out),
                (b'\\', 0) => return None,
                (b'\\', b'n') => out.push('\n'),
                (b'\\', next @ (b'"' | b'\\')) => out.push(char::from(next)),
                (b'\\', next) => out.extend(['\\', char::from(next)]),
                (other, _) => out.push(char::from(other)),
            }
            self.at += usize::from(byte == b'\\');
        }
    }

    fn braces(&mut self, pairs: &mut Vec<(String, String)>) -> Option<()> {
        loop {
            self.blanks();
            if self.eat(b'}') {
                return Some(());
            }
            let quoted = self.peek() == b'"';
            let name = if quoted { self.quoted()? } else { self.word(false) };
            if name.is_empty() && !quoted {
                return None;
            }
            self.blanks();
            if quoted && matches!(self.peek(), b',' | b'}') {
                if pairs.iter().any(|(name, _)| name == "__name__") {
                    return None;
                }
                pairs.push(("__name__".to_owned(), name));
                self.eat(b',');
                continue;
            }
            if !self.eat(b'=') || name.is_empty() {
                return None;
            }
            self.blanks();
            let value = self.quoted()?;
            // Told apart from a metric name, which may stand only once.
            pairs.push((if name == "__name__" { "label".to_owned() } else { name }, value));
            self.blanks();
            if !self.eat(b',') && self.peek() != b'}' && self.format == Format::OpenMetrics {
                return None;
            }
        }
    }

    fn token(&mut self) -> Option<String> {
        if self.format == Format::OpenMetrics && !self.eat(b' ') {
            return None;
        }
        self.blanks();
        let ends: &[u8] = if self.format == Format::Text { b" \t" } else { b" " };
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|byte| ends.contains(byte)).unwrap_or(rest.len());
        self.at += len;
        (len > 0).then(|| String::from_utf8_lossy(&rest[..len]).into_owned())
    }

    fn value(&mut self) -> Option<f64> {
        let token = self.token()?;
        let spelled = token.trim_start_matches(['+', '-']).to_ascii_lowercase();
        let value: f64 = token.parse().ok()?;
        match (value.is_nan(), value.is_infinite()) {
            (true, _) => (token.len() == 3).then_some(NAN),
            (_, true) => spelled.starts_with('i').then_some(value),
            _ => Some(value),
        }
    }

    /// The outer `None` means wrong, the inner one absent.
    fn timestamp(&mut self) -> Option<Option<i64>> {
        let before = self.at;
        self.blanks();
        let rest = &self.bytes[self.at..];
        if rest.is_empty() || (self.format == Format::OpenMetrics && rest.starts_with(b" # {")) {
            return Some(None);
        }
        if self.format == Format::Text {
            let token = self.token()?;
            let digits = token.bytes().all(|byte| byte.is_ascii_digit());
            return if digits { token.parse().ok().map(Some) } else { None };
        }
        self.at = before;
        let seconds = self.value()?;
        seconds.is_finite().then_some(Some((seconds * 1000.0) as i64))
    }

    fn exemplar(&mut self) -> Option<()> {
        self.at += 4;
        let mut pairs = vec![("__name__".to_owned(), "taken".to_owned())];
        self.braces(&mut pairs)?;
        self.value()?;
        self.timestamp().map(|_| ())
    }
}

/// A name with an empty value is gone, and no other name may be there twice.
fn unique(pairs: Vec<(String, String)>) -> Option<BTreeMap<String, String>> {
    let empty: Vec<String> =
        pairs.iter().filter(|(_, value)| value.is_empty()).map(|(name, _)| name.clone()).collect();
    let mut labels = BTreeMap::new();
    for (name, value) in pairs {
        if !empty.contains(&name) && labels.insert(name, value).is_some() {
            return None;
        }
    }
    labels.contains_key("__name__").then_some(labels)
}

/// Both steps, as the reference writes their result.
fn both_steps(line: &[u8], format: Format) -> Result<Option<Sample>, ParseError> {
    let mut parser = Parser::new(format);
    let Entry::Series(series) = parser.line(line)? else {
        return Ok(None);
    };
    let mut labels = LabelsBuilder::default();
    parser.labels(series.text, &mut labels)?;
    let labels = labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Some((labels, series.value.to_bits(), series.timestamp_ms)))
}

fn settings(cases: u32) -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(1);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Lines made of the pieces that matter to the grammar, most of them a little wrong.
fn nearly_a_line() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "b:c",
        "_",
        "{",
        "}",
        "\"",
        "\\",
        "\\\"",
        "\\n",
        ",",
        "=",
        " ",
        " ",
        "\t",
        "1",
        "-2.5",
        "+Inf",
        "NaN",
        "1e9",
        " # {",
        "#",
        "x=\"y\"",
        "{x=\"y\"}",
        "{\"m\"}",
        "\"z\"",
        ",b=\"\"",
        "1 2",
        ".",
    ];
    let wild = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..12);
    let tame = prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..3);
    let before = prop::sample::select(vec![
        "a",
        "{\"m\",",
        "a{x=\"y\"",
        "a{x=\"",
        "a{",
        "a{x=\"} # {\"",
        "",
    ]);
    let after = prop::sample::select(vec![
        " 1",
        "} 1",
        "\"} 1",
        " 1 2",
        "} 1 # {} 1",
        "} 1 # {k=\"v\"} 2 3",
        "",
    ]);
    prop_oneof![
        wild.prop_map(|pieces| pieces.concat()),
        (before, tame, after)
            .prop_map(|(before, pieces, after)| { format!("{before}{}{after}", pieces.concat()) }),
    ]
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (-1_000_000i64..1_000_000).prop_map(|n| n as f64 / 64.0),
        prop::sample::select(vec![0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324]),
    ]
    .prop_map(|value| if value.is_nan() { NAN } else { value })
}

fn label_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z_][a-zA-Z0-9_]{0,8}", "[^\\x00]{1,6}"]
        .prop_filter("the metric's name", |name| name != "__name__")
}

proptest! {
    #![proptest_config(settings(20_000))]

    #[test]
    fn the_two_steps_accept_and_read_what_the_grammar_says(line in nearly_a_line()) {
        for format in [Format::Text, Format::OpenMetrics] {
            let first = line.trim_start_matches([' ', '\t']).bytes().next().unwrap_or(b'#');
            if first == b'#' {
                continue;
            }
            let got = both_steps(line.as_bytes(), format).ok().flatten();
            prop_assert_eq!(got, Reference::sample(&line, format), "{:?} {:?}", line, format);
        }
    }
}

proptest! {
    #![proptest_config(settings(2_000))]

    #[test]
    fn what_is_printed_reads_back(
        metric in prop_oneof!["[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", "[^\\x00]{1,6}"],
        pairs in prop::collection::btree_map(label_name(), "\\PC{1,8}|[\\x00-\\x7f]{1,8}", 0..5),
        value in value(),
        seconds in prop::option::of(0i64..1 << 40),
        scientific in any::<bool>(),
    ) {
        let mut labels = LabelsBuilder::default();
        labels.set("__name__", &metric);
        for (name, value) in &pairs {
            labels.set(name, value);
        }
        let wanted: BTreeMap<String, String> =
            labels.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let series = printed(&labels);
        let number = if scientific && value.is_finite() { format!("{value:e}") } else { value.to_string() };
        for (format, unit) in [(Format::Text, 1000), (Format::OpenMetrics, 1)] {
            let time = seconds.map(|seconds| format!(" {}", seconds * unit)).unwrap_or_default();
            let line = format!("{series} {number}{time}");
            let got = both_steps(line.as_bytes(), format);
            let ms = seconds.map(|seconds| seconds * 1000);
            prop_assert_eq!(got, Ok(Some((wanted.clone(), value.to_bits(), ms))), "{:?}", line);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64),
        line in nearly_a_line(),
        at in 0usize..64,
    ) {
        let mut mixed = line.into_bytes();
        let at = at.min(mixed.len());
        mixed.splice(at..at, bytes.iter().copied().take(3));
        for format in [Format::Text, Format::OpenMetrics] {
            for line in [&bytes, &mixed] {
                let mut parser = Parser::new(format);
                let mut out = LabelsBuilder::default();
                prop_assert!(parser.labels(line, &mut out).is_err() || !out.is_empty());
                if let Ok(Entry::Series(series)) = parser.line(line) {
                    let read = parser.labels(series.text, &mut out);
                    prop_assert!(read.is_err() || !out.get("__name__").is_empty());
                    let _ = series.exemplar.map(|exemplar| exemplar.labels(&mut out));
                }
            }
        }
    }
}

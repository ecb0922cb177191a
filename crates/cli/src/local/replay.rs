//! Telemetry from files: recorded series, found in a folder, that answer as a telemetry source would.
//!
//! Two kinds of file are read. A `.csv` has a timestamp and a value in each line; a `.json` is what
//! `aws cloudwatch get-metric-data` prints, with any number of series. The name of the file, or the label of a series in
//! it, says which metric of the catalogue it carries.

mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use monitoring_aws::outside::{SeriesAnswer, SeriesRequest};
use monitoring_core::alert::bounded;
use monitoring_core::backtest::History;
use monitoring_core::catalogue::{Catalogue, Metric, Source};
use monitoring_core::formula::Formula;
use monitoring_core::metric::{Dimensions, Sample, Series};

use super::statistic::Statistic;

/// The greatest file that is read: half a gibibyte, ten years of one series by the second.
const MAX_FILE_BYTES: u64 = 512 * 1024 * 1024;

/// How deep folders may lie in folders.
const MAX_DEPTH: usize = 32;

/// The most bytes of a dimension's value that is taken from a file's name.
const MAX_SOURCE_BYTES: usize = 255;

/// Recorded series.
#[derive(Debug, Default)]
pub struct Replay {
    /// By metric and dimensions; the samples as [`Series::new`] leaves them.
    series: BTreeMap<String, BTreeMap<Dimensions, Vec<Sample>>>,
    summary: Summary,
    digest: u64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many files carry at least one series.
    pub files: usize,
    /// How many series there are.
    pub series: usize,
    /// How many samples they have.
    pub samples: usize,
    /// The time of the first sample.
    pub first: Option<Timestamp>,
    /// The time of the last sample.
    pub last: Option<Timestamp>,
    /// Files, or series in a file, that were not used.
    pub skipped: Vec<Skipped>,
    /// Files of which something could not be read; the rest of them was.
    pub faults: Vec<Fault>,
    /// Metrics of the catalogue that no file carries, and formulas over such metrics. Their rules are not evaluated.
    pub without_data: Vec<String>,
}

/// Something that was not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

/// A file with datapoints that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file.
    pub file: PathBuf,
    /// How many there are.
    pub count: usize,
    /// Where the first one is, and what is wrong with it: `line 7: the value "n/a" is not a number`.
    pub first: String,
}

impl Replay {
    /// Reads a file, or every `.csv` and `.json` in a folder and in its folders.
    ///
    /// A series belongs to the metric with a `files` pattern that matches the file's name, the longest one if several
    /// do; else to the metric that is called as the file is, where case and `_` do not count. What `*` stands for
    /// becomes the dimension `Source` (`Service` for costs by service). Several files of one series are merged.
    ///
    /// The catalogue's metrics get the dimensions that were found. A metric that no file carries gets none at all, so
    /// that what was not recorded does not look like an outage.
    ///
    /// Fails only when nothing can be listed; whatever else is wrong is in [`Replay::summary`].
    pub fn load(path: &Path, catalogue: &mut Catalogue) -> anyhow::Result<Self> {
        let mut replay = Self::default();
        for file in replay.list(path)? {
            replay.add(&file, catalogue);
        }
        replay.finish();
        replay.describe_to(catalogue);
        Ok(replay)
    }

    /// The samples of a series, one for each of the request's periods that has any, stamped with the period's start.
    ///
    /// A request without dimensions for costs by service is answered with all of them.
    pub fn series(&self, request: &SeriesRequest) -> SeriesAnswer {
        let statistic = Statistic::of_source(&request.source)?;
        let recorded = self.series.get(&request.metric);
        if matches!(request.source, Source::Cost { by_service: true }) && request.dimensions.is_empty() {
            let all = recorded.into_iter().flatten();
            return Ok(all.map(|(dimensions, samples)| in_periods(request, statistic, dimensions, samples)).collect());
        }
        let samples = recorded.and_then(|series| series.get(&request.dimensions)).map_or(&[][..], Vec::as_slice);
        // Before a recording begins and after it ends nothing is known; only a gap within it is data that is absent.
        let newest = request.end - SignedDuration::from_secs(i64::from(request.period_seconds));
        let known = samples
            .first()
            .zip(samples.last())
            .is_some_and(|(first, last)| first.at < request.end && newest <= last.at);
        if !known {
            return Ok(Vec::new());
        }
        Ok(vec![in_periods(request, statistic, &request.dimensions, samples)])
    }

    /// The times in which there is data, each from its first sample to its last: samples of any series that are not
    /// further apart than `gap` belong together. Ascending.
    pub fn spans(&self, gap: SignedDuration) -> Vec<(Timestamp, Timestamp)> {
        let mut times: Vec<Timestamp> =
            self.all().flat_map(|(_, _, samples)| samples).map(|sample| sample.at).collect();
        times.sort_unstable();
        let mut spans: Vec<(Timestamp, Timestamp)> = Vec::new();
        for at in times {
            match spans.last_mut() {
                Some((_, end)) if end.duration_until(at) <= gap => *end = at,
                _ => spans.push((at, at)),
            }
        }
        spans
    }

    /// All of the series of this catalogue's metrics, one sample for each period that has any.
    pub fn history(&self, catalogue: &Catalogue) -> History {
        let mut history = History::default();
        for (name, dimensions, samples) in self.all() {
            let Some(metric) = catalogue.metrics.get(name) else { continue };
            let (Ok(statistic), Some((first, last))) =
                (Statistic::of_source(&metric.source), samples.first().zip(samples.last()))
            else {
                continue;
            };
            let period = i64::from(metric.period_seconds.max(1));
            let start_of = |at: Timestamp| at.as_second().div_euclid(period) * period;
            let moment = |second: i64| Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
            let request = SeriesRequest {
                metric: name.to_owned(),
                source: metric.source.clone(),
                dimensions: dimensions.clone(),
                period_seconds: metric.period_seconds,
                start: moment(start_of(first.at)),
                end: moment(start_of(last.at).saturating_add(period)),
            };
            history.insert(name, in_periods(&request, statistic, dimensions, samples));
        }
        history
    }

    /// A number that is the same for the same series, whatever the files are called and in whichever order they lie.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// What was found, and what was not used.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Dimensions, &[Sample])> {
        self.series.iter().flat_map(|(metric, series)| {
            series.iter().map(move |(dimensions, samples)| (metric.as_str(), dimensions, samples.as_slice()))
        })
    }

    /// The files to read, in an order that does not depend on the file system's.
    fn list(&mut self, path: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let metadata = fs::metadata(path).with_context(|| format!("cannot replay {}", path.display()))?;
        if !metadata.is_dir() {
            return Ok(vec![path.to_owned()]);
        }
        fs::read_dir(path).with_context(|| format!("cannot list the folder {}", path.display()))?;
        let mut files = Vec::new();
        let mut folders = vec![(path.to_owned(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if let Err(error) = list_folder(&folder, depth, &mut files, &mut folders) {
                self.skip(&folder, format!("cannot be listed: {error}"));
            }
        }
        files.sort();
        Ok(files)
    }

    fn add(&mut self, file: &Path, catalogue: &Catalogue) {
        let recorded = match read_whole(file).and_then(|bytes| read::read(file, &bytes)) {
            Ok(recorded) => recorded,
            Err(reason) => return self.skip(file, reason),
        };
        if let Some(first) = recorded.first_fault {
            self.summary.faults.push(Fault { file: file.to_owned(), count: recorded.faults, first });
        }
        // Pages of one query have its id; two queries that would become one series must not be mixed.
        let mut owners: BTreeMap<(String, Dimensions), String> = BTreeMap::new();
        for read::Recorded { id, names, samples } in recorded.series {
            let Some((metric, source)) = names.iter().find_map(|name| metric_of(catalogue, name)) else {
                let known = names.first().map_or_else(String::new, |name| format!(" \"{}\"", bounded(name, 80)));
                self.skip(file, format!("no metric of the catalogue is called{known} or has it in its files"));
                continue;
            };
            if let Source::Formula { expression } = &metric.source {
                self.skip(
                    file,
                    format!("{} is computed as {expression}; record what it is computed from", metric.name),
                );
                continue;
            }
            let dimensions = dimensions_of(metric, source);
            let owner = owners.entry((metric.name.clone(), dimensions.clone())).or_insert_with(|| id.clone());
            if *owner != id {
                let reason =
                    format!("{id} and {owner} are both {}; label each query with a metric's name", metric.name);
                self.skip(file, reason);
                continue;
            }
            self.series.entry(metric.name.clone()).or_default().entry(dimensions).or_default().extend(samples);
        }
        self.summary.files += usize::from(!owners.is_empty());
    }

    fn skip(&mut self, file: &Path, reason: String) {
        self.summary.skipped.push(Skipped { file: file.to_owned(), reason });
    }

    fn finish(&mut self) {
        for samples in self.series.values_mut().flat_map(BTreeMap::values_mut) {
            *samples = Series::new(Dimensions::new(), std::mem::take(samples)).samples;
        }
        let series = self.all().count();
        let samples = self.all().map(|(_, _, samples)| samples.len()).sum();
        let first = self.all().filter_map(|(_, _, samples)| samples.first()).map(|sample| sample.at).min();
        let last = self.all().filter_map(|(_, _, samples)| samples.last()).map(|sample| sample.at).max();
        self.summary = Summary { series, samples, first, last, ..std::mem::take(&mut self.summary) };
        self.digest = self.all().fold(FNV_OFFSET, |digest, (metric, dimensions, samples)| {
            let names = dimensions.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
            let digest = std::iter::once(metric).chain(names).fold(digest, |digest, name| {
                // The length keeps what follows apart from it.
                fnv1a(fnv1a(digest, &name.len().to_le_bytes()), name.as_bytes())
            });
            samples.iter().fold(digest, |digest, sample| {
                let digest = fnv1a(digest, &sample.at.as_nanosecond().to_le_bytes());
                fnv1a(digest, &sample.value.to_bits().to_le_bytes())
            })
        });
    }

    /// Gives the metrics the dimensions that were found, and formulas those of their inputs.
    fn describe_to(&mut self, catalogue: &mut Catalogue) {
        let mut found: BTreeMap<String, Vec<Dimensions>> =
            self.series.iter().map(|(metric, series)| (metric.clone(), series.keys().cloned().collect())).collect();
        let mut formulas: Vec<(String, Formula)> = Vec::new();
        for metric in catalogue.metrics.values() {
            if let Source::Formula { expression } = &metric.source
                && let Ok(formula) = Formula::parse(expression)
            {
                formulas.push((metric.name.clone(), formula));
            }
        }
        // A formula without one of its inputs is not computed: the missing one would count as 0.
        loop {
            let before = formulas.len();
            formulas.retain(|(name, formula)| {
                let inputs: Option<Vec<&Vec<Dimensions>>> = formula.inputs().map(|input| found.get(input)).collect();
                let Some(inputs) = inputs else { return true };
                found.insert(name.clone(), dimensions_of_formula(&inputs));
                false
            });
            if formulas.len() == before {
                break;
            }
        }
        for metric in catalogue.metrics.values_mut() {
            metric.dimensions = found.remove(&metric.name).unwrap_or_default();
            if metric.dimensions.is_empty() {
                self.summary.without_data.push(metric.name.clone());
            }
        }
    }
}

/// Every set of dimensions that an input has. An input without dimensions counts for every set, and gives a set of its
/// own only where no input has another.
fn dimensions_of_formula(inputs: &[&Vec<Dimensions>]) -> Vec<Dimensions> {
    let mut all: BTreeSet<Dimensions> = inputs.iter().flat_map(|input| input.iter().cloned()).collect();
    if all.iter().any(|dimensions| !dimensions.is_empty()) {
        all.remove(&Dimensions::new());
    } else {
        all.insert(Dimensions::new());
    }
    all.into_iter().collect()
}

/// Links to folders are not followed, since they may lead in a circle.
fn list_folder(
    folder: &Path,
    depth: usize,
    files: &mut Vec<PathBuf>,
    folders: &mut Vec<(PathBuf, usize)>,
) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            if depth < MAX_DEPTH {
                folders.push((entry.path(), depth + 1));
            }
        } else if read::Format::of(&entry.path()).is_some() {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn read_whole(file: &Path) -> Result<Vec<u8>, String> {
    let metadata = fs::metadata(file).map_err(|error| format!("cannot be read: {error}"))?;
    // A pipe would be waited for until somebody writes to it.
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(format!("has more than {} MiB; cut it into several", MAX_FILE_BYTES / 1024 / 1024));
    }
    fs::read(file).map_err(|error| format!("cannot be read: {error}"))
}

/// The metric that is recorded under a name, and what `*` stands for in the name.
fn metric_of<'a>(catalogue: &'a Catalogue, name: &'a str) -> Option<(&'a Metric, Option<&'a str>)> {
    let patterns = catalogue.metrics.values().flat_map(|metric| metric.files.iter().map(move |file| (metric, file)));
    let mut best: Option<(usize, &Metric, Option<&str>)> = None;
    for (metric, pattern) in patterns {
        let pattern = without_extension(pattern);
        if let Some(source) = matched(pattern, name)
            && best.is_none_or(|(length, ..)| length < pattern.len())
        {
            best = Some((pattern.len(), metric, Some(source).filter(|source| !source.is_empty())));
        }
    }
    let by_name = || {
        let same = |metric: &&Metric| plain(&metric.name) == plain(name);
        catalogue.metrics.get(name).or_else(|| catalogue.metrics.values().find(same)).map(|metric| (metric, None))
    };
    best.map(|(_, metric, source)| (metric, source)).or_else(by_name)
}

/// What `*` stands for in a name that matches: at least one character, or nothing in a pattern without it.
fn matched<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
    match pattern.split_once('*') {
        None => (pattern == name).then_some(""),
        Some((before, after)) => {
            let source = name.strip_prefix(before)?.strip_suffix(after)?;
            (!source.is_empty()).then_some(source)
        }
    }
}

fn without_extension(pattern: &str) -> &str {
    match pattern.rsplit_once('.') {
        Some((stem, extension)) if read::Format::named(extension).is_some() => stem,
        _ => pattern,
    }
}

/// `meal_plans_generated` and `MealPlansGenerated` are the same name.
fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

fn dimensions_of(metric: &Metric, source: Option<&str>) -> Dimensions {
    let name = if matches!(metric.source, Source::Cost { by_service: true }) { "Service" } else { "Source" };
    source.map(|source| (name.to_owned(), bounded(source, MAX_SOURCE_BYTES))).into_iter().collect()
}

fn in_periods(request: &SeriesRequest, statistic: Statistic, dimensions: &Dimensions, samples: &[Sample]) -> Series {
    let period = i64::from(request.period_seconds.max(1));
    let origin = request.start.as_second();
    let from = samples.partition_point(|sample| sample.at < request.start);
    let to = samples.partition_point(|sample| sample.at < request.end);
    let wanted = samples.get(from..to).unwrap_or_default();
    let period_of = |sample: &Sample| (sample.at.as_second() - origin) / period;
    let mut values = Vec::new();
    let samples = wanted.chunk_by(|a, b| period_of(a) == period_of(b)).filter_map(|chunk| {
        values.clear();
        values.extend(chunk.iter().map(|sample| sample.value));
        let at = Timestamp::from_second(origin + period_of(chunk.first()?) * period).ok()?;
        Some(Sample { at, value: statistic.of(&mut values)? })
    });
    Series { dimensions: dimensions.clone(), samples: samples.collect() }
}

/// The offset basis of FNV-1a with 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>).
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests;

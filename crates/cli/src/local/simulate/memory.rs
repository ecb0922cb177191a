//! What the simulation has answered: a long window that moves on by a minute is not made anew.

use std::collections::BTreeMap;

use jiff::Timestamp;
use monitoring_aws::outside::{SeriesAnswer, SeriesRequest};
use monitoring_core::metric::{Dimensions, Sample, Series};

use super::{Relief, Simulation};

/// Shorter windows are made as quickly as they are found.
const SHORTEST_SECONDS: i64 = 6 * 3600;

/// The newest long window of each series, while nothing is done for the application.
#[derive(Debug, Default)]
pub struct Memory {
    relief: Relief,
    windows: BTreeMap<(String, Dimensions, u32), Window>,
}

#[derive(Debug)]
struct Window {
    start: Timestamp,
    end: Timestamp,
    samples: Vec<Sample>,
}

impl Memory {
    /// As [`Simulation::series`].
    pub fn series(&mut self, simulation: Simulation, request: &SeriesRequest) -> SeriesAnswer {
        if simulation.relief != self.relief {
            (self.relief, self.windows) = (simulation.relief, BTreeMap::new());
        }
        if request.end.as_second() - request.start.as_second() < SHORTEST_SECONDS {
            return simulation.series(request);
        }
        let key = (request.metric.clone(), request.dimensions.clone(), request.period_seconds);
        let known = self.windows.remove(&key);
        let moved = |window: &Window| (window.start..=window.end).contains(&request.start) && window.end <= request.end;
        let Some(Window { end, mut samples, .. }) = known.filter(moved) else {
            return simulation.series(request).inspect(|answer| self.keep(key, request, answer));
        };
        let newer = SeriesRequest { start: end, ..request.clone() };
        let answer = simulation.series(&newer)?;
        let [newer] = answer.as_slice() else { return simulation.series(request) };
        samples.retain(|sample| sample.at >= request.start);
        samples.extend_from_slice(&newer.samples);
        let answer = vec![Series::new(request.dimensions.clone(), samples)];
        self.keep(key, request, &answer);
        Ok(answer)
    }

    fn keep(&mut self, key: (String, Dimensions, u32), request: &SeriesRequest, answer: &[Series]) {
        // The costs of every service are several series, and a metric that is not known is none.
        let [only] = answer else { return };
        let window = Window { start: request.start, end: request.end, samples: only.samples.clone() };
        self.windows.insert(key, window);
    }
}

#[cfg(test)]
mod tests {
    use monitoring_core::catalogue::Source;

    use super::*;

    #[test]
    fn what_is_remembered_is_what_would_be_made() {
        let at = |minute: i64| Timestamp::from_second(1_728_864_000 + minute * 60).unwrap();
        let simulation = Simulation::new(at(0), 7);
        let mut memory = Memory::default();
        let mut check = |simulation: Simulation, from: i64, to: i64| {
            let request = SeriesRequest {
                metric: "ErrorCount".to_owned(),
                source: Source::Cloudwatch {
                    namespace: String::new(),
                    metric_name: String::new(),
                    statistic: "Sum".to_owned(),
                },
                dimensions: Dimensions::new(),
                period_seconds: 60,
                start: at(from),
                end: at(to),
            };
            assert_eq!(memory.series(simulation, &request), simulation.series(&request), "{from} to {to}");
        };
        for (from, to) in [(0, 800), (1, 801), (1, 801), (300, 900), (1000, 2000), (0, 800), (790, 800), (850, 1300)] {
            check(simulation, from, to);
        }
        let relieved = simulation.with_relief(Relief { table_scaled: Some(at(500)), ..Relief::default() });
        check(relieved, 851, 1301);
    }
}

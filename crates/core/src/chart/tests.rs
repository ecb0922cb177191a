use super::*;

const MINUTE: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_728_907_200 + second).unwrap()
}

fn samples(values: &[(i64, f64)]) -> Vec<Sample> {
    values.iter().map(|(minute, value)| Sample { at: at(minute * MINUTE), value: *value }).collect()
}

fn chart(samples: &[Sample], minutes: i64) -> Chart<'_> {
    Chart {
        title: "ErrorRate",
        unit: Unit::Percent,
        from: at(0),
        to: at(minutes * MINUTE),
        lines: vec![Line { label: "ErrorRate", samples, period_seconds: 60 }],
        thresholds: Vec::new(),
        marks: Vec::new(),
        expected: &[],
    }
}

/// The points of the first line, from the path in the document.
fn path(svg: &str) -> &str {
    let start = svg.find("class=\"line c0\" d=\"").unwrap() + "class=\"line c0\" d=\"".len();
    svg[start..].split('"').next().unwrap()
}

#[test]
fn a_chart_is_drawn() {
    let data = samples(&[(0, 1.0), (1, 2.0), (2, 12.0), (3, 11.0), (6, 1.0), (8, 1.5), (9, 1.0), (10, 1.0)]);
    let mut chart = chart(&data, 10);
    chart.thresholds = vec![
        Threshold { label: "warning above 5 %", value: 5.0, tone: Tone::Warning },
        Threshold { label: "critical above 10 %", value: 10.0, tone: Tone::Critical },
    ];
    chart.marks = vec![Mark { at: at(3 * MINUTE), label: "detected", tone: Tone::Critical }];
    insta::assert_snapshot!(svg(&chart, 400.0, 200.0));
}

#[test]
fn missing_data_is_a_gap_and_a_lone_sample_a_dot() {
    let data = samples(&[(0, 0.0), (1, 0.0), (5, 0.0), (9, 0.0), (10, 0.0)]);
    let svg = svg(&chart(&data, 10), 400.0, 200.0);
    assert_eq!(path(&svg).matches('M').count(), 3, "{}", path(&svg));
    assert_eq!(path(&svg).matches(" h0").count(), 3, "{}", path(&svg));
    assert_eq!(path(&svg).matches('L').count(), 2, "{}", path(&svg));
}

#[test]
fn a_spike_survives_a_month_and_the_picture_stays_small() {
    let month = 30 * 24 * 60;
    let values: Vec<(i64, f64)> =
        (0..month).map(|minute| (minute, if minute == 20_001 { 100.0 } else { 1.0 })).collect();
    let data = samples(&values);
    let svg = svg(&chart(&data, month), 400.0, 200.0);
    // The plot begins below the title; the spike reaches its upper edge.
    assert!(path(&svg).contains(",34.0"), "{}", path(&svg));
    assert!(svg.len() < 30_000, "{}", svg.len());
}

#[test]
fn nothing_is_drawn_of_what_is_outside_or_no_number() {
    let data = samples(&[(-5, 50.0), (20, 50.0), (5, f64::NAN), (6, f64::INFINITY)]);
    let svg = svg(&chart(&data, 10), 400.0, 200.0);
    assert_eq!(path(&svg), "");
    assert!(svg.contains("no data in this time"));
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
}

#[test]
fn a_text_cannot_become_markup() {
    let data = samples(&[(0, 1.0)]);
    let mut chart = chart(&data, 10);
    chart.title = "<script>&\"\u{0}\u{1b}";
    let svg = svg(&chart, 400.0, 200.0);
    assert_eq!(svg.matches("&lt;script&gt;&amp;&quot;<").count(), 2, "{svg}");
    assert!(!svg.contains("<script") && !svg.contains('\u{0}') && !svg.contains('\u{1b}'));
}

#[test]
fn thresholds_that_lie_close_keep_their_labels_apart() {
    let data = samples(&[(0, 1.0)]);
    let mut chart = chart(&data, 10);
    chart.thresholds =
        [28.0, 27.9, 27.8].map(|value| Threshold { label: "threshold", value, tone: Tone::Warning }).to_vec();
    let svg = svg(&chart, 400.0, 200.0);
    let mut places: Vec<f64> = svg
        .lines()
        .filter(|line| line.ends_with(">threshold</text>"))
        .filter_map(|line| line.split("y=\"").nth(1)?.split('"').next()?.parse().ok())
        .collect();
    places.sort_by(f64::total_cmp);
    assert_eq!(places.len(), 3);
    assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= TEXT_HEIGHT), "{places:?}");
}

#[test]
fn a_legend_names_each_of_several_lines() {
    let data = samples(&[(0, 1.0), (1, 2.0)]);
    let mut chart = chart(&data, 10);
    chart.lines =
        ["web", "worker", "scheduler"].map(|label| Line { label, samples: &data, period_seconds: 60 }).to_vec();
    let svg = svg(&chart, 400.0, 200.0);
    for label in ["web", "worker", "scheduler"] {
        assert!(svg.contains(&format!(">{label}</text>")), "{label}");
    }
    assert_eq!(svg.matches("class=\"line c1\"").count(), 2);
}

#[test]
fn a_spell_is_drawn_within_the_chart_and_says_what_it_was() {
    let chart = chart(&[], 600);
    let spell = |from, until| Spell { from, until, label: "a < b", tone: Tone::Critical };
    let hour = jiff::SignedDuration::from_hours(1);
    let area = Area { x: 0.0, y: 0.0, width: 600.0, height: 200.0 };
    let paths = |spells: &[Spell<'_>]| {
        let svg = panel_with_spells(&chart, spells, area);
        svg.lines().filter(|line| line.contains("stroke-opacity")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        paths(&[spell(chart.from - hour * 2, chart.from - hour), spell(chart.to + hour, chart.to + hour * 2)]).len(),
        0
    );
    let moment = paths(&[spell(chart.from, chart.from)]);
    assert!(moment[0].contains("stroke-width=\"1.5\"") && moment[0].contains("a &lt; b"), "{moment:?}");
    assert_eq!(paths(&[spell(chart.from - hour, chart.to + hour)]), paths(&[spell(chart.from, chart.to)]));
}

#[test]
fn what_was_expected_is_an_area_behind_the_line() {
    let data = samples(&[(0, 5.0), (1, 5.0), (2, 5.0), (6, 5.0), (7, 30.0)]);
    let reach = |minute: i64| Reach { at: at(minute * MINUTE), range: Range { low: 0.0, high: 20.0 } };
    let reaches = [reach(0), reach(1), reach(2), reach(6), reach(7), reach(60)];
    let chart = Chart { expected: &reaches, ..chart(&data, 10) };
    let svg = svg(&chart, 400.0, 200.0);
    let areas: Vec<&str> = svg.split("<polygon class=\"expected\" points=\"").skip(1).collect();
    assert_eq!(areas.len(), 2, "a gap parts them, and what is beyond the edge is left out: {svg}");
    let points: Vec<&str> = areas[0].split('"').next().unwrap().split(' ').collect();
    assert_eq!(points.len(), 6, "three above, three below");
    let y = |point: &str| point.split_once(',').unwrap().1.parse::<f64>().unwrap();
    assert!(y(points[0]) < y(points[5]), "20 stands above 0: {points:?}");
    assert!(svg.find("<polygon").unwrap() < svg.find("class=\"line c0\"").unwrap(), "the line is drawn over it");
}

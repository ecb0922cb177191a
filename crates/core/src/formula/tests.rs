use proptest::prelude::*;

use super::*;

/// `[30 - 0]` without the brackets: - is missing.
fn points(text: &str) -> Vec<Option<f64>> {
    text.split_whitespace().map(|point| if point == "-" { None } else { Some(point.parse().unwrap()) }).collect()
}

/// Evaluates a formula over `a`, `b` and `c`.
fn check_with(windows: [&str; 3], formula: &str, expected: &str) {
    let windows = windows.map(points);
    let window = |name: &str| match name {
        "a" => Some(windows[0].as_slice()),
        "b" => Some(windows[1].as_slice()),
        "c" => Some(windows[2].as_slice()),
        _ => None,
    };
    let expected = points(expected);
    assert_eq!(Formula::parse(formula).unwrap().evaluate(&window, expected.len()), expected, "{formula}");
}

fn check(formula: &str, expected: &str) {
    check_with(["10 20 30 -", "5 0 - -", "1 - 3 4"], formula, expected);
}

mod aws_examples {
    //! The examples of "Metric math syntax and functions" and "Using IF expressions".
    use super::check_with;

    #[test]
    fn comparison_of_series_with_gaps() {
        let windows = ["30 20 0 0", "20 - 20 -", ""];
        check_with(windows, "a < b", "0 0 1 0");
        check_with(windows, "a >= 30", "1 0 0 0");
    }

    #[test]
    fn if_with_series_and_numbers() {
        let windows = ["1 1 0 0 -", "30 - 0 0 30", "0 0 20 - 20"];
        check_with(windows, "IF(a, b, c)", "30 0 20 - -");
        check_with(windows, "IF(a, 5, c)", "5 5 20 - -");
        check_with(windows, "IF(a, b, 5)", "30 0 5 5 -");
    }

    #[test]
    fn if_filters_and_maps() {
        let windows = ["100 400 500 -", "", ""];
        check_with(windows, "IF(a<400, a)", "100 - - -");
        check_with(windows, "IF(a<400, 10, 2)", "10 2 2 -");
        check_with(windows, "IF(a>450, 1, 0)", "0 0 1 -");
    }
}

#[test]
fn arithmetic_takes_what_one_side_lacks_as_zero() {
    check("a + b", "15 20 30 -");
    check("a - b", "5 20 30 -");
    check("b - a", "-5 -20 -30 -");
    check("a * b", "50 0 0 -");
    check("-a", "-10 -20 -30 -");
    check("a + 1", "11 21 31 -");
    check("100 - a", "90 80 70 -");
    check("Unknown + a", "10 20 30 -");
    check("Unknown * 2", "- - - -");
}

#[test]
fn a_division_by_zero_has_no_datapoint() {
    check("100 * a / b", "200 - - -");
    check("b / a", "0.5 0 0 -");
    check("a / 0", "- - - -");
    check("a + 1 / 0", "- - - -");
    // The second of `c - 1` is missing, and so is 0 to the division.
    check("a / (c - 1)", "- - 15 0");
    check("a * (0 / 0 == 0)", "- - - -");
}

#[test]
fn operators_bind_as_in_arithmetic() {
    for (formula, expected) in [
        ("a + 2 * 3", "16"),
        ("(a + 2) * 3", "36"),
        ("a - 2 - 3", "5"),
        ("a - (2 - 3)", "11"),
        ("a / 5 / 2", "1"),
        ("a / (4 / 2)", "5"),
        ("-a + 2", "-8"),
        ("-(a + 2)", "-12"),
        ("2 * -a", "-20"),
        ("--a", "10"),
        ("a + 1 > 2 * 5", "1"),
        ("a == 10", "1"),
        ("a != 10", "0"),
        ("a <= 10", "1"),
        ("a < 10", "0"),
        ("(a > 1) + (a > 2)", "2"),
        ("a * .5 + 1.", "6"),
    ] {
        check_with(["10", "", ""], formula, expected);
    }
}

#[test]
fn a_gap_is_filled_as_asked() {
    let windows = ["- 10 - - 40 -", "1 2 3 4 5 6", ""];
    check_with(windows, "FILL(a, 7)", "7 10 7 7 40 7");
    check_with(windows, "FILL(a, REPEAT)", "- 10 10 10 40 40");
    check_with(windows, "FILL(a, LINEAR)", "- 10 20 30 40 -");
    check_with(windows, "FILL(a, -MIN(b))", "-1 10 -1 -1 40 -1");
    check_with(windows, "FILL(Unknown, 0) + a", "0 10 0 0 40 0");
    check_with(windows, "FILL(Unknown, LINEAR)", "- - - - - -");
    check_with(windows, "FILL(a, 1 / 0)", "- 10 - - 40 -");
    // How a formula says that a metric is absent.
    check_with(windows, "FILL(a == a, 0)", "0 1 0 0 1 0");
}

#[test]
fn several_series_are_combined_period_by_period() {
    check("MIN([a, b])", "5 0 30 -");
    check("MAX(a, b, c)", "10 20 30 4");
    check("SUM([a, b, c])", "16 20 33 4");
    // What is missing counts as 0, where there is anything.
    check("AVG([a, b])", "7.5 10 15 -");
    check("MAX([b])", "5 0 - -");
    // A number among them is a series with that value everywhere.
    check("MAX(b, 1)", "5 1 1 1");
    check("a / MAX(b, 1)", "2 20 30 0");
    check("TIME_SERIES(3) + a", "13 23 33 3");
}

#[test]
fn one_series_is_reduced_to_a_number() {
    check("a - MIN(a)", "0 10 20 -");
    check("a / MAX(a) * 30", "10 20 30 -");
    check("TIME_SERIES(SUM(c))", "8 8 8 8");
    // 60 / 4 periods, the missing one as 0.
    check("TIME_SERIES(AVG(a))", "15 15 15 15");
    check("a + MAX(Unknown)", "- - - -");
}

#[test]
fn the_rest_of_the_functions() {
    check("ABS(b - a)", "5 20 30 -");
    check("IF(c > 2, a, b)", "5 - 30 0");
    check("IF(1, a, b)", "10 20 30 -");
    check("IF(0, a, b)", "5 0 - -");
    check("IF(0, a)", "- - - -");
    check("IF(MAX(a) > 25, b)", "5 0 - -");
    check("IF(-0.5, a)", "10 20 30 -");
    check("IF(1 / 0, a, b)", "- - - -");
}

#[test]
fn only_finite_values_come_out() {
    let huge = [Some(f64::MAX), Some(f64::NAN), Some(f64::INFINITY), Some(-f64::MAX)];
    let window = |_: &str| Some(huge.as_slice());
    for (formula, expected) in [
        ("a", [huge[0], None, None, huge[3]]),
        ("a * 2", [None; 4]),
        ("a + a", [None; 4]),
        ("a - a", [Some(0.0), None, None, Some(0.0)]),
        ("SUM([a, b])", [None; 4]),
    ] {
        assert_eq!(Formula::parse(formula).unwrap().evaluate(&window, 4), expected, "{formula}");
    }
    let filled = Formula::parse("FILL(a, LINEAR)").unwrap().evaluate(&window, 4);
    assert!(filled.iter().all(|point| point.is_some_and(f64::is_finite)), "{filled:?}");
}

#[test]
fn a_window_of_another_length_ends_with_the_same_period() {
    check_with(["1 2 3", "10 20 30 40 50", ""], "a + b", "20 31 42 53");
    check_with(["", "", ""], "a + b", "- -");
    check_with(["1", "1", "1"], "a + b", "");
}

#[test]
fn inputs_are_named_once_in_order() {
    let formula = Formula::parse("IF(Requests > 10, 100 * ErrorCount / Requests, FILL(Errors_2, 0))").unwrap();
    assert_eq!(formula.inputs().collect::<Vec<_>>(), ["Requests", "ErrorCount", "Errors_2"]);
}

#[test]
fn the_canonical_text_has_what_cloudwatch_needs() {
    for (text, expected) in [
        ("100*ErrorCount/RequestCount", "100 * ErrorCount / RequestCount"),
        (" ( (a) ) ", "a"),
        ("(a-b)-c", "a - b - c"),
        ("a-(b-c)", "a - (b - c)"),
        ("(a*b)/c", "a * b / c"),
        ("a*(b/c)", "a * (b / c)"),
        ("-(a+b)*2.50", "-(a + b) * 2.5"),
        ("-(-a)", "--a"),
        ("(a>b)==(b>c)", "(a > b) == (b > c)"),
        ("MIN(a,b)", "MIN([a, b])"),
        ("MIN([a])", "MIN([a])"),
        ("b-MIN(a)", "b - MIN(a)"),
        ("MAX(a,1)", "MAX([a, TIME_SERIES(1)])"),
        ("IF(a>1,b)", "IF(a > 1, b)"),
        ("IF(a,1,2)", "IF(a, 1, 2)"),
        ("FILL(a,REPEAT)+FILL(b,LINEAR)+FILL(c,0)", "FILL(a, REPEAT) + FILL(b, LINEAR) + FILL(c, 0)"),
        ("ABS(a)", "ABS(a)"),
        ("a / 0.000001", "a / 0.000001"),
    ] {
        let formula = Formula::parse(text).unwrap();
        assert_eq!(formula.to_string(), expected, "{text}");
        assert_eq!(Formula::parse(expected).unwrap().to_string(), expected);
        assert_eq!(formula.as_str(), text);
    }
    let formula = Formula::parse("100 * MIN(ErrorCount, Min)").unwrap();
    assert_eq!(formula.with_ids(str::to_ascii_lowercase), "100 * MIN([errorcount, min])");
}

#[test]
fn a_formula_is_stored_as_it_was_written() {
    let formula = Formula::parse("MIN(a,b)").unwrap();
    let json = serde_json::to_string(&formula).unwrap();
    assert_eq!(json, r#""MIN(a,b)""#);
    assert_eq!(serde_json::from_str::<Formula>(&json).unwrap(), formula);
    let refused = serde_json::from_str::<Formula>(r#""a +""#).unwrap_err().to_string();
    assert!(refused.contains("the formula ends at byte 3"), "{refused}");
}

#[test]
fn an_error_says_where_what_and_what_instead() {
    let operand = "a number, a metric, a function or \"(\"";
    for (text, offset, problem, expected) in [
        ("", 0, "the formula ends", operand),
        ("a +", 3, "the formula ends", operand),
        ("a + * b", 4, "unexpected '*'", operand),
        ("(a", 2, "the formula ends", "an operator or \")\""),
        ("a)", 1, "unexpected ')'", "an operator or the end"),
        ("a b", 2, "unexpected \"b\"", "an operator or the end"),
        ("a AND b", 2, "unexpected \"AND\"", "an operator or the end"),
        ("a ^ 2", 2, "unexpected '^'", "an operator or the end"),
        ("1.2.3 + a", 0, "this is no number", "one such as 99.5"),
        ("a + .", 4, "this is no number", "one such as 99.5"),
        ("a + \u{e9}", 4, "unexpected '\u{e9}'", operand),
        ("1e5 * a", 1, "unexpected \"e5\"", "an operator or the end"),
        (
            "SIN(a)",
            0,
            "unknown function \"SIN\"",
            "one of ABS, AVG, FILL, IF, MAX, MIN, ROLLING_SUM, SUM and TIME_SERIES",
        ),
        ("a + MIN", 4, "\"MIN\" is no metric", "a metric or \"(\" after the word"),
        ("a < b < c", 6, "a comparison of a comparison", "parentheses around one of them"),
        ("5 * 3", 0, "the result is a single number", "a series, such as a metric's"),
        (" MAX(a)", 1, "the result is a single number", "a series, such as a metric's"),
        ("TIME_SERIES(1)", 0, "the formula has no metric", "at least one"),
        ("TIME_SERIES(a)", 12, "this is a series already", "a single number"),
        ("a - MIN(5)", 8, "this is a single number", "a series, such as a metric's"),
        ("ABS(MIN(a))", 4, "this is a single number", "a series, such as a metric's"),
        ("FILL(1, 2) + a", 5, "this is a single number", "a series, such as a metric's"),
        ("FILL(a, b)", 8, "a series cannot fill another", "a number, REPEAT or LINEAR"),
        ("FILL(a)", 6, "unexpected ')'", "an operator or \",\""),
        ("IF(a)", 4, "unexpected ')'", "an operator or \",\""),
        ("IF(a, b, c, a)", 10, "unexpected ','", "an operator or \")\""),
        ("IF(1, 2, a)", 6, "this is a single number", "a series, such as a metric's"),
        ("MIN([a, b)", 9, "unexpected ')'", "\",\" or \"]\""),
        ("[a, b]", 0, "unexpected '['", operand),
    ] {
        let error = FormulaError { offset, problem: problem.to_owned(), expected: expected.to_owned() };
        assert_eq!(Formula::parse(text), Err(error), "{text}");
    }
    let error = Formula::parse("a +").unwrap_err();
    assert_eq!(error.to_string(), "the formula ends at byte 3; expected a number, a metric, a function or \"(\"");
}

#[test]
fn a_hostile_text_is_refused() {
    let too_long = format!("a{}", " ".repeat(MAX_LENGTH));
    assert_eq!(Formula::parse(&too_long).unwrap_err().offset, MAX_LENGTH);
    assert!(Formula::parse(&too_long[..MAX_LENGTH]).is_ok());
    let number = format!("a + {}", "9".repeat(400));
    assert_eq!(Formula::parse(&number).unwrap_err().problem, "the number is too large");

    let parentheses = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Formula::parse(&parentheses(MAX_DEPTH)).is_ok());
    for text in [
        parentheses(MAX_DEPTH + 1),
        "(".repeat(MAX_LENGTH),
        "-".repeat(MAX_LENGTH),
        format!("{}a", "-".repeat(MAX_DEPTH)),
        "ABS(".repeat(MAX_LENGTH / 4),
        "MIN([".repeat(MAX_LENGTH / 5),
        vec!["a"; MAX_DEPTH + 1].join("+"),
        vec!["a"; MAX_DEPTH + 1].join("*"),
    ] {
        assert_eq!(Formula::parse(&text).unwrap_err().problem, "the formula nests too deep", "{text}");
    }
    let row = Formula::parse(&vec!["a"; MAX_DEPTH].join("+")).unwrap();
    assert_eq!(row.evaluate(&|_| Some(&[Some(1.0)]), 1), [Some(100.0)]);
}

mod properties {
    use super::*;

    /// A text of what formulas are made of, mostly not a formula.
    fn scraps() -> impl Strategy<Value = String> {
        let scrap = prop::sample::select(vec![
            "a",
            "b",
            "IF(",
            "FILL(",
            "MIN(",
            "MAX([",
            "AVG(",
            "SUM(",
            "ABS(",
            "TIME_SERIES(",
            "(",
            ")",
            "[",
            "])",
            ",",
            "+",
            "-",
            "*",
            "/",
            "<",
            "<=",
            "==",
            "!=",
            "=",
            "!",
            "1",
            "2.5",
            ".",
            "REPEAT",
            "LINEAR",
            " ",
            "\u{e9}",
        ]);
        prop::collection::vec(scrap, 0..40).prop_map(|scraps| scraps.concat())
    }

    /// The text of a series, from a grammar of its own.
    fn formula() -> impl Strategy<Value = String> {
        let series = prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
        series.prop_recursive(6, 40, 3, |inner| {
            let operator = prop::sample::select(vec!["+", "-", "*", "/", "<", "<=", ">", ">=", "==", "!="]);
            let aggregate = prop::sample::select(vec!["MIN", "MAX", "SUM", "AVG"]);
            let filler = prop::sample::select(vec!["0", "-2.5", "REPEAT", "LINEAR"]);
            prop_oneof![
                (inner.clone(), operator.clone(), inner.clone()).prop_map(|(a, op, b)| format!("({a}){op}({b})")),
                (inner.clone(), operator, 0u8..4).prop_map(|(a, op, b)| format!("(({a}){op}{b})")),
                (aggregate.clone(), inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("{f}({a},{b})")),
                (aggregate, inner.clone(), inner.clone()).prop_map(|(f, a, b)| format!("({b})-{f}({a})")),
                (inner.clone(), filler).prop_map(|(a, filler)| format!("FILL({a},{filler})")),
                (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("IF({a},{b},{c})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("IF({a},{b})")),
                inner.clone().prop_map(|a| format!("-({a})")),
                inner.prop_map(|a| format!("ABS({a})")),
            ]
        })
    }

    fn window() -> impl Strategy<Value = Vec<Option<f64>>> {
        let point = prop_oneof![Just(None), any::<f64>().prop_map(Some), (-3..4).prop_map(|v| Some(f64::from(v)))];
        prop::collection::vec(point, 0..8)
    }

    proptest! {
        #[test]
        fn parsing_is_total(text in any::<String>()) {
            let _ = Formula::parse(&text);
        }

        #[test]
        fn parsing_scraps_is_total_and_its_errors_are_within(text in scraps()) {
            match Formula::parse(&text) {
                Ok(formula) => prop_assert!(formula.inputs().count() > 0),
                Err(error) => prop_assert!(text.is_char_boundary(error.offset)),
            }
        }

        #[test]
        fn the_canonical_text_means_the_same(text in formula()) {
            let formula = Formula::parse(&text).unwrap();
            let canonical = formula.to_string();
            if canonical.len() <= MAX_LENGTH {
                prop_assert_eq!(Formula::parse(&canonical).unwrap().root, formula.root, "{} as {}", text, canonical);
            }
        }

        #[test]
        fn what_comes_out_is_finite_and_as_long_as_asked(text in formula(), window in window(), len in 0usize..8) {
            let points = Formula::parse(&text).unwrap().evaluate(&|_| Some(window.as_slice()), len);
            prop_assert_eq!(points.len(), len);
            prop_assert!(points.into_iter().flatten().all(f64::is_finite));
        }
    }
}

#[test]
fn a_rolling_sum_adds_the_newest_datapoints_at_each_period() {
    let windows = ["1 2 3 - - - 7 8", "- 10 10 10 10 10 10 10", ""];
    // Windows end with the same period: 1+2+3, 2+3, 3, none, 7, 7+8.
    check_with(windows, "ROLLING_SUM(a, 3)", "6 5 3 - 7 15");
    check_with(windows, "ROLLING_SUM(a, 1)", "1 2 3 - - - 7 8");
    check_with(windows, "ROLLING_SUM(a, 20)", "1 3 6 6 6 6 13 21");
    // Of the sums of two, "1 3 5 3 - - 7 15", again two.
    check_with(windows, "ROLLING_SUM(ROLLING_SUM(a, 2), 2)", "1 4 8 8 3 - 7 22");
    let formula = Formula::parse("ROLLING_SUM( ROLLING_SUM(a,2) + b , 3)").unwrap();
    assert_eq!((formula.lookback(), formula.is_by_period(), formula.is_metric_math()), (3, true, false));
    assert_eq!(formula.to_string(), "ROLLING_SUM(ROLLING_SUM(a, 2) + b, 3)");
    for wrong in
        ["ROLLING_SUM(a)", "ROLLING_SUM(a, 0)", "ROLLING_SUM(a, 1.5)", "ROLLING_SUM(a, b)", "ROLLING_SUM(a, 12961)"]
    {
        assert!(Formula::parse(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    /// Against the sum as anyone would write it.
    #[test]
    fn a_rolling_sum_is_the_sum_of_what_is_in_the_window(
        values in prop::collection::vec(prop::option::of(-1000_i32..1000), 0..60),
        periods in 1_usize..20,
    ) {
        let values: Vec<Option<f64>> = values.into_iter().map(|value| value.map(f64::from)).collect();
        let formula = Formula::parse(&format!("ROLLING_SUM(a, {periods})")).unwrap();
        let sums = formula.evaluate(&|_| Some(&values), values.len());
        for (newest, sum) in sums.iter().enumerate() {
            let window = &values[(newest + 1).saturating_sub(periods)..=newest];
            prop_assert_eq!(*sum, window.iter().copied().flatten().reduce(|a, b| a + b));
        }
    }
}

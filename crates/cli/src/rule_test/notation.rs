//! The series notation of promtool: `LambdaDuration{FunctionName="api"}` and `1+2x5 _ 3x2 stale`.
//!
//! Source: "Unit testing for rules" in the Prometheus documentation,
//! <https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/#series>.

use monitoring_core::metric::Dimensions;

/// A series has at most so many values: a typing error must not take all memory.
const MAX_VALUES: usize = 1_000_000;

/// Reads `Metric` or `Metric{Name="value", ...}`.
pub(super) fn series(text: &str) -> Result<(String, Dimensions), String> {
    let text = text.trim();
    let Some((metric, labels)) = text.split_once('{') else {
        return name(text).map(|metric| (metric.to_owned(), Dimensions::new()));
    };
    let metric = name(metric.trim())?.to_owned();
    let mut rest = labels
        .strip_suffix('}')
        .ok_or_else(|| format!("\"{text}\" does not end in `}}`; write `{metric}{{Name=\"value\"}}`"))?
        .trim();
    let mut dimensions = Dimensions::new();
    while !rest.is_empty() {
        let (label, value, after) = label(rest)
            .ok_or_else(|| format!("\"{rest}\" is no list of dimensions; write `Name=\"value\", Other=\"value\"`"))?;
        if dimensions.insert(label.to_owned(), value).is_some() {
            return Err(format!("the dimension {label} is there twice; remove one"));
        }
        rest = match after.trim_start() {
            "" => "",
            after => after
                .strip_prefix(',')
                .ok_or_else(|| format!("before \"{after}\" a comma is missing; dimensions are separated by commas"))?
                .trim_start(),
        };
    }
    Ok((metric, dimensions))
}

fn name(text: &str) -> Result<&str, String> {
    let fits = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if fits { Ok(text) } else { Err(format!("\"{text}\" is no name of a metric; write one of the catalogue")) }
}

/// A name, its value, and what comes after.
fn label(text: &str) -> Option<(&str, String, &str)> {
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_start();
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let rest = rest.strip_prefix(quote)?;
    let mut value = String::new();
    let mut characters = rest.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.push(characters.next()?.1),
            end if end == quote => {
                let name = name.trim();
                return (!name.is_empty()).then_some((name, value, rest.get(at + quote.len_utf8()..)?));
            }
            other => value.push(other),
        }
    }
    None
}

/// Reads values, one for each period: a number; `axn`, `a+bxn` and `a-bxn` with n further values; `_` and `_xn` for 1 and n
/// periods without one; `stale`, which is one without as well: here a value never counts for a later period.
///
/// What is not finite counts as missing, as it does wherever samples enter.
pub(super) fn values(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        values.extend(expand(item)?);
        if values.len() > MAX_VALUES {
            return Err(format!("\"{item}\" makes more than {MAX_VALUES} values; write fewer"));
        }
    }
    Ok(values)
}

fn expand(item: &str) -> Result<Vec<Option<f64>>, String> {
    let unknown = || format!("\"{item}\" is no value; write a number, `1x5`, `1+2x5`, `_`, `_x3` or `stale`");
    if item.starts_with("{{") {
        return Err(format!("\"{item}\" is a histogram, which no metric here is; write numbers"));
    }
    if matches!(item, "_" | "stale") {
        return Ok(vec![None]);
    }
    let finite = |value: f64| value.is_finite().then_some(value);
    let number = |text: &str| text.parse::<f64>().map_err(|_| unknown());
    let Some((start, times)) = item.split_once('x') else {
        return Ok(vec![finite(number(item)?)]);
    };
    let times: usize = times.parse().map_err(|_| unknown())?;
    if times > MAX_VALUES {
        return Err(format!("\"{item}\" makes more than {MAX_VALUES} values; write fewer"));
    }
    if start == "_" {
        return Ok(vec![None; times]);
    }
    let (start, step) = match step_at(start) {
        Some(at) => {
            let (start, step) = start.split_at(at);
            (number(start)?, number(step)?)
        }
        None => (number(start)?, 0.0),
    };
    // Added up one by one, as promtool does, so that both round alike.
    let values = std::iter::successors(Some(start), |value| Some(value + step));
    Ok(values.take(times + 1).map(finite).collect())
}

/// Where the step begins: at the sign that is neither the first character nor an exponent's.
fn step_at(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    (1..bytes.len()).find(|&at| {
        let exponent = matches!(bytes.get(at - 1), Some(b'e' | b'E'));
        matches!(bytes.get(at), Some(b'+' | b'-')) && !exponent
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<f64> {
        values(text).unwrap().into_iter().map(|value| value.unwrap_or(f64::INFINITY)).collect()
    }

    /// The examples of the Prometheus documentation.
    #[test]
    fn values_are_expanded_as_promtool_documents_it() {
        const NONE: f64 = f64::INFINITY;
        assert_eq!(read("-2+4x3"), [-2.0, 2.0, 6.0, 10.0]);
        assert_eq!(read(" 1-2x4"), [1.0, -1.0, -3.0, -5.0, -7.0]);
        assert_eq!(read(" 1x4"), [1.0; 5]);
        assert_eq!(read(" 1 _x3 stale"), [1.0, NONE, NONE, NONE, NONE]);
        assert_eq!(read("1+0x6 0 0 0"), [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        assert_eq!(read("10+10x2 30+20x5"), [10.0, 20.0, 30.0, 30.0, 50.0, 70.0, 90.0, 110.0, 130.0]);
        assert_eq!(
            read("10+10x7 10+30x4"),
            [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 10.0, 40.0, 70.0, 100.0, 130.0]
        );
    }

    #[test]
    fn exponents_signs_and_what_is_not_finite_are_read() {
        assert_eq!(read("1e3 -1.5e-3 +2"), [1000.0, -0.0015, 2.0]);
        assert_eq!(read("1e-1+1e+1x1"), [0.1, 10.1]);
        assert_eq!(read("NaN Inf -Inf"), [f64::INFINITY; 3]);
        assert!(read("").is_empty());
        assert_eq!(read("1e308+1e308x1"), [1e308, f64::INFINITY]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, named) in [
            ("1 zwei", "\"zwei\" is no value"),
            ("1+x3", "\"1+x3\" is no value"),
            ("1x", "\"1x\" is no value"),
            ("1x-2", "\"1x-2\" is no value"),
            ("_+1x2", "\"_+1x2\" is no value"),
            ("{{schema:1}}", "histogram"),
            ("1x99999999", "more than 1000000 values"),
            ("1x600000 1x600000", "more than 1000000 values"),
        ] {
            let error = values(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn a_series_has_a_name_and_dimensions() {
        let read = |text| series(text).unwrap();
        assert_eq!(read("ErrorRate"), ("ErrorRate".to_owned(), Dimensions::new()));
        let (metric, dimensions) = read(r#" Lambda_Duration { FunctionName = "api" , Stage='a "b" \'c\', d' } "#);
        assert_eq!(metric, "Lambda_Duration");
        let pairs: Vec<(&str, &str)> = dimensions.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("FunctionName", "api"), ("Stage", "a \"b\" 'c', d")]);
        for bad in
            ["", "a b", "M{", "M{a}", "M{a=b}", "M{a=\"b}", "M{a=\"b\" c=\"d\"}", "M{a=\"b\",a=\"c\"}", "M{=\"b\"}"]
        {
            assert!(series(bad).is_err(), "{bad}");
        }
    }
}

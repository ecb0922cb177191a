//! What people know of the past: a CSV file of times in which something was wrong.

use std::path::Path;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use monitoring_core::backtest::Label;

/// Reads `from,until[,what]`, a line for each. A first line without digits is a header; empty lines and those that begin with `#` are
/// left out.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Label>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).map_err(|problem| anyhow!("{}:{problem}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Label>, String> {
    let mut labels = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        let header = index == 0 && !line.contains(|c: char| c.is_ascii_digit());
        if line.is_empty() || line.starts_with('#') || header {
            continue;
        }
        let wrong = |problem: String| format!("{}: {problem}", index + 1);
        let mut fields = line.splitn(3, ',').map(|field| field.trim().trim_matches('"'));
        let (Some(from), Some(until)) = (fields.next(), fields.next()) else {
            return Err(wrong(
                "write `from,until` or `from,until,rule`, with times such as 2024-10-14T12:00:00Z".to_owned(),
            ));
        };
        let time = |text: &str| {
            text.parse::<Timestamp>()
                .map_err(|_| wrong(format!("\"{text}\" is no time; write one such as 2024-10-14T12:00:00Z")))
        };
        let (from, until) = (time(from)?, time(until)?);
        if until < from {
            return Err(wrong(format!("it ends at {until}, before it begins; exchange the two")));
        }
        let what = fields.next().filter(|what| !what.is_empty()).map(str::to_owned);
        labels.push(Label { from, until, what });
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_label() {
        let labels = parse(
            "from,until,what\n2024-10-14T12:00:00Z, 2024-10-14T13:00:00Z\n\n# comment\n2024-10-15T12:00:00+02:00,2024-10-15T11:00:00Z,\"error-rate\"\n",
        )
        .unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            labels,
            [
                Label { from: at("2024-10-14T12:00:00Z"), until: at("2024-10-14T13:00:00Z"), what: None },
                Label {
                    from: at("2024-10-15T10:00:00Z"),
                    until: at("2024-10-15T11:00:00Z"),
                    what: Some("error-rate".to_owned())
                },
            ]
        );
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        for (text, told) in [
            ("2024-10-14T12:00:00Z", "1: write `from,until`"),
            ("from,until\n2024-10-14T12:00:00Z,soon", "2: \"soon\" is no time"),
            ("2024-10-14T12:00:00Z,2024-10-14T11:00:00Z", "1: it ends at 2024-10-14T11:00:00Z, before it begins"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}

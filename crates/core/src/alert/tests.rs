use super::*;
use crate::example_catalogue::catalogue;

#[test]
fn a_key_is_bounded_and_stays_unique() {
    let dimensions = |value: &str| Dimensions::from([("Name".to_owned(), value.to_owned())]);
    let key = |value: &str, level| AlertKey::new("rule", &dimensions(value), level).to_string();
    assert_eq!(key("api", None), "rule{Name=api}");
    assert_eq!(key("api", Some("critical")), "rule{Name=api}/critical");
    assert_eq!(key("a\u{0}\u{202e}b", None), "rule{Name=a  b}");
    let long = "é".repeat(200);
    let [one, two] = ["1", "2"].map(|end| key(&format!("{long}{end}"), None));
    assert!(one != two && one.len() <= 120 && two.len() <= 120, "{one} {two}");
    // What is read back keeps its key.
    assert_eq!(AlertKey::new(&one, &Dimensions::new(), None).to_string(), one);
}

#[test]
fn a_group_is_split_by_the_dimensions_that_the_rule_names() {
    let catalogue = catalogue();
    let rule = &catalogue.rules["service-cost"];
    let dimensions = Dimensions::from([("Service".to_owned(), "S3".to_owned())]);
    assert_eq!(GroupKey::for_rule(rule, &dimensions).as_str(), "cost/S3");
    assert_eq!(GroupKey::for_rule(rule, &Dimensions::new()).as_str(), "cost/-");
    assert_eq!(GroupKey::for_rule(&catalogue.rules["error-rate"], &dimensions).as_str(), "api");
}

#[test]
fn text_is_cut_at_a_character_and_hides_nothing() {
    for (text, max, expected) in [
        ("abc", 3, "abc"),
        ("abcd", 3, "…"),
        ("abcdef", 5, "ab…"),
        ("ééé", 5, "é…"),
        ("a\nb\u{7f}c\u{9b}d", 20, "a b c d"),
        ("\u{2066}x\u{200f}y\u{61c}\u{2029}", 20, " x y  "),
        ("", 5, ""),
    ] {
        let cut = bounded(text, max);
        assert_eq!(cut, expected, "{text:?} to {max}");
        assert_eq!(bounded(&cut, max), cut, "bounded again");
    }
}

#[test]
fn dynamodb_can_keep_what_is_storable() {
    for (value, expected) in [
        (15.0, Some(15.0)),
        (-1e119, Some(-1e119)),
        (1e121, None),
        (-1e-121, Some(0.0)),
        (f64::NAN, None),
        (f64::INFINITY, None),
        (f64::NEG_INFINITY, None),
    ] {
        assert_eq!(storable(value), expected, "{value}");
    }
}

/// Vectors of the reference, with its byte for the end of the part.
#[test]
fn the_hash_is_fnv1a() {
    // FNV-1a of a single zero byte.
    assert_eq!(fnv1a(&[""]), 0xaf63_bd4c_8601_b7df);
    // FNV-1a of "a\0": test_fnv of the reference lists it as the string "a" with its NUL.
    assert_eq!(fnv1a(&["a"]), 0x089b_e207_b544_f1e4);
    assert_ne!(fnv1a(&["ab", "c"]), fnv1a(&["a", "bc"]));
}

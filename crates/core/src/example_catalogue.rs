//! A small catalogue with the seed's severities, for tests.

use crate::catalogue::Catalogue;

pub(crate) fn catalogue() -> Catalogue {
    Catalogue::from_json(include_bytes!("example_catalogue.json")).unwrap()
}

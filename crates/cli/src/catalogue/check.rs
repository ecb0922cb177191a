//! What a schema cannot say.
use super::document::Document;
use super::yaml::Tree;
use super::Finding;
pub(crate) fn check(_tree: &Tree, _document: &Document, _complete: bool) -> Vec<Finding> { Vec::new() }

//! placeholder
use super::model::Graph;
/// page
pub fn html(_graph: &Graph, _: super::View) -> String {
    String::new()
}

//! AuthorizationPolicies and requests, made up, and what they mean in Istio: for the tests of the importer.

pub(crate) mod generate;
pub(crate) mod model;
pub(crate) mod requests;
pub(crate) mod sides;
pub(crate) mod strings;

//! Declarations: `services/<namespace>/<service>.yaml`, which say who may call a service.
//!
//! A file is read strictly into a [`ServicePolicy`]; all of them make a mesh, whose data document the Rego
//! library decides by, in OPA and in the plan alike.

mod base;
mod beside;
mod check;
mod covers;
mod document;
mod document_headers;
mod fields;
pub(crate) mod library;
mod mesh;
mod model;
mod owned_data;
mod owners;
mod parse;
mod parse_from;
mod parse_headers;
mod review;
mod source;
pub(crate) mod table;
mod variants;
mod words;
mod yaml;

pub use base::{Base, Widen};
pub(crate) use beside::names_library;
pub use beside::{Beside, Defined};
pub use mesh::Mesh;
pub(crate) use mesh::{File, FileKind};
pub use model::{
    Caller, Condition, GrpcMethod, HeaderChanges, HeaderRules, HeaderTest, HostPattern, Mode, Part, Rule,
    Segment, ServicePolicy, Target, Template, Test, Variable, Who,
};
pub(crate) use owned_data::misplaced_data;
pub use owners::CodeOwners;
pub use source::Place;
pub(crate) use source::Source;

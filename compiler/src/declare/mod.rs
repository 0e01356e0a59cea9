//! Declarations: `services/<namespace>/<service>.yaml`, which say who may call a service.
//!
//! A file is read strictly into a [`ServicePolicy`]; all of them make a mesh, whose data document the Rego
//! library decides by, in OPA and in the plan alike.

mod check;
mod covers;
mod document;
mod fields;
pub(crate) mod library;
mod mesh;
mod model;
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

pub use mesh::Mesh;
pub(crate) use mesh::{File, FileKind};
pub use model::{
    Caller, Condition, GrpcMethod, HeaderChanges, HeaderRules, HeaderTest, HostPattern, Part, Rule, Segment,
    ServicePolicy, Target, Template, Test, Variable, Who,
};
pub use owners::CodeOwners;
pub use source::Place;
pub(crate) use source::Source;

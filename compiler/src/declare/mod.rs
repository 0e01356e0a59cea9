//! Declarations: `services/<namespace>/<service>.yaml`, which say who may call a service.
//!
//! A file is read strictly into a [`ServicePolicy`]; all of them make a mesh, whose data document the Rego
//! library decides by, in OPA and in the plan alike.

mod ask;
mod base;
mod beside;
mod changes;
mod check;
pub(crate) mod covers;
mod display;
mod document;
mod document_headers;
mod explain;
pub(crate) mod fields;
pub(crate) mod judge;
pub(crate) mod library;
mod library_users;
mod mesh;
mod model;
mod names;
mod never;
pub(crate) mod overlaps;
mod owned_data;
mod owners;
mod parse;
mod parse_from;
mod parse_headers;
mod review;
mod source;
pub mod suggest;
pub(crate) mod table;
mod variants;
pub(crate) mod words;
pub(crate) mod written;
pub(crate) mod yaml;

pub use ask::policy_of;
pub use base::{Base, Widen};
pub use beside::{Beside, Defined};
pub use changes::{
    Access, CallerClass, ChangeKind, Example, Methods, Note, Plan, RuleRef, ServiceChange, State, access,
    plan,
};
pub use explain::{Addition, Explanation, Reason, caller_words, explain, name_words};
pub(crate) use fields::{Checker, Fields, Text};
pub use judge::{Answer, Effect, Judged, OddPath, Part as RulePart, Request, Verdict, judge};
pub(crate) use library_users::names_library;
pub use mesh::Mesh;
pub(crate) use mesh::{File, FileKind};
pub use model::{
    Caller, Condition, GrpcMethod, HeaderChanges, HeaderRules, HeaderTest, HostPattern, Mode, Part, Rule,
    Segment, ServicePolicy, Target, Template, Test, Variable, Who,
};
pub(crate) use names::Names;
pub(crate) use owned_data::misplaced_data;
pub use owners::CodeOwners;
pub(crate) use parse_headers::FORGEABLE;
pub use source::Place;
pub(crate) use source::Source;

//! Rego as parsed: modules, what their names mean, and the tree of all rules.

mod annotations;
mod builtins;
mod called;
mod expand;
mod module;
mod scan;
mod terms;
mod tree;
mod vars;
mod within;

pub(crate) use builtins::{opa_builtin, why_refused};
pub(crate) use called::called;
pub(crate) use expand::{expand, plain};
pub(crate) use module::{Module, Modules, Name, head};
pub(crate) use scan::huge_number;
pub(crate) use terms::{RefArg, call_path, constant, flatten};
pub(crate) use tree::{Clause, Kind, Node, Tree};
pub(crate) use vars::{Names, declared, declared_in, direct, direct_in, free, free_in_stmt};
pub(crate) use within::{each, query};

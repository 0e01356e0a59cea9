//! OPA's own conformance cases, as its Go module has them, through the plan, the interpreter and the wasm.
//!
//! A case is a set of modules, a query and what the query answers. The query becomes the body of a rule in
//! a package of its own, so that it runs as any policy does. What OPA answers in its strict mode (errors of
//! builtins end the evaluation), its Envoy plugin does not: for those cases the answers that count are
//! recorded from a real OPA in the other mode (`tests/opa/conformance`).

mod case;
mod compare;
mod exclusions;
mod question;
mod recorded;
mod report;
mod run;
mod tables;
mod wasm;

pub use case::{Case, load};
pub use exclusions::Exclusions;
pub use question::{Question, questions_json};
pub use recorded::{Answer, Recorded};
pub use report::{Finding, Report, Totals};
pub use run::{Judged, Outcome, run_all};
pub use tables::{details, markdown, terminal};
pub use wasm::Agreement;

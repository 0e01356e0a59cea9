//! Who may call whom, as a graph and as pictures of it.
//!
//! [`Graph::of`] takes declarations apart into services, callers that are none, and edges; a [`Selection`]
//! leaves some of them out; [`svg()`], [`dot()`], [`html()`] and [`text()`] show what is left. The same graph gives the
//! same bytes.

mod directory;
mod document;
mod dot;
mod escape;
mod html;
mod layout;
mod make;
mod model;
mod scene;
mod select;
mod svg;
mod text;

pub use document::Document;
pub use dot::dot;
pub use html::html;
pub use model::{Edge, Graph, Kind, Limit, Node, Rule, Service};
pub use scene::{MOST_EDGES, MOST_SERVICES, View};
pub use select::{Selection, SelectionError};
pub use svg::svg;
pub use text::text;

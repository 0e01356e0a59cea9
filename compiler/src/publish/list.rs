//! What is published.

use std::path::Path;

use serde::Serialize;
use sidegate_engine::eval::{Builtin, Context};
use sidegate_engine::trust::{Candidate, Lowering};

use super::PublishError;
use super::books::Books;
use super::history::History;
use super::tree::Tree;
use crate::slice::Workload;

/// A workload's pointer.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// Whose.
    pub workload: Workload,
    /// The revision of what decides.
    pub revision: String,
    /// Epoch of the pointer.
    pub epoch: u64,
    /// Serial of the pointer.
    pub serial: u64,
    /// Seconds until it expires; negative where it has.
    pub expires_in: i64,
    /// Bytes of what decides.
    pub bytes: u64,
    /// What is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Candidate>,
    /// What is lowered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowering: Option<Lowering>,
}

/// All that is published.
#[derive(Debug, Serialize)]
pub struct Listing {
    /// The mesh.
    pub mesh: String,
    /// The epoch.
    pub epoch: u64,
    /// The highest serial.
    pub serial: u64,
    /// The workloads.
    pub workloads: Vec<Listed>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// What is published in a tree, at a time in seconds since 1970.
///
/// # Errors
/// [`PublishError`], where the tree is none or cannot be read.
pub fn list(tree: &Path, now: i64) -> Result<Listing, PublishError> {
    let Books { state, notes, .. } = Books::look(Tree::new(tree)?)?;
    let workloads = state.pointers.into_iter().map(|(workload, published)| {
        let pointer = published.pointer;
        Listed {
            workload,
            revision: pointer.revision,
            epoch: pointer.epoch,
            serial: pointer.serial,
            expires_in: pointer.expires.saturating_sub(now),
            bytes: pointer.stable.layers.iter().fold(0, |sum, layer| sum.saturating_add(layer.size)),
            candidate: pointer.candidate,
            lowering: pointer.lowering.filter(|lowering| lowering.until > now),
        }
    });
    let workloads: Vec<Listed> = workloads.collect();
    Ok(Listing { mesh: state.mesh, epoch: state.epoch, serial: state.serial, workloads, notes })
}

/// The history of a tree.
///
/// # Errors
/// [`PublishError`], where the tree is none or cannot be read.
pub fn history(tree: &Path) -> Result<History, PublishError> {
    Ok(Books::look(Tree::new(tree)?)?.history)
}

/// A time as RFC 3339 writes it, in UTC.
pub fn date(seconds: i64) -> String {
    let ns = regorus::Value::from(seconds.saturating_mul(1_000_000_000));
    let format = Builtin::find("time.format");
    let text = format.and_then(|format| format.call(&[ns], &Context::default()).ok());
    text.and_then(|text| text.as_string().ok().map(ToString::to_string))
        .unwrap_or_else(|| seconds.to_string())
}

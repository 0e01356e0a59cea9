//! A plan ready to run.

use std::sync::Arc;

use regorus::Value;

use super::codec::FormatError;
use super::{Entry, Func, FuncId, Program, Slot, Stmt, consts, nesting, validate};
use crate::eval::Builtin;
use crate::grpc::Messages;

/// A checked plan with its constants as values and its builtins resolved.
#[derive(Debug)]
pub struct Image {
    revision: String,
    pub(crate) consts: Vec<Value>,
    pub(crate) builtins: Vec<Builtin>,
    pub(crate) blocks: Vec<Vec<Stmt>>,
    pub(crate) funcs: Vec<Func>,
    entries: Vec<Entry>,
    pub(crate) slots: Slot,
    depth: u32,
    /// The gRPC messages that requests may have.
    pub(super) messages: Arc<Messages>,
}

impl Image {
    /// Checks `program` and makes it ready to run.
    pub fn new(program: Program) -> Result<Self, FormatError> {
        let depth = validate::depth(&program).map_err(FormatError::Malformed)?;
        nesting::check(&program).map_err(FormatError::Malformed)?;
        let Program { revision, consts, builtins, blocks, funcs, entries, slots } = program;
        let consts = consts::values(&consts).map_err(FormatError::Malformed)?;
        let builtins = builtins
            .iter()
            .map(|name| Builtin::find(name).ok_or(FormatError::Malformed("a builtin is not known")))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            revision,
            consts,
            builtins,
            blocks,
            funcs,
            entries,
            slots,
            depth,
            messages: Arc::default(),
        })
    }

    /// Revision of the bundle the plan came in.
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// What can be asked.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entry point at `path` (`envoy/authz/allow`).
    pub fn entry(&self, path: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Nested calls and blocks of the deepest evaluation possible.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The gRPC messages that requests may have.
    pub fn messages(&self) -> &Arc<Messages> {
        &self.messages
    }

    /// Functions, blocks and constants: what `sidegate inspect` shows.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.funcs.len(), self.blocks.len(), self.consts.len())
    }

    /// Whether a builtin that it calls may need the clock.
    pub fn uses_clock(&self) -> bool {
        self.builtins.iter().any(Builtin::uses_clock)
    }

    /// Whether a builtin that it calls may need randomness.
    pub fn uses_randomness(&self) -> bool {
        self.builtins.iter().any(Builtin::uses_randomness)
    }

    pub(crate) fn func(&self, id: FuncId) -> Option<&Func> {
        self.funcs.get(usize::try_from(id).ok()?)
    }
}

//! A plan ready to run.

use std::collections::BTreeMap;
use std::sync::Arc;

use regorus::Value;

use super::codec::{FORMAT, FormatError};
use super::{ConstId, Entry, Func, FuncId, Program, Slot, Split, Step, Stmt, consts, nesting, validate};
use crate::eval::{Builtin, compare};
use crate::grpc::Messages;
use crate::input::leaves::Place;
use crate::table::Table;

/// A checked plan with its constants as values and its builtins resolved.
#[derive(Debug)]
pub struct Image {
    revision: String,
    pub(crate) consts: Vec<Value>,
    pub(crate) builtins: Vec<Builtin>,
    /// Every path below `input` that a statement reads, once.
    pub(crate) places: Vec<Place>,
    pub(crate) blocks: Vec<Vec<Stmt>>,
    pub(crate) funcs: Vec<Func>,
    entries: Vec<Entry>,
    pub(crate) slots: Slot,
    depth: u32,
    /// The gRPC messages that requests may have.
    pub(super) messages: Arc<Messages>,
    /// The format that it was read from.
    pub(super) format: u16,
    /// The tables of entry points, by the places of these.
    tables: Vec<Option<Table>>,
}

impl Image {
    /// Checks `program` and makes it ready to run.
    pub fn new(program: Program) -> Result<Self, FormatError> {
        let depth = validate::depth(&program).map_err(FormatError::Malformed)?;
        nesting::check(&program).map_err(FormatError::Malformed)?;
        let Program { revision, consts, builtins, mut blocks, funcs, entries, slots } = program;
        let consts = consts::values(&consts).map_err(FormatError::Malformed)?;
        if !blocks.iter().flatten().all(|stmt| is_in_order(stmt, &consts)) {
            return Err(FormatError::Malformed("the bounds of a choice are not in order"));
        }
        let builtins = builtins
            .iter()
            .map(|name| Builtin::find(name).ok_or(FormatError::Malformed("a builtin is not known")))
            .collect::<Result<_, _>>()?;
        let tables = entries.iter().map(|_| None).collect();
        let places = places(&mut blocks, &consts)?;
        Ok(Self {
            revision,
            consts,
            builtins,
            places,
            blocks,
            funcs,
            entries,
            slots,
            depth,
            messages: Arc::default(),
            format: FORMAT,
            tables,
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

    /// The table of the entry point at this place among [`entries`](Self::entries), if it has one.
    pub fn table(&self, entry: usize) -> Option<&Table> {
        self.tables.get(entry)?.as_ref()
    }

    /// Gives the entry point at this place a table.
    pub(super) fn put_table(&mut self, entry: u32, table: Table) -> Result<(), &'static str> {
        let place = usize::try_from(entry).ok().and_then(|entry| self.tables.get_mut(entry));
        match place {
            Some(place @ None) => *place = Some(table),
            Some(Some(_)) => return Err("an entry point has two tables"),
            None => return Err("a table has no entry point"),
        }
        Ok(())
    }

    /// The format that it was read from; today's where it was not read.
    pub fn format(&self) -> u16 {
        self.format
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

/// Numbers the paths that statements read, each once.
fn places(blocks: &mut [Vec<Stmt>], consts: &[Value]) -> Result<Vec<Place>, FormatError> {
    let mut places = Vec::new();
    let mut numbers = BTreeMap::<(bool, Vec<ConstId>), u32>::new();
    for stmt in blocks.iter_mut().flatten() {
        let (of, path, place): (fn(_) -> _, _, _) = match stmt {
            Stmt::Input { path, place, .. } => (Place::of, (false, path.clone()), place),
            Stmt::InputKeys { path, place, .. } => (Place::keys_of, (true, path.clone()), place),
            _ => continue,
        };
        *place = match numbers.get(&path) {
            Some(number) => *number,
            None => {
                let key = |id: &ConstId| usize::try_from(*id).ok().and_then(|at| consts.get(at)).cloned();
                let keys = path.1.iter().map(key).collect::<Option<_>>();
                let number = u32::try_from(places.len()).ok().zip(keys);
                let (number, keys) = number.ok_or(FormatError::Malformed("a path has no constants"))?;
                places.push(of(keys));
                numbers.insert(path, number);
                number
            }
        };
    }
    Ok(places)
}

/// Whether the bounds of a choice can be searched.
fn is_in_order(stmt: &Stmt, consts: &[Value]) -> bool {
    let Stmt::Choose { steps, .. } = stmt else { return true };
    steps.iter().all(|step| match step {
        Step::Run(_) => true,
        Step::Split(Split { bounds, .. }) => {
            let bounds = usize::try_from(*bounds).ok().and_then(|at| consts.get(at));
            matches!(bounds, Some(Value::Array(bounds))
                if bounds.as_slice().is_sorted_by(|a, b| compare(a, b).is_lt()))
        }
    })
}

//! The solutions of a part of a body, as an entry point: what `sidegate test` asks to name the cases of a
//! test and the expression that does not hold.

use regorus::Value;
use regorus::unstable::{Expr, LiteralStmt};
use sidegate_engine::plan::{Entry, Operand, Stmt};

use super::builder::{Builder, Scope};
use super::documents::Place;
use super::envs::EnvId;
use super::{Planner, Result};
use crate::rego::{Module, RefArg};

/// A part of a body.
pub(crate) struct Part<'a> {
    /// Where it stands.
    pub(crate) module: &'a Module,
    /// Its statements.
    pub(crate) stmts: &'a [LiteralStmt],
    /// Terms whose values are asked for.
    pub(crate) keys: Vec<RefArg<'a>>,
    /// Variables whose values are asked for, where they have one by then.
    pub(crate) names: Vec<&'a str>,
}

impl<'a> Planner<'a> {
    /// Plans an entry point `name` whose value is the set of the part's solutions, each as
    /// `[[keys…], {name: value, …}]`.
    pub(crate) fn solutions(&mut self, name: &str, part: &Part<'a>) -> Result<()> {
        let place = Place::plain(&[name]);
        let mut builder = Builder::new(self, EnvId::default(), 0)?;
        builder.module = Some(part.module);
        // The result has the first register.
        let acc = 0;
        let src = builder.constant(&Value::new_set())?;
        let heads: Vec<&'a Expr> = part.keys.iter().filter_map(RefArg::term).collect();
        let block = builder.block(|b| {
            b.scopes.push(Scope::default());
            b.query(part.stmts, &heads, |b| {
                let mut items = Vec::new();
                for key in &part.keys {
                    items.push(match key {
                        RefArg::Key(key) => b.constant(&Value::from(*key))?,
                        RefArg::Term(term) => b.value(term)?,
                    });
                }
                let mut fields = Vec::new();
                for name in &part.names {
                    if let Some(var) = b.local(name).filter(|var| var.bound) {
                        fields.push((b.constant(&Value::from(*name))?, Operand::Reg(var.reg)));
                    }
                }
                let keys = b.make(|dst| Stmt::MakeArray { dst, items })?;
                let values = b.make(|dst| Stmt::MakeObject { dst, fields })?;
                let value = b.make(|dst| Stmt::MakeArray { dst, items: vec![keys, values] })?;
                b.emit(Stmt::Add { acc, value });
                Ok(())
            })
        })?;
        builder.scopes.clear();
        let body = builder.block(|b| {
            b.emit(Stmt::Assign { dst: acc, src });
            b.emit(Stmt::Try { block });
            Ok(())
        })?;
        let func = builder.finish(&place, body, None)?;
        let reads = self.reads(func);
        self.entries.push(Entry { path: name.to_owned(), func, reads });
        Ok(())
    }
}

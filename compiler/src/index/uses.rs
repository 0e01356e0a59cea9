//! What statements read, write and nest.

use sidegate_engine::plan::{BlockId, ConstId, Operand, Program, Reg, Step, Stmt};

/// The parts of a statement that passes look at.
pub(super) trait Parts {
    /// Every operand that is read.
    fn operands(&mut self, each: &mut dyn FnMut(&mut Operand));
    /// Constants that are no operands.
    fn constants(&mut self, each: &mut dyn FnMut(&mut ConstId));
    /// Nested blocks.
    fn blocks(&mut self, each: &mut dyn FnMut(&mut BlockId));
    /// Registers that it sets.
    fn writes(&self) -> Vec<Reg>;
    /// Registers that it reads, or changes what is in them.
    fn reads(&self) -> Vec<Reg>;
}

impl Parts for Stmt {
    fn operands(&mut self, each: &mut dyn FnMut(&mut Operand)) {
        match self {
            Self::Assign { src, .. }
            | Self::Truthy { src }
            | Self::IsArray { src, .. }
            | Self::IsObject { src, .. }
            | Self::Scan { src, .. }
            | Self::Every { src, .. }
            | Self::Yield { value: src }
            | Self::Push { value: src, .. }
            | Self::Add { value: src, .. } => each(src),
            Self::Get { src: a, key: b, .. }
            | Self::GetBase { src: a, key: b, .. }
            | Self::Operate { a, b, .. }
            | Self::Check { a, b, .. }
            | Self::Compare { a, b, .. }
            | Self::Insert { key: a, value: b, .. } => {
                each(a);
                each(b);
            }
            Self::Call { args: items, .. }
            | Self::Builtin { args: items, .. }
            | Self::MakeArray { items, .. }
            | Self::MakeSet { items, .. } => items.iter_mut().for_each(each),
            Self::Member { key, value, of, .. } => key.iter_mut().chain([value, of]).for_each(each),
            Self::MakeObject { fields, .. } => fields.iter_mut().for_each(|(key, value)| {
                each(key);
                each(value);
            }),
            Self::InsertAt { keys, value, .. } | Self::AddAt { keys, value, .. } => {
                keys.iter_mut().chain([value]).for_each(each);
            }
            Self::Patch { src, value, .. } => src.iter_mut().chain([value]).for_each(each),
            Self::With { input, slots, .. } => {
                input.iter_mut().chain(slots.iter_mut().map(|(_, value)| value)).for_each(each);
            }
            Self::Input { .. }
            | Self::InputKeys { .. }
            | Self::Fail
            | Self::Not { .. }
            | Self::Try { .. }
            | Self::First { .. }
            | Self::Stop
            | Self::Slot { .. }
            | Self::Outside { .. }
            | Self::Clear { .. }
            | Self::Defined { .. }
            | Self::Choose { .. } => {}
        }
    }

    fn constants(&mut self, each: &mut dyn FnMut(&mut ConstId)) {
        match self {
            Self::Input { path, .. } | Self::InputKeys { path, .. } | Self::Patch { path, .. } => {
                path.iter_mut().for_each(each)
            }
            Self::Choose { steps, .. } => steps.iter_mut().for_each(|step| match step {
                Step::Run(_) => {}
                Step::Split(split) => each(&mut split.bounds),
            }),
            _ => {}
        }
    }

    fn blocks(&mut self, each: &mut dyn FnMut(&mut BlockId)) {
        match self {
            Self::Scan { block, .. }
            | Self::Every { block, .. }
            | Self::Not { block }
            | Self::Try { block }
            | Self::With { block, .. }
            | Self::Outside { block } => each(block),
            Self::First { blocks } | Self::Choose { blocks, .. } => blocks.iter_mut().for_each(each),
            _ => {}
        }
    }

    fn writes(&self) -> Vec<Reg> {
        match self {
            Self::Assign { dst, .. }
            | Self::Input { dst, .. }
            | Self::InputKeys { dst, .. }
            | Self::Get { dst, .. }
            | Self::GetBase { dst, .. }
            | Self::Call { dst, .. }
            | Self::Builtin { dst, .. }
            | Self::Operate { dst, .. }
            | Self::Compare { dst, .. }
            | Self::Member { dst, .. }
            | Self::MakeArray { dst, .. }
            | Self::MakeSet { dst, .. }
            | Self::MakeObject { dst, .. }
            | Self::Slot { dst, .. }
            | Self::Patch { dst, .. }
            | Self::Clear { dst } => vec![*dst],
            Self::Scan { key, value, .. } | Self::Every { key, value, .. } => {
                key.iter().chain(value).copied().collect()
            }
            _ => Vec::new(),
        }
    }

    fn reads(&self) -> Vec<Reg> {
        let mut reads = Vec::new();
        self.clone().operands(&mut |operand| {
            if let Operand::Reg(reg) = operand {
                reads.push(*reg);
            }
        });
        match self {
            Self::Push { acc, .. }
            | Self::Add { acc, .. }
            | Self::Insert { acc, .. }
            | Self::InsertAt { acc, .. }
            | Self::AddAt { acc, .. } => reads.push(*acc),
            Self::Defined { src } => reads.push(*src),
            Self::Choose { steps, .. } => reads.extend(steps.iter().filter_map(|step| match step {
                Step::Run(_) => None,
                Step::Split(split) => Some(split.on),
            })),
            _ => {}
        }
        reads
    }
}

/// The blocks that a block nests, itself first.
pub(super) fn below(program: &Program, block: BlockId) -> Vec<BlockId> {
    let mut all = vec![block];
    let mut at = 0;
    while let Some(block) = all.get(at).copied() {
        for stmt in stmts(program, block) {
            stmt.clone().blocks(&mut |inner| all.push(*inner));
        }
        at = at.saturating_add(1);
    }
    all
}

/// The statements of a block.
pub(super) fn stmts(program: &Program, block: BlockId) -> &[Stmt] {
    usize::try_from(block).ok().and_then(|at| program.blocks.get(at)).map_or(&[], Vec::as_slice)
}

/// How often registers are read and written.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    pub(super) reads: std::collections::BTreeMap<Reg, usize>,
    pub(super) writes: std::collections::BTreeMap<Reg, usize>,
}

impl Uses {
    /// Those in a block and all that it nests.
    pub(super) fn of(program: &Program, block: BlockId) -> Self {
        let mut uses = Self::default();
        for stmt in below(program, block).into_iter().flat_map(|block| stmts(program, block)) {
            for reg in stmt.reads() {
                let count = uses.reads.entry(reg).or_default();
                *count = count.saturating_add(1);
            }
            for reg in stmt.writes() {
                let count = uses.writes.entry(reg).or_default();
                *count = count.saturating_add(1);
            }
        }
        uses
    }

    pub(super) fn read(&self, reg: Reg) -> usize {
        self.reads.get(&reg).copied().unwrap_or(0)
    }

    pub(super) fn written(&self, reg: Reg) -> usize {
        self.writes.get(&reg).copied().unwrap_or(0)
    }
}

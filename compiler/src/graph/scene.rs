//! What a picture shows: boxes of namespaces with a row for each service, and lines between them.

use std::collections::{BTreeMap, BTreeSet};

use super::layout::{self, Item, Plan, Wire};
use super::model::{Graph, Kind, Limit};

/// Up to this many services a picture has a row for each, unless something else is asked for.
pub const MOST_SERVICES: usize = 60;
/// And up to this many edges.
pub const MOST_EDGES: usize = 160;
/// More than this many services are not listed below their namespaces.
const MOST_LISTED: usize = 2_000;

/// How much a picture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Every service, and every edge.
    Services,
    /// Namespaces, and below them a list of who may call each service.
    Listed,
    /// Namespaces alone.
    Namespaces,
}

/// More lines between namespaces than this, and than so many for each, are a thicket.
const LINES: usize = 150;
const LINES_PER_BOX: usize = 4;

/// Width of a letter, at most: names are set in a fixed width, of which 0.6 em is usual.
pub(super) const LETTER: f64 = 8.1;
pub(super) const SMALL_LETTER: f64 = 6.8;
pub(super) const ROW: f64 = 26.0;
pub(super) const HEAD: f64 = 44.0;
/// A second line below a head.
const MORE: f64 = 15.0;
/// Left and right of a label.
pub(super) const INSET: f64 = 16.0;
const FOOT: f64 = 8.0;
/// More letters than this are left out of the middle.
const LONGEST: usize = 63;

pub(super) struct Scene {
    pub(super) boxes: Vec<Block>,
    pub(super) lines: Vec<Line>,
    /// Where everything goes; nothing in a thicket.
    pub(super) plan: Plan,
    /// Whether there are more lines than anyone can follow.
    pub(super) is_thicket: bool,
}

/// A namespace, or what callers from elsewhere have in common.
pub(super) struct Block {
    pub(super) title: String,
    pub(super) note: String,
    /// How many of its services anyone may call, where no line says so.
    pub(super) open: Option<String>,
    /// Which of the colours, if it is a namespace with services.
    pub(super) colour: Option<usize>,
    /// The nodes that its head stands for: everyone in it.
    pub(super) heads: Vec<usize>,
    pub(super) rows: Vec<Row>,
}

pub(super) struct Row {
    pub(super) label: String,
    pub(super) node: usize,
    /// What is to be known of it: that no file declares it, or that its declaration is only tried.
    pub(super) note: Option<&'static str>,
}

/// A line: one edge, or all between two namespaces.
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) edges: Vec<usize>,
    pub(super) limit: Limit,
}

/// Where a node is drawn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Anyone,
    TrustDomain(String),
    Namespace(String),
}

impl View {
    /// The one that can be read.
    pub fn of(graph: &Graph) -> Self {
        match (graph.services.len(), graph.edges.len()) {
            (services, edges) if services <= MOST_SERVICES && edges <= MOST_EDGES => Self::Services,
            (services, _) if services <= MOST_LISTED => Self::Listed,
            _ => Self::Namespaces,
        }
    }
}

impl Place {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Anonymous | Kind::Authenticated | Kind::Rego { .. } => Self::Anyone,
            Kind::Principal { principal } => {
                let rest = principal.strip_prefix("spiffe://").unwrap_or(principal);
                Self::TrustDomain(rest.split('/').next().unwrap_or(rest).to_owned())
            }
            Kind::TrustDomain { trust_domain }
            | Kind::Namespace { trust_domain: Some(trust_domain), .. }
            | Kind::Account { trust_domain: Some(trust_domain), .. } => {
                Self::TrustDomain(trust_domain.clone())
            }
            Kind::Namespace { namespace, .. }
            | Kind::Account { namespace, .. }
            | Kind::Service { namespace, .. } => Self::Namespace(namespace.clone()),
        }
    }
}

/// What a row says of a node inside its box; nothing where the box's head stands for it.
fn row(kind: &Kind) -> Option<String> {
    Some(match kind {
        Kind::Anonymous => "without an identity".to_owned(),
        Kind::Authenticated => "with an identity".to_owned(),
        Kind::Rego { namespace, name } => format!("by the Rego of {namespace}/{name}"),
        Kind::Principal { principal } => {
            let path = principal.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
            format!("/{}", path.map_or(principal.as_str(), |(_, path)| path))
        }
        Kind::Namespace { trust_domain: Some(_), namespace } => format!("everyone in {namespace}"),
        Kind::Account { trust_domain: Some(_), namespace, name } => format!("{namespace}/{name}"),
        Kind::Account { name, .. } | Kind::Service { name, .. } => name.clone(),
        Kind::TrustDomain { .. } | Kind::Namespace { .. } => return None,
    })
}

/// A label that fits: the middle of a long one is left out.
pub(super) fn short(label: &str) -> String {
    let letters: Vec<char> = label.chars().collect();
    if letters.len() <= LONGEST {
        return label.to_owned();
    }
    let half = LONGEST / 2;
    let ends = (letters.iter().take(half), letters.iter().skip(letters.len().saturating_sub(half)));
    ends.0.chain(&['…']).chain(ends.1).collect()
}

/// How many letters, as a number to multiply with.
pub(super) fn count(text: &str) -> f64 {
    number(text.chars().count())
}

pub(super) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

impl Block {
    pub(super) fn height(&self) -> f64 {
        let more = if self.open.is_some() { MORE } else { 0.0 };
        HEAD + more + ROW * number(self.rows.len()) + if self.rows.is_empty() { 0.0 } else { FOOT }
    }

    /// How far below the upper edge the middle of the head, or of a row, is.
    pub(super) fn port(row: Option<usize>) -> f64 {
        row.map_or(HEAD / 2.0, |row| HEAD + ROW * number(row) + ROW / 2.0)
    }

    fn item(&self) -> Item {
        let rows = self.rows.iter().map(|row| {
            LETTER * count(&row.label) + row.note.map_or(0.0, |note| SMALL_LETTER * (count(note) + 2.0))
        });
        let head = LETTER * count(&self.title);
        let notes = std::iter::once(&self.note).chain(&self.open);
        let note = notes.map(|note| SMALL_LETTER * count(note)).fold(0.0, f64::max);
        let widest = rows.fold(head.max(note), f64::max);
        let ports = std::iter::once(None).chain((0..self.rows.len()).map(Some)).map(Self::port);
        Item { width: (widest + 2.0 * INSET).max(120.0), height: self.height(), ports: ports.collect() }
    }
}

impl Scene {
    pub(super) fn new(graph: &Graph, view: View) -> Self {
        let mut members: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for (node, at) in graph.nodes.iter().zip(0..) {
            let place = Place::of(&node.kind);
            if view == View::Services || place != Place::Anyone {
                members.entry(place).or_default().push(at);
            }
        }
        let places: BTreeMap<usize, usize> = members
            .values()
            .zip(0..)
            .flat_map(|(nodes, place)| nodes.iter().map(move |node| (*node, place)))
            .collect();
        let place = |node: usize| places.get(&node).copied().unwrap_or_default();
        let (lines, unseen) = lines(graph, view, place);
        let inside = |at: usize| unseen.inside.get(&at).copied().unwrap_or(0);
        let open = |at: usize| unseen.open.get(&at).map_or(0, BTreeSet::len);
        let mut colours = 0..;
        let boxes: Vec<Block> = members
            .iter()
            .zip(0..)
            .map(|((place, nodes), at)| {
                block(graph, view, place, nodes, (inside(at), open(at)), &mut colours)
            })
            .collect();
        let port = |node: usize| {
            let block = place(node);
            let rows = boxes.get(block).map(|block| block.rows.as_slice()).unwrap_or_default();
            (block, rows.iter().position(|row| row.node == node).map_or(0, |row| row.saturating_add(1)))
        };
        let ends = |line: &Line| match view {
            View::Services => Wire { from: port(line.from), to: port(line.to) },
            View::Listed | View::Namespaces => Wire { from: (line.from, 0), to: (line.to, 0) },
        };
        let wires: Vec<Wire> = lines.iter().map(ends).collect();
        let items: Vec<Item> = boxes.iter().map(Block::item).collect();
        let is_thicket = view != View::Services
            && lines.len() > LINES
            && lines.len() > boxes.len().saturating_mul(LINES_PER_BOX);
        let plan = if is_thicket { Plan::default() } else { layout::plan(&items, &wires) };
        Self { boxes, lines, plan, is_thicket }
    }
}

/// What has no line between namespaces, by box: how many edges stay inside it, and which of its services anyone
/// may call.
#[derive(Default)]
struct Unseen {
    inside: BTreeMap<usize, usize>,
    open: BTreeMap<usize, BTreeSet<usize>>,
}

fn lines(graph: &Graph, view: View, place: impl Fn(usize) -> usize) -> (Vec<Line>, Unseen) {
    let mut unseen = Unseen::default();
    if view == View::Services {
        let line = |(edge, at): (&super::model::Edge, usize)| Line {
            from: edge.from,
            to: edge.to,
            edges: vec![at],
            limit: edge.limit,
        };
        return (graph.edges.iter().zip(0..).map(line).collect(), unseen);
    }
    let mut bundles: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (edge, at) in graph.edges.iter().zip(0..) {
        match (place(edge.from), place(edge.to)) {
            (from, to) if from == to => {
                let count = unseen.inside.entry(from).or_default();
                *count = count.saturating_add(1);
            }
            // A line from anyone to nearly everything would say nothing, and hide the others.
            (_, to)
                if matches!(
                    graph.kind(edge.from),
                    Some(Kind::Anonymous | Kind::Authenticated | Kind::Rego { .. })
                ) =>
            {
                unseen.open.entry(to).or_default().insert(edge.to);
            }
            ends => bundles.entry(ends).or_default().push(at),
        }
    }
    let limit = |edges: &[usize]| {
        let limits: BTreeSet<Limit> =
            edges.iter().filter_map(|at| graph.edges.get(*at)).map(|edge| edge.limit).collect();
        match (limits.len(), limits.first()) {
            (1, Some(limit)) => *limit,
            _ => Limit::Some,
        }
    };
    let lines = bundles
        .into_iter()
        .map(|((from, to), edges)| Line { from, to, limit: limit(&edges), edges })
        .collect();
    (lines, unseen)
}

fn block(
    graph: &Graph,
    view: View,
    place: &Place,
    nodes: &[usize],
    (inside, open): (usize, usize),
    colours: &mut impl Iterator<Item = usize>,
) -> Block {
    let services = nodes.iter().filter(|node| graph.services.contains_key(node)).count();
    let many =
        |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
    let (title, note) = match place {
        Place::Anyone => ("anyone".to_owned(), "whoever it is".to_owned()),
        Place::TrustDomain(name) => (name.clone(), "trust domain".to_owned()),
        Place::Namespace(name) if services == 0 => (name.clone(), "no file declares it".to_owned()),
        Place::Namespace(name) => {
            let within = many(inside, "call inside", "calls inside");
            let note = many(services, "service", "services");
            (name.clone(), if inside == 0 { note } else { format!("{note}, {within}") })
        }
    };
    let mut block = Block {
        title: short(&title),
        note,
        open: (open > 0).then(|| format!("anyone may call {open}")),
        colour: if services > 0 { colours.next() } else { None },
        heads: Vec::new(),
        rows: Vec::new(),
    };
    for node in nodes {
        let label = graph.kind(*node).and_then(row);
        match label {
            Some(label) if view == View::Services => {
                let note = match graph.services.get(node) {
                    Some(service) => service.is_shadow.then_some("shadow"),
                    // Callers from elsewhere need no mark: their box has it.
                    None => (services > 0).then_some("no file"),
                };
                block.rows.push(Row { label: short(&label), node: *node, note });
            }
            _ => block.heads.push(*node),
        }
    }
    block
}

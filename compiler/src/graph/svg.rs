//! The picture: SVG with text as text, light or dark as its reader likes it, without scripts and without
//! anything from elsewhere.

mod matrix;

use std::fmt::Write;

use super::directory::{self, CARD, Card, LINE, NAME, TITLE};
use super::escape::xml;
use super::layout::{MARGIN, Point, Route, bow};
use super::model::{Edge, Graph, Limit};
use super::scene::{Block, INSET, LETTER, ROW, Row, SMALL_LETTER, Scene, View, count};

/// How it looks; the page has it, too.
pub(super) const STYLE: &str = include_str!("style.css");
/// Colours of namespaces; a tenth has the first one's again.
const COLOURS: usize = 8;
/// Height of what stands above the boxes.
const TOP: f64 = 62.0;
/// The description of a picture names every caller of up to this many services.
const DESCRIBED: usize = 2_000;

/// A picture to stand on its own.
pub fn svg(graph: &Graph, view: View) -> String {
    let mut picture = Picture::new(graph, view, TOP);
    let style = format!("<style>\n{STYLE}</style>\n");
    picture.finish(&style, "role=\"img\" aria-labelledby=\"title desc\"")
}

/// The map in a page, which has style, title and description of its own.
pub(super) fn map(graph: &Graph, view: View) -> String {
    let shown = if view == View::Services { "services" } else { "namespaces" };
    let attributes = format!("id=\"map\" data-view=\"{shown}\" role=\"group\" aria-label=\"map\"");
    Picture::new(graph, view, 0.0).finish("", &attributes)
}

struct Picture<'g> {
    graph: &'g Graph,
    body: String,
    width: f64,
    height: f64,
}

/// An edge in words, with the rules behind it.
fn words(graph: &Graph, edge: &Edge) -> String {
    let Some(service) = graph.services.get(&edge.to) else { return String::new() };
    let mut out = format!("{} → {}", graph.label(edge.from), graph.label(edge.to));
    for rule in graph.rules(edge) {
        let deny = if rule.is_deny { "but not: " } else { "" };
        let _ = write!(out, "\n{deny}{} ({}, {})", rule.what(), rule.title(), service.place(rule));
    }
    if !service.rego.is_empty() {
        let _ = write!(out, "\nRego has a say: {}", service.rego.join(", "));
    }
    if edge.limit == Limit::All {
        out.push_str("\nnothing is left of it");
    }
    out
}

fn class(limit: Limit) -> &'static str {
    match limit {
        Limit::Nothing => "",
        Limit::Some => " some",
        Limit::All => " all",
    }
}

fn colour(colour: Option<usize>) -> String {
    colour.map_or_else(|| "key".to_owned(), |colour| format!("c{}", colour % COLOURS))
}

/// How thick a line is that stands for this many edges.
fn weight(edges: usize) -> &'static str {
    match edges {
        0..=1 => "w1",
        2..=4 => "w2",
        5..=14 => "w3",
        _ => "w4",
    }
}

impl<'g> Picture<'g> {
    fn new(graph: &'g Graph, view: View, top: f64) -> Self {
        let scene = Scene::new(graph, view);
        let mut picture = Self { graph, body: String::new(), width: 0.0, height: 0.0 };
        if scene.is_thicket {
            picture.matrix(&scene, top);
        } else {
            picture.boxes(&scene, view, top);
        }
        if view == View::Listed {
            let top = picture.height + MARGIN;
            let (cards, bottom, width) = directory::cards(graph, top, picture.width);
            picture.width = picture.width.max(width);
            picture.height = bottom;
            for card in &cards {
                picture.card(card);
            }
        }
        picture
    }

    /// Boxes, lines between them, and what they mean.
    fn boxes(&mut self, scene: &Scene, view: View, top: f64) {
        self.width = scene.plan.width.max(760.0);
        let shift = (self.width - scene.plan.width) / 2.0;
        let _ = writeln!(self.body, "<g transform=\"translate({shift:.1} {top})\">");
        self.lines(scene, view);
        for (place, block) in scene.boxes.iter().enumerate() {
            self.block(scene, place, block);
        }
        self.body.push_str("</g>\n");
        self.height = top + scene.plan.height;
        self.legend(view);
    }

    fn finish(&mut self, style: &str, attributes: &str) -> String {
        let (width, height) = (self.width, self.height + MARGIN);
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"map\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" {attributes}>\n"
        );
        if !style.is_empty() {
            let _ = writeln!(out, "<title id=\"title\">Who may call whom</title>");
            let _ = writeln!(out, "<desc id=\"desc\">{}</desc>", xml(&self.description()));
        }
        out.push_str(style);
        let _ = writeln!(out, "<rect class=\"ground\" width=\"{width:.0}\" height=\"{height:.0}\"/>");
        // In a page, the page has them.
        if !style.is_empty() {
            let _ = writeln!(out, "<text class=\"title\" x=\"{MARGIN}\" y=\"34\">Who may call whom</text>");
            let _ = writeln!(
                out,
                "<text class=\"small\" x=\"{MARGIN}\" y=\"53\">{}</text>",
                xml(&self.graph.summary())
            );
        }
        out.push_str(&self.body);
        out.push_str("</svg>\n");
        out
    }

    /// The same in words, for those who hear it.
    fn description(&self) -> String {
        let graph = self.graph;
        let mut out = format!("{}.", graph.summary());
        if graph.services.len() > DESCRIBED {
            return out;
        }
        for (service, declared) in &graph.services {
            let mut callers: Vec<String> = graph
                .edges
                .iter()
                .filter(|edge| edge.to == *service && edge.limit != Limit::All)
                .map(|edge| graph.label(edge.from))
                .collect();
            if declared.is_partial {
                callers.push("others that are left out here".to_owned());
            }
            let callers = if callers.is_empty() { "nobody".to_owned() } else { callers.join(", ") };
            let _ = write!(out, "\n{} may be called by {callers}.", graph.label(*service));
        }
        out
    }

    fn lines(&mut self, scene: &Scene, view: View) {
        for (line, (place, route)) in scene.lines.iter().zip(scene.plan.routes.iter().enumerate()) {
            let to = match view {
                View::Services => {
                    scene.boxes.iter().find(|block| block.rows.iter().any(|row| row.node == line.to))
                }
                View::Listed | View::Namespaces => scene.boxes.get(line.to),
            };
            let title = match (view, line.edges.as_slice()) {
                (View::Services, [edge]) => {
                    self.graph.edges.get(*edge).map(|edge| words(self.graph, edge)).unwrap_or_default()
                }
                (_, edges) => self.bundle(scene, line.from, line.to, edges),
            };
            let _ = writeln!(
                self.body,
                "<g class=\"line {}{}\" data-line=\"{place}\" data-from=\"{}\" data-to=\"{}\"><title>{}</title>",
                colour(to.and_then(|block| block.colour)),
                class(line.limit),
                line.from,
                line.to,
                xml(&title)
            );
            self.route(route, weight(if view == View::Services { 1 } else { line.edges.len() }), line.limit);
            self.body.push_str("</g>\n");
        }
    }

    fn bundle(&self, scene: &Scene, from: usize, to: usize, edges: &[usize]) -> String {
        let name =
            |place: usize| scene.boxes.get(place).map(|block| block.title.as_str()).unwrap_or_default();
        let mut out = format!("{} → {}: {}", name(from), name(to), edges.len());
        for edge in edges.iter().take(30).filter_map(|at| self.graph.edges.get(*at)) {
            let _ = write!(out, "\n{} → {}", self.graph.label(edge.from), self.graph.label(edge.to));
        }
        if edges.len() > 30 {
            let _ = write!(out, "\nand {} more", edges.len().saturating_sub(30));
        }
        out
    }

    fn route(&mut self, route: &Route, weight: &str, limit: Limit) {
        // The tip takes the end of the line.
        let mut path = String::new();
        let tip: (Point, f64) = match route {
            Route::Loop(from, to) => {
                let reach = from.0 + bow(*from, *to);
                let _ = write!(
                    path,
                    "M{:.1} {:.1}C{reach:.1} {:.1} {reach:.1} {:.1} {:.1} {:.1}",
                    from.0,
                    from.1,
                    from.1,
                    to.1,
                    to.0 + 7.0,
                    to.1
                );
                (*to, -1.0)
            }
            Route::Across(points) => {
                let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
                let way = if last.0 > first.0 { 1.0 } else { -1.0 };
                let _ = write!(path, "M{:.1} {:.1}", first.0, first.1);
                let mut ends = points.chunks_exact(2).peekable();
                while let Some([from, to]) = ends.next() {
                    let is_last = ends.peek().is_none();
                    if from != first {
                        let _ = write!(path, "L{:.1} {:.1}", from.0, from.1);
                    }
                    let end = if is_last { to.0 - 7.0 * way } else { to.0 };
                    let half = (from.0 + end) / 2.0;
                    let _ =
                        write!(path, "C{half:.1} {:.1} {half:.1} {:.1} {end:.1} {:.1}", from.1, to.1, to.1);
                }
                (*last, way)
            }
        };
        let ((x, y), way) = tip;
        let back = x - 9.0 * way;
        let _ = writeln!(
            self.body,
            "<path class=\"hit\" d=\"{path}\"/><path class=\"wire {weight}\" d=\"{path}\"/>"
        );
        if limit == Limit::All {
            // What is taken back whole does not arrive.
            let _ = writeln!(self.body, "<path d=\"M{:.1} {:.1}l8 8m0 -8l-8 8\"/>", back - 4.0, y - 4.0);
        } else {
            let _ = writeln!(
                self.body,
                "<polygon points=\"{x:.1},{y:.1} {back:.1},{:.1} {back:.1},{:.1}\"/>",
                y - 4.5,
                y + 4.5
            );
        }
    }

    fn block(&mut self, scene: &Scene, place: usize, block: &Block) {
        let (x, y) = scene.plan.corners.get(place).copied().unwrap_or_default();
        let width = scene.plan.widths.get(place).copied().unwrap_or_default();
        let height = block.height();
        let elsewhere = if block.colour.is_none() { " elsewhere" } else { "" };
        let named = match block.colour {
            Some(_) => format!(" data-namespace=\"{}\"", xml(&block.title)),
            None => String::new(),
        };
        let _ = writeln!(self.body, "<g class=\"block\" data-block=\"{place}\"{named}>");
        let _ = writeln!(
            self.body,
            "<rect class=\"box{elsewhere}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
        if block.colour.is_some() {
            self.tab(x, y, width, block.colour);
        }
        let heads: Vec<String> = block.heads.iter().map(ToString::to_string).collect();
        let _ = writeln!(self.body, "<g class=\"head\" data-nodes=\"{}\">", heads.join(" "));
        self.text("strong", x + INSET, y + 21.0, &block.title);
        self.text("small", x + INSET, y + 36.0, &block.note);
        if let Some(open) = &block.open {
            self.text("small", x + INSET, y + 51.0, open);
        }
        self.body.push_str("</g>\n");
        for (row, at) in block.rows.iter().zip(0..) {
            self.row(x, y + Block::port(Some(at)), width, row);
        }
        self.body.push_str("</g>\n");
    }

    fn row(&mut self, x: f64, middle: f64, width: f64, row: &Row) {
        let top = middle - ROW / 2.0;
        let _ = writeln!(
            self.body,
            "<g class=\"row\" data-node=\"{}\"><line class=\"rule\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{top:.1}\" y2=\"{top:.1}\"/>",
            row.node,
            x + 1.0,
            x + width - 1.0
        );
        let label = self.graph.label(row.node);
        if !label.ends_with(&row.label) {
            let _ = writeln!(self.body, "<title>{}</title>", xml(&label));
        }
        self.text("", x + INSET, middle + 4.5, &row.label);
        if let Some(note) = row.note {
            let after = x + INSET + LETTER * count(&row.label) + 2.0 * SMALL_LETTER;
            self.text("small", after, middle + 4.5, note);
        }
        self.body.push_str("</g>\n");
    }

    fn tab(&mut self, x: f64, y: f64, width: f64, which: Option<usize>) {
        // The upper edge, as round as the box.
        let _ = writeln!(
            self.body,
            "<path class=\"tab {}\" d=\"M{x:.1} {:.1}a6 6 0 0 1 6 -6h{:.1}a6 6 0 0 1 6 6z\"/>",
            colour(which),
            y + 6.0,
            width - 12.0
        );
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        let _ = writeln!(self.body, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", xml(text));
    }

    fn legend(&mut self, view: View) {
        let mut items = vec![
            (Limit::Nothing, "w1", "may call"),
            (Limit::Some, "w1", "some of it is denied"),
            (Limit::All, "w1", "all of it is denied"),
        ];
        if view != View::Services {
            items.push((Limit::Nothing, "w2", "2 to 4"));
            items.push((Limit::Nothing, "w3", "5 to 14"));
            items.push((Limit::Nothing, "w4", "more"));
        }
        let (mut x, mut y) = (MARGIN, self.height + 14.0);
        for (limit, weight, label) in items {
            let width = 48.0 + SMALL_LETTER * count(label) + 22.0;
            if x + width > self.width - MARGIN && x > MARGIN {
                x = MARGIN;
                y += 22.0;
            }
            let _ = writeln!(self.body, "<g class=\"line key{}\">", class(limit));
            self.route(&Route::Across(vec![(x, y), (x + 40.0, y)]), weight, limit);
            self.body.push_str("</g>\n");
            self.text("small", x + 48.0, y + 4.0, label);
            x += width;
        }
        y += 24.0;
        let mut notes = vec!["A line has the colour of the namespace that it leads to."];
        notes.push(match view {
            View::Services => "From a namespace's head: everyone in it. Dashed box: no file declares it.",
            _ => "Dashed box: no file declares it. Calls of anyone are no lines.",
        });
        if view == View::Listed {
            notes.push("Below: who may call each service. *: some of it is denied.");
        }
        for note in notes {
            self.text("small", MARGIN, y, note);
            y += 17.0;
        }
        self.height = y;
    }

    fn card(&mut self, card: &Card) {
        let Card { namespace, colour, entries, x, y, height } = card;
        let _ = writeln!(
            self.body,
            "<rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{CARD}\" height=\"{height:.1}\" rx=\"6\"/>"
        );
        self.tab(*x, *y, CARD, Some(*colour));
        self.text("strong", x + INSET, y + 24.0, namespace);
        let mut top = y + TITLE;
        for entry in entries {
            let right = x + CARD - 1.0;
            let _ = writeln!(
                self.body,
                "<line class=\"rule\" x1=\"{:.1}\" x2=\"{right:.1}\" y1=\"{top:.1}\" y2=\"{top:.1}\"/>",
                x + 1.0
            );
            self.text("", x + INSET, top + 17.0, &entry.name);
            top += NAME;
            for line in &entry.lines {
                self.text("small", x + INSET, top + 10.0, line);
                top += LINE;
            }
            top += 6.0;
        }
    }
}

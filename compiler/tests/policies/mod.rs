//! Small random policies over the language that is planned, and inputs for them. The same seed gives the
//! same policies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that fails may panic")]

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.below(from.len())]
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// A generated policy.
pub(crate) struct Policy {
    pub rego: String,
    pub inputs: Vec<String>,
    /// It negates something whose operands OPA evaluates first; the interpreter does not.
    pub negates: bool,
    /// It has what the interpreter takes otherwise: lenient of objects, `k, v in c` with an undefined
    /// value, an order of sets and objects, unification inside `every`.
    pub lenient: bool,
}

const INPUTS: &[&str] = &[
    r#"{"x":1,"y":2,"s":"ab","l":[1,2,3],"o":{"a":1,"b":2},"n":null,"t":true,"m":[[1,"a"],[2,"b"]]}"#,
    r#"{"x":2,"y":2,"s":"","l":[],"o":{},"t":false,"m":[]}"#,
    r#"{"x":"a","l":[0,1,"a",null,false],"o":{"a":{"b":1},"c":[1]},"m":[{"a":1,"b":2},{"a":2}]}"#,
    r#"{"y":[1],"l":{"a":1,"b":false},"o":[3,4],"s":["a","b"],"m":[[1,[2,3]],[1,1]]}"#,
    "{}",
];

pub(crate) fn policy(seed: u64) -> Policy {
    let mut writer = Writer { random: Random(seed), rules: vec![], names: 0, negates: false, lenient: false };
    let mut rego = String::from("package t\n\n");
    let count = 2 + writer.random.below(4);
    for at in 0..count {
        writer.rule(at, &mut rego);
    }
    let entries: Vec<String> = writer
        .rules
        .iter()
        .filter(|rule| rule.params == 0)
        .map(|rule| format!("r contains [\"{0}\", {0}]\n", rule.name))
        .collect();
    rego.push_str(&entries.concat());
    if entries.is_empty() {
        rego.push_str("r contains 1\n");
    }
    let inputs = (0..3).map(|_| INPUTS[writer.random.below(INPUTS.len())].to_owned()).collect();
    Policy { rego, inputs, negates: writer.negates, lenient: writer.lenient }
}

struct Rule {
    name: String,
    params: usize,
}

struct Writer {
    random: Random,
    /// What later rules may refer to.
    rules: Vec<Rule>,
    names: usize,
    negates: bool,
    lenient: bool,
}

type Vars = Vec<String>;

impl Writer {
    fn fresh(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn rule(&mut self, at: usize, out: &mut String) {
        let kind = self.random.below(10);
        let clauses = 1 + self.random.below(3);
        let name = format!("{}{at}", ["a", "a", "a", "b", "s", "s", "o", "o", "f", "g"][kind]);
        let params = usize::from(kind >= 8);
        if kind <= 3 && self.random.chance(30) || kind == 8 && self.random.chance(20) {
            let args = if params == 1 { "(_)" } else { "" };
            let value = self.random.pick(&["false", "0", "[]", "\"d\""]);
            out.push_str(&format!("default {name}{args} := {value}\n\n"));
        }
        for clause in 0..clauses {
            let mut vars = Vars::new();
            let head = match kind {
                0..=3 => name.clone(),
                8 | 9 => {
                    let arg = match self.random.below(8) {
                        0 => self.random.pick(&["1", "2", "\"a\"", "true", "null"]).to_owned(),
                        1 => {
                            self.lenient = true;
                            let (a, b) = (self.fresh(), self.fresh());
                            vars.extend([a.clone(), b.clone()]);
                            format!("[{a}, {b}]")
                        }
                        _ => {
                            let var = self.fresh();
                            vars.push(var.clone());
                            var
                        }
                    };
                    format!("{name}({arg})")
                }
                _ => name.clone(),
            };
            let body = self.body(&mut vars, 3, 0);
            let text = match kind {
                0..=3 | 8 | 9 => {
                    let value = if self.random.chance(25) {
                        String::new()
                    } else {
                        format!(" := {}", self.term(&vars, 2))
                    };
                    let mut text = format!("{head}{value} if {{ {body} }}");
                    while self.random.chance(20) {
                        let mut vars: Vars = if kind >= 8 { head_vars(&head) } else { vec![] };
                        let body = self.body(&mut vars, 2, 0);
                        text.push_str(&format!(" else := {} if {{ {body} }}", self.term(&vars, 1)));
                    }
                    text
                }
                4 | 5 => format!("{head} contains {} if {{ {body} }}", self.term(&vars, 2)),
                _ if self.random.chance(30) => {
                    format!("{head}[\"k{clause}\"] := {} if {{ {body} }}", self.term(&vars, 2))
                }
                _ => {
                    let (key, value) = (self.term(&vars, 1), self.term(&vars, 1));
                    format!("{head}[{key}] := {value} if {{ {body} }}")
                }
            };
            out.push_str(&text);
            out.push_str("\n\n");
        }
        self.rules.push(Rule { name, params });
    }

    /// Statements on one line; those that need no order are sometimes put in another one.
    fn body(&mut self, vars: &mut Vars, most: usize, depth: usize) -> String {
        let mut stmts: Vec<String> = vec![];
        for _ in 0..1 + self.random.below(most) {
            let stmt = self.stmt(vars, depth);
            stmts.push(stmt);
        }
        let movable = stmts.iter().all(|stmt| !stmt.contains(":=") && !stmt.contains("some "));
        if movable && self.random.chance(50) {
            let by = self.random.below(stmts.len());
            stmts.rotate_left(by);
        }
        stmts.join("; ")
    }

    fn stmt(&mut self, vars: &mut Vars, depth: usize) -> String {
        match self.random.below(if depth < 2 { 17 } else { 14 }) {
            0 | 1 => {
                let value = self.term(vars, 2);
                let var = self.fresh();
                vars.push(var.clone());
                format!("{var} := {value}")
            }
            2 | 3 => {
                let value = self.term(vars, 2);
                let var = self.fresh();
                vars.push(var.clone());
                if self.random.chance(50) { format!("{var} = {value}") } else { format!("{value} = {var}") }
            }
            4 => {
                let (x, y) = (self.term(vars, 1), self.term(vars, 1));
                let (v, w) = (self.fresh(), self.fresh());
                vars.extend([v.clone(), w.clone()]);
                match self.random.below(3) {
                    0 => format!("[{v}, {y}] = [{x}, {w}]"),
                    1 => format!("[{v}, [{w}]] = [{x}, [{y}]]"),
                    _ => format!("{{\"a\": {v}, \"b\": {w}}} = {{\"b\": {y}, \"a\": {x}}}"),
                }
            }
            5 => {
                self.lenient = true;
                let from = self.random.pick(&["input.m[_]", "input.l", "input.o", "input.m"]);
                let (v, w) = (self.fresh(), self.fresh());
                vars.extend([v.clone(), w.clone()]);
                match self.random.below(3) {
                    0 => format!("[{v}, {w}] = {from}"),
                    1 => format!("{from} = {{\"a\": {v}, \"b\": {w}}}"),
                    _ => format!("[{v}, {w}] := {from}"),
                }
            }
            6 | 7 => {
                let of = self.collection(vars);
                let (k, v) = (self.fresh(), self.fresh());
                vars.push(v.clone());
                if self.random.chance(40) {
                    vars.push(k.clone());
                    format!("some {k}, {v} in {of}")
                } else {
                    format!("some {v} in {of}")
                }
            }
            8 => {
                let var = self.fresh();
                vars.push(var.clone());
                let path = self.random.pick(&["input.l", "input.o", "input.m", "input.none", "[1, 2]"]);
                format!("{path}[{var}]")
            }
            9..=12 => self.condition(vars),
            13 => self.term(vars, 1),
            14 | 15 => {
                let condition =
                    if self.random.chance(40) { self.term(vars, 2) } else { self.condition(vars) };
                self.negates = true;
                format!("not {condition}")
            }
            _ => {
                let of = self.collection(vars);
                let (k, v) = (self.fresh(), self.fresh());
                let mut inner = vars.clone();
                inner.push(v.clone());
                let body = self.body(&mut inner, 2, depth + 1);
                self.lenient = true;
                // OPA refuses variables that nothing uses.
                match self.random.chance(30) {
                    true => format!("every {k}, {v} in {of} {{ {body}; [{k}, {v}] != 9 }}"),
                    false => format!("every {v} in {of} {{ {body}; {v} != 9 }}"),
                }
            }
        }
    }

    fn condition(&mut self, vars: &Vars) -> String {
        let (a, b) = (self.term(vars, 1), self.term(vars, 1));
        let kind = self.random.below(8);
        self.lenient |= matches!(kind, 3 | 7);
        match kind {
            0 | 1 => format!("{a} == {b}"),
            2 => format!("{a} != {b}"),
            3 => format!("{a} {} {b}", self.random.pick(&["<", "<=", ">", ">="])),
            4 => format!("{a} in {}", self.collection(vars)),
            5 => format!("{a} = {b}"),
            6 => format!("startswith({a}, \"a\")"),
            _ => format!("{a}, {b} in {}", self.collection(vars)).replacen("", "(", 1) + ")",
        }
    }

    fn collection(&mut self, vars: &Vars) -> String {
        match self.random.below(7) {
            0 => "input.l".to_owned(),
            1 => "input.o".to_owned(),
            2 => "[1, 2, 3]".to_owned(),
            3 => "{1, \"a\", [1]}".to_owned(),
            4 => "{\"a\": 1, \"b\": 2}".to_owned(),
            _ => self.term(vars, 1),
        }
    }

    fn term(&mut self, vars: &Vars, depth: usize) -> String {
        let choice = self.random.below(if depth == 0 { 9 } else { 17 });
        match choice {
            0 | 1 => {
                self.random.pick(&["0", "1", "2", "\"a\"", "\"b\"", "true", "false", "null", "-1"]).to_owned()
            }
            2 | 3 if !vars.is_empty() => vars[self.random.below(vars.len())].clone(),
            2..=4 => self.random.pick(&["input.x", "input.y", "input.s", "input.t"]).to_owned(),
            5 => self
                .random
                .pick(&["input.o.a", "input.l[0]", "input.none", "input.o.a.b", "input.n"])
                .to_owned(),
            6 => self.random.pick(&["input.l", "input.o", "input.m", "input"]).to_owned(),
            7 | 8 => {
                let plain: Vec<usize> =
                    (0..self.rules.len()).filter(|at| self.rules[*at].params == 0).collect();
                match plain.is_empty() {
                    true => "input.x".to_owned(),
                    false => self.rules[plain[self.random.below(plain.len())]].name.clone(),
                }
            }
            9 => format!("[{}, {}]", self.term(vars, depth - 1), self.term(vars, depth - 1)),
            10 => format!("{{\"a\": {}, \"k\": {}}}", self.term(vars, depth - 1), self.term(vars, depth - 1)),
            11 => format!("{{{}, {}}}", self.term(vars, depth - 1), self.term(vars, depth - 1)),
            12 => format!("count({})", self.collection(vars)),
            13 => {
                let functions: Vec<usize> =
                    (0..self.rules.len()).filter(|at| self.rules[*at].params == 1).collect();
                let arg = self.term(vars, depth - 1);
                match functions.is_empty() {
                    true => format!("is_string({arg})"),
                    false => {
                        format!("{}({arg})", self.rules[functions[self.random.below(functions.len())]].name)
                    }
                }
            }
            14 => format!(
                "({} {} {})",
                self.term(vars, 0),
                self.random.pick(&["+", "-", "*", "|", "&"]),
                self.term(vars, 0)
            ),
            15 => {
                let mut inner = vars.clone();
                let body = self.body(&mut inner, 2, 2);
                let head = self.term(&inner, depth - 1);
                match self.random.below(3) {
                    0 => format!("[{head} | {body}]"),
                    1 => format!("{{{head} | {body}}}"),
                    _ => format!("{{{}: {head} | {body}}}", self.term(&inner, 0)),
                }
            }
            _ if !vars.is_empty() => {
                let (of, key) = (&vars[self.random.below(vars.len())].clone(), self.term(vars, 0));
                format!("{of}[{key}]")
            }
            _ => "object.get(input, \"x\", 0)".to_owned(),
        }
    }
}

/// The variables between the parentheses of a function's head.
fn head_vars(head: &str) -> Vars {
    let inside = head.split(['(', ')']).nth(1).unwrap_or_default();
    inside
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.starts_with('v'))
        .map(str::to_owned)
        .collect()
}

//! The smallest filters there can be: modules of the raw ABI, written byte by byte, which export the callbacks that they
//! are told to and make the host calls that they are told to. What one of them costs over another is what the border
//! between Envoy and V8 costs, and no code of any SDK or allocator.

/// An argument of a host call.
#[derive(Clone, Copy, Debug)]
pub enum Arg {
    /// A number of 32 bits.
    Number(i32),
    /// A number of 64 bits.
    Long(i64),
    /// Two arguments: where a text is, and how long it is.
    Text(&'static str),
    /// Where the host may write four bytes: the places are [`COUNTER`] and those after it.
    Place(i32),
    /// The number that is at a place.
    At(i32),
}

/// Where the id of a counter is after [`Filter::counter`] has been defined.
pub const COUNTER: i32 = 64;
/// Where answers go: pointers and lengths.
pub const ANSWER: i32 = 16;

const TEXTS: i32 = 1024;
/// What the host writes always goes here: there is nothing to free.
const LENT: i32 = 65_536;
const PAGES: u64 = 4;
const I32: u8 = 0x7f;
const I64: u8 = 0x7e;

/// Callbacks by name, with how many arguments they have and what they answer.
const CALLBACKS: &[(&str, usize, Option<i32>)] = &[
    ("proxy_on_context_create", 2, None),
    ("proxy_on_request_headers", 3, Some(0)),
    ("proxy_on_response_headers", 3, Some(0)),
    ("proxy_on_done", 1, Some(1)),
    ("proxy_on_log", 1, None),
    ("proxy_on_delete", 1, None),
];

/// A filter that lets all pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Callbacks that it exports beside the one for request headers.
    pub callbacks: Vec<&'static str>,
    /// Host calls that it makes for each request, in the callback for request headers.
    pub calls: Vec<(&'static str, Vec<Arg>)>,
    /// The name of a counter that it defines, if any.
    pub counter: Option<&'static str>,
}

#[derive(Default)]
struct Module {
    types: Vec<(Vec<u8>, bool)>,
    imports: Vec<(&'static str, usize)>,
    functions: Vec<(usize, Vec<u8>)>,
    exports: Vec<(String, u8, usize)>,
    texts: Vec<u8>,
}

impl Filter {
    /// The module.
    pub fn to_wasm(&self) -> Vec<u8> {
        let mut module = Module::default();
        let define = self
            .counter
            .map(|name| ("proxy_define_metric", vec![Arg::Number(0), Arg::Text(name), Arg::Place(COUNTER)]));
        // Imports come before functions in the numbering.
        for (name, args) in define.iter().chain(&self.calls) {
            module.import(name, args);
        }
        module.export("proxy_abi_version_0_2_1", 0, None, &[]);
        module.export("proxy_on_memory_allocate", 1, Some(LENT), &[]);
        if let Some(define) = define {
            module.export("proxy_on_configure", 2, Some(1), &[define]);
        }
        for (name, params, answer) in CALLBACKS {
            if *name == "proxy_on_request_headers" {
                module.export(name, *params, *answer, &self.calls);
            } else if self.callbacks.contains(name) {
                module.export(name, *params, *answer, &[]);
            }
        }
        module.to_bytes()
    }
}

impl Module {
    fn kind(&mut self, params: Vec<u8>, has_result: bool) -> usize {
        let wanted = (params, has_result);
        self.types.iter().position(|known| *known == wanted).unwrap_or_else(|| {
            self.types.push(wanted);
            self.types.len() - 1
        })
    }

    fn import(&mut self, name: &'static str, args: &[Arg]) {
        let params = args.iter().flat_map(|arg| match arg {
            Arg::Long(_) => vec![I64],
            Arg::Text(_) => vec![I32, I32],
            Arg::Number(_) | Arg::Place(_) | Arg::At(_) => vec![I32],
        });
        let kind = self.kind(params.collect(), true);
        if !self.imports.iter().any(|(known, _)| *known == name) {
            self.imports.push((name, kind));
        }
    }

    fn export(&mut self, name: &str, params: usize, answer: Option<i32>, calls: &[(&'static str, Vec<Arg>)]) {
        let kind = self.kind(vec![I32; params], answer.is_some());
        // No locals.
        let mut body = vec![0];
        for (import, args) in calls {
            for arg in args {
                self.push(&mut body, *arg);
            }
            let at = self.imports.iter().position(|(known, _)| known == import).expect("imported before");
            body.push(0x10);
            unsigned(&mut body, at as u64);
            // The status is dropped.
            body.push(0x1a);
        }
        if let Some(answer) = answer {
            constant(&mut body, answer);
        }
        body.push(0x0b);
        self.exports.push((name.to_owned(), 0, self.imports.len() + self.functions.len()));
        self.functions.push((kind, body));
    }

    fn push(&mut self, body: &mut Vec<u8>, arg: Arg) {
        match arg {
            Arg::Number(number) | Arg::Place(number) => constant(body, number),
            Arg::Long(number) => {
                body.push(0x42);
                signed(body, number);
            }
            Arg::Text(text) => {
                let at = i32::try_from(self.texts.len()).expect("short texts");
                self.texts.extend_from_slice(text.as_bytes());
                constant(body, TEXTS + at);
                constant(body, i32::try_from(text.len()).expect("short texts"));
            }
            Arg::At(place) => {
                constant(body, place);
                // Four bytes, at any alignment.
                body.extend([0x28, 0, 0]);
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = b"\0asm\x01\0\0\0".to_vec();
        section(&mut bytes, 1, self.types.len(), |out| {
            for (params, has_result) in &self.types {
                out.push(0x60);
                vector(out, params);
                vector(out, if *has_result { &[I32] } else { &[] });
            }
        });
        section(&mut bytes, 2, self.imports.len(), |out| {
            for (name, kind) in &self.imports {
                vector(out, b"env");
                vector(out, name.as_bytes());
                out.push(0);
                unsigned(out, *kind as u64);
            }
        });
        section(&mut bytes, 3, self.functions.len(), |out| {
            self.functions.iter().for_each(|(kind, _)| unsigned(out, *kind as u64));
        });
        section(&mut bytes, 5, 1, |out| {
            out.push(0);
            unsigned(out, PAGES);
        });
        section(&mut bytes, 7, self.exports.len() + 1, |out| {
            vector(out, b"memory");
            out.extend([2, 0]);
            for (name, kind, at) in &self.exports {
                vector(out, name.as_bytes());
                out.push(*kind);
                unsigned(out, *at as u64);
            }
        });
        section(&mut bytes, 10, self.functions.len(), |out| {
            self.functions.iter().for_each(|(_, body)| vector(out, body));
        });
        section(&mut bytes, 11, 1, |out| {
            out.push(0);
            constant(out, TEXTS);
            out.push(0x0b);
            vector(out, &self.texts);
        });
        bytes
    }
}

fn section(bytes: &mut Vec<u8>, id: u8, count: usize, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    unsigned(&mut content, count as u64);
    fill(&mut content);
    bytes.push(id);
    vector(bytes, &content);
}

fn vector(out: &mut Vec<u8>, bytes: &[u8]) {
    unsigned(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn constant(out: &mut Vec<u8>, number: i32) {
    out.push(0x41);
    signed(out, number.into());
}

/// LEB128.
fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// LEB128 with a sign.
fn signed(out: &mut Vec<u8>, mut number: i64) {
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        let is_last = (number == 0 && low & 0x40 == 0) || (number == -1 && low & 0x40 != 0);
        if is_last {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_leb128() {
        let of = |number| {
            let mut out = Vec::new();
            signed(&mut out, number);
            out
        };
        assert_eq!(of(64), [0xc0, 0]);
        assert_eq!(of(-1), [0x7f]);
        assert_eq!(of(65_536), [0x80, 0x80, 4]);
    }

    #[test]
    fn equal_types_are_one() {
        let filter = Filter {
            callbacks: vec!["proxy_on_log"],
            calls: vec![(
                "proxy_get_header_map_pairs",
                vec![Arg::Number(0), Arg::Place(ANSWER), Arg::Place(ANSWER + 4)],
            )],
            counter: None,
        };
        let wasm = filter.to_wasm();
        assert!(wasm.starts_with(b"\0asm"));
        // () → (), (i32) → i32, (i32 × 3) → i32 and (i32) → ().
        assert_eq!(wasm[8..11], [1, 20, 4]);
    }
}

//! `cargo bench -p sidegate-bench`: what a request goes through on the host, piece by piece, by criterion.
#![allow(missing_docs, clippy::expect_used, reason = "criterion's own functions; a benchmark may panic")]

use criterion::{Criterion, criterion_group, criterion_main};
use sidegate_bench::paths::PATHS;

fn paths(criterion: &mut Criterion) {
    for path in PATHS {
        let work = path.ready(&path.kind.build().expect("a policy that the tests build, too"));
        criterion.bench_function(path.name, |bencher| bencher.iter(&work));
    }
}

criterion_group!(benches, paths);
criterion_main!(benches);

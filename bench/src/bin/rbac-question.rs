//! `make bench-rbac`: the question about native RBAC that istiod is asked.
#![allow(clippy::print_stdout, reason = "a program that prints")]

fn main() {
    println!("{}", sidegate_bench::rbac::question(3, 2));
}

// `node micro.mjs ASKED.json`: what the filter's callbacks take in Node's V8, what loading takes, and evaluation alone
// by the plan and by regorus's virtual machine. JSON on standard output.

import { readFileSync } from "node:fs";
import { Vm } from "./host.mjs";

const asked = JSON.parse(readFileSync(process.argv[2], "utf8"));
const LOADS = 7;

function quantile(sorted, part) {
  const at = (sorted.length - 1) * part;
  const low = Math.floor(at);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (next - sorted[low]) * (at - low);
}

function summary(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const rounded = (n) => Math.round(n * 1000) / 1000;
  return {
    median: rounded(quantile(sorted, 0.5)),
    quartiles: [rounded(quantile(sorted, 0.25)), rounded(quantile(sorted, 0.75))],
  };
}

/** Microseconds of each of `times` calls. */
function time(times, work) {
  const began = process.hrtime.bigint();
  work(times);
  return Number(process.hrtime.bigint() - began) / 1e3 / times;
}

const repeat = (vm) => (times) => {
  for (let n = 0; n < times; n += 1) vm.request();
};

const modules = new Map();
function moduleOf(path) {
  if (!modules.has(path)) modules.set(path, new WebAssembly.Module(readFileSync(path)));
  return modules.get(path);
}

const subjects = asked.filters.map(({ name, wasm, configuration }) => {
  // The first load of each runs code that V8 has not optimised yet, as in a proxy that starts.
  const module = new WebAssembly.Module(readFileSync(wasm));
  const given = { headers: asked.headers, properties: asked.properties, configuration };
  const firstLoad = new Vm(module, given).configure();
  const loads = [];
  let vm;
  for (let n = 0; n < LOADS; n += 1) {
    vm = new Vm(module, given);
    loads.push(vm.configure());
  }
  repeat(vm)(asked.requests);
  return { name, vm, firstLoad, loads, rounds: [] };
});
for (let round = 0; round < asked.rounds; round += 1) {
  for (const subject of subjects) subject.rounds.push(time(asked.requests, repeat(subject.vm)));
}
const filters = subjects.map(({ name, vm, firstLoad, loads, rounds }) => {
  const asks = asked.requests * (asked.rounds + 1);
  if (name.startsWith("Sidegate") && vm.allowed !== asks) {
    throw new Error(`${name}: expected ${asks} allowed requests, got ${vm.allowed}: ${vm.logs.join("\n")}`);
  }
  return { name, request_us: summary(rounds), first_load_ms: firstLoad, load_ms: summary(loads) };
});

const encoder = new TextEncoder();
function evaluator({ name, entrypoint, rego, data, input, bundle }) {
  const { exports } = new WebAssembly.Instance(moduleOf(asked.rvm), {});
  const hand = (bytes, to) => {
    const at = exports.buffer(bytes.length);
    new Uint8Array(exports.memory.buffer).set(bytes, at);
    if (exports[to]() !== 1) throw new Error(`${name}: ${to} was refused`);
  };
  hand(encoder.encode(entrypoint), "set_entrypoint");
  hand(encoder.encode(rego), "set_rego");
  hand(encoder.encode(data), "set_data");
  hand(encoder.encode(input), "set_input");
  hand(Buffer.from(bundle, "base64"), "set_bundle");
  return { name, exports, compiles: exports.compile_rvm() === 1 };
}

const evaluations = asked.evaluations.map((evaluation) => {
  const { name, exports, compiles } = evaluator(evaluation);
  const times = Math.max(100, Math.floor(asked.requests / 2));
  const check = (run) => {
    const allowed = exports[run](times);
    return allowed === times;
  };
  if (!check("run_plan")) throw new Error(`${name}: expected the plan to allow`);
  const told = { name };
  // A program that is compiled and answers otherwise is as good as none.
  const agrees = compiles && check("run_rvm");
  const runs = agrees ? ["run_plan", "run_rvm"] : ["run_plan"];
  const taken = { run_plan: [], run_rvm: [] };
  for (let round = 0; round < asked.rounds; round += 1) {
    for (const run of runs) taken[run].push(time(times, (n) => exports[run](n)));
  }
  told.plan_us = summary(taken.run_plan);
  told.rvm_us = agrees ? summary(taken.run_rvm) : null;
  // Round by round: a slow one counts against both.
  told.times = agrees ? summary(taken.run_rvm.map((us, round) => us / taken.run_plan[round])) : null;
  told.rvm_refuses = agrees ? null : compiles ? "answers otherwise" : "does not compile";
  return told;
});
process.stdout.write(JSON.stringify({ node: process.version, v8: process.versions.v8, filters, evaluations }));

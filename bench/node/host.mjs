// A proxy-wasm host that answers from what it was given: header map, properties, configuration. It judges nothing
// and keeps nothing, so that what is measured is the filter.

const OK = 0, NOT_FOUND = 1, BAD_ARGUMENT = 2, UNIMPLEMENTED = 12;
const REQUEST_MAP = 0, PLUGIN_CONFIGURATION = 7;

const utf8 = new TextEncoder();

/** A header map as the ABI has it: the count, all lengths, then names and values, each with a NUL after it. */
export function encodePairs(pairs) {
  const parts = pairs.flat().map((text) => utf8.encode(text));
  const size = 4 + 4 * parts.length + parts.reduce((sum, part) => sum + part.length + 1, 0);
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, pairs.length, true);
  let at = 4 + 4 * parts.length;
  parts.forEach((part, n) => {
    view.setUint32(4 + 4 * n, part.length, true);
    bytes.set(part, at);
    at += part.length + 1;
  });
  return bytes;
}

/** Properties by path, found without decoding the path: an FNV hash of its bytes. */
function hash(bytes, at, length) {
  let sum = 0x811c9dc5;
  for (let n = at; n < at + length; n += 1) sum = Math.imul(sum ^ bytes[n], 0x01000193);
  return sum >>> 0;
}

function byHash(entries) {
  const found = new Map();
  for (const [name, value] of entries) {
    const key = utf8.encode(name);
    const at = hash(key, 0, key.length);
    if (found.has(at)) throw new Error(`two names of one hash: ${name}`);
    found.set(at, Uint8Array.from(value));
  }
  return found;
}

/** A VM with the filter in it. */
export class Vm {
  constructor(module, { headers, properties, configuration }) {
    this.pairs = encodePairs(headers);
    this.responsePairs = encodePairs([[":status", "200"], ["server", "envoy"]]);
    this.headers = byHash(headers.map(([name, value]) => [name, utf8.encode(value)]));
    this.properties = byHash(
      Object.entries(properties).map(([path, value]) => [path.replaceAll(".", "\0"), value]),
    );
    this.configuration = utf8.encode(configuration);
    this.answered = 0;
    this.allowed = 0;
    this.logs = [];
    this.metrics = [];
    this.next = 1;
    const imports = { env: {} };
    const known = this.imports();
    for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
      if (from !== "env" || kind !== "function") continue;
      imports.env[name] = known[name] ?? (() => UNIMPLEMENTED);
    }
    // The SDK asks for WASI, of which nothing is used here.
    const wasi = new Proxy({}, { get: () => () => 0 });
    imports.wasi_snapshot_preview1 = wasi;
    this.exports = new WebAssembly.Instance(module, imports).exports;
    this.refresh();
    (this.exports._initialize ?? this.exports._start)?.();
  }

  refresh() {
    if (this.memory?.buffer !== this.exports.memory.buffer) {
      this.memory = { buffer: this.exports.memory.buffer };
      this.bytes = new Uint8Array(this.memory.buffer);
      this.view = new DataView(this.memory.buffer);
    }
  }

  give(value, pointerAt, lengthAt) {
    const allocate = this.exports.proxy_on_memory_allocate ?? this.exports.malloc;
    const at = value.length === 0 ? 0 : allocate(value.length);
    this.refresh();
    this.bytes.set(value, at);
    this.view.setUint32(pointerAt, at, true);
    this.view.setUint32(lengthAt, value.length, true);
    return OK;
  }

  text(at, length) {
    this.refresh();
    return new TextDecoder().decode(this.bytes.subarray(at, at + length));
  }

  imports() {
    return {
      proxy_log: (level, at, length) => (this.logs.push(this.text(at, length)), OK),
      proxy_get_log_level: (out) => (this.refresh(), this.view.setUint32(out, 2, true), OK),
      proxy_get_current_time_nanoseconds: (out) => {
        this.refresh();
        this.view.setBigUint64(out, 1767323045678901000n, true);
        return OK;
      },
      proxy_get_buffer_bytes: (kind, start, most, out, length) =>
        kind === PLUGIN_CONFIGURATION
          ? this.give(this.configuration.subarray(start >>> 0, (start >>> 0) + (most >>> 0)), out, length)
          : NOT_FOUND,
      proxy_get_property: (at, length, out, outLength) => {
        this.refresh();
        const value = this.properties.get(hash(this.bytes, at, length));
        return value === undefined ? NOT_FOUND : this.give(value, out, outLength);
      },
      proxy_set_property: () => OK,
      proxy_get_header_map_pairs: (kind, out, length) =>
        this.give(kind === REQUEST_MAP ? this.pairs : this.responsePairs, out, length),
      proxy_get_header_map_size: (kind, out) => {
        this.refresh();
        this.view.setUint32(out, kind === REQUEST_MAP ? this.pairs.length : this.responsePairs.length, true);
        return OK;
      },
      proxy_get_header_map_value: (kind, at, length, out, outLength) => {
        this.refresh();
        const value = kind === REQUEST_MAP ? this.headers.get(hash(this.bytes, at, length)) : undefined;
        return value === undefined ? NOT_FOUND : this.give(value, out, outLength);
      },
      proxy_replace_header_map_value: () => OK,
      proxy_add_header_map_value: () => OK,
      proxy_remove_header_map_value: () => OK,
      proxy_send_local_response: (status) => ((this.answered = status), OK),
      proxy_define_metric: (kind, at, length, out) => {
        this.metrics.push(this.text(at, length));
        this.view.setUint32(out, this.metrics.length, true);
        return OK;
      },
      proxy_increment_metric: (id) => {
        this.allowed += this.metrics[id - 1] === "sidegate.decisions.allowed" ? 1 : 0;
        return OK;
      },
      proxy_record_metric: () => OK,
      proxy_set_tick_period_milliseconds: () => OK,
      proxy_http_call: () => BAD_ARGUMENT,
      proxy_get_shared_data: () => NOT_FOUND,
      proxy_set_shared_data: () => OK,
      proxy_set_effective_context: () => OK,
      proxy_continue_stream: () => OK,
      proxy_close_stream: () => OK,
      proxy_done: () => OK,
    };
  }

  /** Starts the plugin; the milliseconds that took. */
  configure() {
    const { exports } = this;
    this.root = this.next++;
    const began = process.hrtime.bigint();
    exports.proxy_on_context_create?.(this.root, 0);
    exports.proxy_on_vm_start?.(this.root, 0);
    const taken = exports.proxy_on_configure?.(this.root, this.configuration.length) ?? 1;
    const ms = Number(process.hrtime.bigint() - began) / 1e6;
    if (taken === 0) throw new Error(`the filter refuses its configuration: ${this.logs.join("\n")}`);
    return ms;
  }

  /** One request, from its first callback to its last. */
  request() {
    const { exports } = this;
    const context = this.next++;
    exports.proxy_on_context_create?.(context, this.root);
    const action = exports.proxy_on_request_headers(context, 15, 1);
    if (action !== 0) throw new Error(`held or refused with ${this.answered}: ${this.logs.join("\n")}`);
    exports.proxy_on_response_headers?.(context, 2, 1);
    exports.proxy_on_log?.(context);
    exports.proxy_on_done?.(context);
    exports.proxy_on_delete?.(context);
  }
}

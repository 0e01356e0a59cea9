"use strict";
// Names come from files that many people write: they reach the page as text nodes and attributes alone.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { nodes, edges } = data;
  const SVG = "http://www.w3.org/2000/svg";
  const STEP = 300; // rows of the table shown at a time
  const byId = (id) => document.getElementById(id);
  const make = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const draw = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);
  function fill(element, attributes, children) {
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }
  const many = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

  // --- what is known of each node ---
  const services = nodes.map((_, at) => at).filter((at) => nodes[at].service);
  const into = nodes.map(() => []);
  const outOf = nodes.map(() => []);
  edges.forEach((edge, at) => { into[edge.to].push(at); outOf[edge.from].push(at); });
  const group = new Map(); // the node that stands for everyone in a namespace
  nodes.forEach((node, at) => { if (node.kind === "namespace") group.set(node.namespace, at); });
  const anyNamed = nodes.findIndex((node) => node.label === "anyone with an identity" && node.kind === "caller");
  const rulesOf = (edge) => {
    const all = nodes[edge.to].service.rules;
    return { allow: edge.rules.map((at) => all[at]), deny: (edge.denies || []).map((at) => all[at]) };
  };
  const place = (rule, { file }) => `${rule.is_base ? "mesh.yaml" : file}:${rule.line}${rule.name ? ` ${rule.name}` : ""}`;
  const what = (rule) => (rule.to.length ? rule.to : ["everything"]).map((to) =>
    rule.when && rule.when.length ? `${to}, when ${rule.when.join(" and ")}` : to);
  const words = new Map();
  function haystack(at) {
    if (!words.has(at)) {
      const { label, service } = nodes[at];
      const rules = service.rules.flatMap((rule) => [rule.name || "", ...rule.from, ...rule.to, ...(rule.when || [])]);
      const callers = into[at].map((edge) => nodes[edges[edge].from].label);
      words.set(at, [label, service.owner, ...service.workloads, ...rules, ...callers].join("\n").toLowerCase());
    }
    return words.get(at);
  }

  // --- state ---
  let chosen = -1;
  let active = -1;
  let shown = services;
  let rows = STEP;
  const search = byId("search");
  const select = byId("namespace");
  const list = byId("services");
  const map = byId("map");
  const hasServices = map.dataset.view === "services";
  const namespaces = [...new Set(services.map((at) => nodes[at].namespace))];
  select.append(...namespaces.map((name) => make("option", { value: name }, name)));

  // --- the list ---
  function filter() {
    const wanted = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    shown = services.filter((at) => (!select.value || nodes[at].namespace === select.value)
      && wanted.every((word) => haystack(at).includes(word)));
    const out = [];
    let before = null;
    for (const at of shown) {
      const { namespace, label } = nodes[at];
      if (namespace !== before) out.push(make("div", { class: "group", role: "presentation" }, namespace));
      before = namespace;
      const option = make("div", { role: "option", id: `option-${at}`, "data-node": at, "aria-label": label,
        "aria-selected": String(at === chosen) }, label.slice(namespace.length + 1));
      out.push(option);
    }
    if (!out.length) out.push(make("p", { class: "note", role: "presentation" }, "Nothing found."));
    list.replaceChildren(...out);
    mark(shown.includes(active) ? active : shown.includes(chosen) ? chosen : shown.length ? shown[0] : -1);
    byId("found").textContent = `${shown.length} of ${many(services.length, "service")}`;
    rows = STEP;
    table();
    light(chosen);
  }
  function mark(at) {
    const old = byId(`option-${active}`);
    if (old) old.classList.remove("active");
    active = at;
    const option = byId(`option-${at}`);
    if (option) {
      option.classList.add("active");
      list.setAttribute("aria-activedescendant", option.id);
    } else list.removeAttribute("aria-activedescendant");
    return option;
  }
  list.addEventListener("keydown", (event) => {
    const place = shown.indexOf(active);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: shown.length - 1,
      PageDown: place + 10, PageUp: place - 10 }[event.key];
    if (to !== undefined && shown.length) {
      event.preventDefault();
      const option = mark(shown[Math.max(0, Math.min(shown.length - 1, to))]);
      option.scrollIntoView({ block: "nearest" });
    } else if ((event.key === "Enter" || event.key === " ") && active >= 0) {
      event.preventDefault();
      choose(active);
    }
  });
  list.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) choose(Number(option.dataset.node));
  });

  // --- one service, or caller ---
  function chip(at, note) {
    const button = make("button", { class: "chip", type: "button" }, nodes[at].label);
    if (note) button.append(make("span", { class: "denied" }, ` ${note}`));
    button.addEventListener("click", () => choose(at, true));
    return button;
  }
  const note = (edge) => ({ some: "partly denied", all: "denied" })[edge.limit] || "";
  function rule(one, at) {
    const who = one.from.length ? one.from : ["everyone"];
    const item = make("li", one.is_deny ? { class: "deny" } : {},
      make("div", { class: "who" }, make("span", { class: "word" }, one.is_deny ? "deny" : "allow"),
        ...who.map((name) => make("span", { class: "chip" }, name))));
    item.append(...what(one).map((text) => make("div", { class: "what" }, text)));
    item.append(make("div", { class: "where" }, place(one, nodes[at].service)));
    return item;
  }
  function section(title, found, end) {
    if (!found.length) return [];
    const chips = found.map((at) => chip(edges[at][end], note(edges[at])));
    return [make("h3", {}, `${title} (${found.length})`), make("div", { class: "who" }, ...chips)];
  }
  function details() {
    const panel = byId("details");
    if (chosen < 0) {
      panel.replaceChildren(make("h2", {}, "No service chosen"), make("p", { class: "note" },
        "Choose a service in the list or on the map: here is who may call it, what they may do, and which line of which file says so."));
      return;
    }
    const { label, service, namespace } = nodes[chosen];
    const out = [make("h2", {}, label)];
    if (service) {
      const names = service.workloads.filter((name) => `${namespace}/${name}` !== label);
      out.push(make("p", { class: "facts" }, `owner ${service.owner}`), make("p", { class: "facts where" }, service.file));
      if (names.length) out.push(make("p", { class: "facts" }, `workloads ${service.workloads.join(", ")}`));
      if (service.is_shadow) out.push(make("p", { class: "facts" }, "only tried: mode shadow"));
      if (service.rego) out.push(make("p", { class: "facts where" }, `Rego has a say: ${service.rego.join(", ")}`));
      out.push(...section("May be called by", into[chosen], "from"));
      if (service.is_partial) out.push(make("p", { class: "note" }, "Other callers are left out of this page."));
      else if (!into[chosen].length) out.push(make("p", { class: "note" }, "Nobody may call it."));
    }
    out.push(...section("May call", outOf[chosen], "to"));
    const all = group.get(namespace);
    if (service && all !== undefined) out.push(...section(`May call, as everyone in ${namespace}`, outOf[all], "to"));
    if (service && anyNamed >= 0) out.push(...section("May call, as anyone with an identity", outOf[anyNamed], "to"));
    if (service) {
      out.push(make("h3", {}, `Rules (${service.rules.length})`),
        make("ul", { class: "rules" }, ...service.rules.map((one) => rule(one, chosen))));
    }
    panel.replaceChildren(...out);
    panel.scrollTop = 0;
  }
  // `follows`: from a place that the choice makes go away, or that is far from the list.
  function choose(at, follows) {
    const before = byId(`option-${chosen}`);
    if (before) before.setAttribute("aria-selected", "false");
    chosen = at;
    const option = byId(`option-${at}`);
    if (option) {
      option.setAttribute("aria-selected", "true");
      mark(at);
      if (follows) option.scrollIntoView({ block: "nearest" });
    }
    const hadFocus = [byId("details"), byId("panel-near")].some((part) => part.contains(document.activeElement));
    details();
    light(at);
    near();
    // What was pressed is gone.
    if (hadFocus && document.activeElement === document.body) byId("details").focus();
    byId("tab-near").disabled = at < 0;
    if (at >= 0) byId("found").textContent = `${nodes[at].label} is chosen`;
    if (at >= 0 && !hasServices && current === "map") show("near");
    if (at < 0 && current === "near") show("map");
    try { history.replaceState(null, "", at < 0 ? "#" : `#${encodeURIComponent(nodes[at].label)}`); } catch { /* a page without an address */ }
  }

  // --- the map ---
  const blockOf = new Map();
  const drawn = [...map.querySelectorAll(".row, .head")];
  const lines = [...map.querySelectorAll(".line[data-from]")];
  for (const block of map.querySelectorAll(".block")) {
    for (const part of block.querySelectorAll("[data-nodes], [data-node]")) {
      const own = part.dataset.node !== undefined ? [part.dataset.node] : part.dataset.nodes.split(" ").filter(Boolean);
      own.forEach((at) => blockOf.set(Number(at), block));
    }
  }
  function light(at) {
    const wanted = at >= 0 ? [at] : select.value ? nodes.map((_, node) => node).filter((node) => nodes[node].namespace === select.value) : [];
    map.classList.toggle("focused", wanted.length > 0);
    map.querySelectorAll(".lit, .chosen").forEach((part) => part.classList.remove("lit", "chosen"));
    if (!wanted.length) return;
    const own = new Set(wanted);
    // As one of its namespace it may call, too.
    if (at >= 0 && nodes[at].service && group.has(nodes[at].namespace)) own.add(group.get(nodes[at].namespace));
    const met = edges.filter((edge) => own.has(edge.from) || wanted.includes(edge.to));
    const ends = new Set(wanted);
    const pairs = new Set();
    const blocks = new Set(wanted.map((node) => blockOf.get(node)));
    for (const edge of met) {
      ends.add(edge.from).add(edge.to);
      const [from, to] = [blockOf.get(edge.from), blockOf.get(edge.to)];
      blocks.add(from).add(to);
      pairs.add(hasServices ? `${edge.from} ${edge.to}` : from && to && `${from.dataset.block} ${to.dataset.block}`);
    }
    blocks.forEach((block) => block && block.classList.add("lit"));
    for (const part of drawn) {
      const of = part.dataset.node !== undefined ? [part.dataset.node] : (part.dataset.nodes || "").split(" ");
      if (of.some((node) => node !== "" && ends.has(Number(node)))) part.classList.add("lit");
      if (at >= 0 && part.dataset.node === String(at)) part.classList.add("chosen");
    }
    if (!hasServices || at < 0) wanted.forEach((node) => blockOf.get(node)?.classList.add("chosen"));
    for (const line of lines) if (pairs.has(`${line.dataset.from} ${line.dataset.to}`)) line.classList.add("lit");
  }
  const heads = drawn.filter((part) => part.dataset.node !== undefined || !hasServices || part.dataset.nodes);
  heads.forEach((part, at) => {
    const block = part.closest(".block");
    part.setAttribute("tabindex", at ? "-1" : "0");
    part.setAttribute("role", "button");
    part.setAttribute("aria-label", part.dataset.node !== undefined ? nodes[part.dataset.node].label : part.textContent.trim().replace(/\s+/g, " "));
    const take = () => {
      if (part.dataset.node !== undefined) choose(Number(part.dataset.node), true);
      else if (hasServices) choose(Number(part.dataset.nodes.split(" ")[0]), true);
      else if (block.dataset.namespace) { choose(-1); select.value = block.dataset.namespace; filter(); }
    };
    part.addEventListener("click", take);
    part.addEventListener("mouseenter", () => { if (chosen < 0 && part.dataset.node !== undefined) light(Number(part.dataset.node)); });
    part.addEventListener("mouseleave", () => { if (chosen < 0) light(-1); });
    part.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); take(); }
      else if (step && heads[at + step]) {
        event.preventDefault();
        part.setAttribute("tabindex", "-1");
        heads[at + step].setAttribute("tabindex", "0");
        heads[at + step].focus();
      }
    });
  });
  const [width, height] = map.getAttribute("viewBox").split(" ").slice(2).map(Number);
  let scale = 1;
  function resize(to) {
    scale = Math.max(0.1, Math.min(4, to));
    map.setAttribute("width", Math.round(width * scale));
    map.setAttribute("height", Math.round(height * scale));
  }
  const fit = () => resize(Math.min(1.25, Math.max(0.7, byId("panel-map").clientWidth / width)));
  byId("larger").addEventListener("click", () => resize(scale * 1.25));
  byId("smaller").addEventListener("click", () => resize(scale / 1.25));
  byId("fit").addEventListener("click", fit);

  // --- one service, with who may call it on its left and whom it may call on its right ---
  function near() {
    const panel = byId("panel-near");
    if (chosen < 0) { panel.replaceChildren(); return; }
    const all = nodes[chosen].service ? group.get(nodes[chosen].namespace) : undefined;
    const left = into[chosen].map((at) => [edges[at].from, edges[at].limit]);
    const right = [...outOf[chosen], ...(all === undefined ? [] : outOf[all])].map((at) => [edges[at].to, edges[at].limit]);
    const sides = [left, right].map((side) => [...new Map(side)]);
    const letters = (side) => Math.max(14, ...side.map(([at]) => nodes[at].label.length));
    const [ROW, PAD] = [30, 24];
    const widths = [letters(sides[0]), nodes[chosen].label.length, letters(sides[1])].map((count) => count * 8.1 + 28);
    const spare = byId("panel-map").parentElement.clientWidth - widths.reduce((a, b) => a + b) - 2 * PAD;
    const GAP = Math.max(56, Math.min(150, spare / 2));
    const high = Math.max(sides[0].length, sides[1].length, 1) * ROW;
    const x = [PAD, PAD + widths[0] + GAP, PAD + widths[0] + GAP + widths[1] + GAP];
    const top = 70;
    const middle = top + high / 2;
    const picture = draw("svg", { class: "map", role: "group", "aria-label": `neighbours of ${nodes[chosen].label}`,
      width: Math.ceil(x[2] + widths[2] + PAD), height: Math.ceil(top + high + PAD) });
    const box = (at, left, y, wide, own) => {
      const part = draw("g", { class: own ? "near chosen" : "near", role: "button", tabindex: "0", "aria-label": nodes[at].label },
        draw("rect", { class: nodes[at].service ? "box" : "box elsewhere", x: left, y: y - 12, width: wide, height: 24, rx: 5 }),
        draw("text", { x: left + 14, y: y + 4.5 }, nodes[at].label));
      const take = () => { if (!own) choose(at, true); };
      part.addEventListener("click", take);
      part.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); take(); } });
      return part;
    };
    const line = (from, to, limit) => {
      const half = (from[0] + to[0]) / 2;
      return draw("g", { class: `line c0 ${limit === "nothing" ? "" : limit}` },
        draw("path", { class: "wire", d: `M${from[0]} ${from[1]}C${half} ${from[1]} ${half} ${to[1]} ${to[0] - 7} ${to[1]}` }),
        draw("polygon", { points: `${to[0]},${to[1]} ${to[0] - 9},${to[1] - 4.5} ${to[0] - 9},${to[1] + 4.5}` }));
    };
    const height = (side, at) => middle + (at - (side.length - 1) / 2) * ROW;
    sides[0].forEach(([, limit], at) => picture.append(line([x[0] + widths[0], height(sides[0], at)], [x[1], middle], limit)));
    sides[1].forEach(([, limit], at) => picture.append(line([x[1] + widths[1], middle], [x[2], height(sides[1], at)], limit)));
    const title = (text, left) => draw("text", { class: "small strong", x: left, y: 36 }, text);
    picture.append(title(sides[0].length ? "may call it" : nodes[chosen].service && !nodes[chosen].service.is_partial ? "nobody may call it" : "", x[0]), title(sides[1].length ? "it may call" : "", x[2]));
    sides[0].forEach(([at], place) => picture.append(box(at, x[0], height(sides[0], place), widths[0])));
    picture.append(box(chosen, x[1], middle, widths[1], true));
    sides[1].forEach(([at], place) => picture.append(box(at, x[2], height(sides[1], place), widths[2])));
    panel.replaceChildren(picture);
  }

  // --- the table ---
  function table() {
    const visible = new Set(shown);
    const found = edges.filter((edge) => visible.has(edge.to)).sort((a, b) => a.to - b.to || a.from - b.from);
    byId("edges").replaceChildren(...found.slice(0, rows).map((edge) => {
      const { allow, deny } = rulesOf(edge);
      const may = make("td", { class: "path" }, ...allow.flatMap((one) => what(one).map((text) => make("div", {}, text))),
        ...deny.flatMap((one) => what(one).map((text) => make("div", { class: "denied" }, `not ${text}`))));
      if (edge.limit === "all") may.prepend(make("div", { class: "denied" }, "denied:"));
      const where = [...allow, ...deny].map((one) =>
        make("div", {}, place(one, nodes[edge.to].service)));
      return make("tr", {}, make("td", { class: "name" }, nodes[edge.from].label), make("td", {}, chip(edge.to)), may,
        make("td", { class: "where" }, ...where));
    }));
    byId("more").hidden = found.length <= rows;
    byId("more").textContent = `Show more (${found.length - Math.min(rows, found.length)} left)`;
  }
  byId("more").addEventListener("click", () => { rows += STEP; table(); });

  // --- tabs ---
  const tabs = ["map", "near", "table"];
  let current = "map";
  function show(name) {
    current = name;
    for (const tab of tabs) {
      byId(`tab-${tab}`).setAttribute("aria-selected", String(tab === name));
      byId(`tab-${tab}`).setAttribute("tabindex", tab === name ? "0" : "-1");
      byId(`panel-${tab}`).hidden = tab !== name;
    }
    document.querySelector(".zoom").hidden = name !== "map";
  }
  tabs.forEach((tab) => {
    byId(`tab-${tab}`).addEventListener("click", () => show(tab));
    byId(`tab-${tab}`).addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const open = tabs.filter((name) => !byId(`tab-${name}`).disabled);
      const next = open[(open.indexOf(tab) + step + open.length) % open.length];
      show(next);
      byId(`tab-${next}`).focus();
    });
  });

  search.addEventListener("input", filter);
  search.addEventListener("keydown", (event) => { if (event.key === "ArrowDown") { event.preventDefault(); list.focus(); } });
  select.addEventListener("change", () => { if (chosen >= 0 && select.value && nodes[chosen].namespace !== select.value) choose(-1); filter(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && event.target !== search && chosen >= 0) choose(-1);
    if (event.key === "/" && !/^(INPUT|SELECT)$/.test(event.target.tagName)) { event.preventDefault(); search.focus(); }
  });

  details();
  filter();
  fit();
  show("map");
  const asked = decodeURIComponent(location.hash.slice(1));
  const first = asked ? nodes.findIndex((node) => node.label === asked) : -1;
  if (first >= 0) choose(first, true);
})();

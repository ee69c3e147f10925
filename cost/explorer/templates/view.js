// The page: controls -> setting -> figures. All text enters by textContent.

const $ = (id) => document.getElementById(id);
function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
const table = (caption, columns, rows) => node("table", {},
  node("caption", {}, caption),
  node("thead", {}, node("tr", {}, ...columns.map((c) => node("th", { scope: "col" }, c)))),
  node("tbody", {}, ...rows.map((row) => node("tr", {}, ...row.map((cell, i) =>
    (i ? node("td", {}, cell) : node("th", { scope: "row" }, cell)))))));

// -- numbers as text -----------------------------------------------------------------------------

const short = (value) => {
  if (value === 0) return "0";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", { maximumFractionDigits: Math.min(digits, 12), minimumFractionDigits: Math.min(digits, 2) });
};
const whole = (value) => Math.round(value).toLocaleString("en-US");
const energyUnit = (pj, counts) => {
  if (counts) return pj >= 1e6 ? [1e6, "M events"] : [1, "events"];
  return [[1e9, "mJ"], [1e6, "µJ"], [1e3, "nJ"], [1, "pJ"]].find(([scale]) => pj >= scale) ?? [1, "pJ"];
};
const barText = (value, scale, unit) => {
  const [low, middle, high] = CORNERS.map((corner) => short(value[corner] / scale));
  return low === high ? `${middle} ${unit}` : `${middle} (${low}–${high}) ${unit}`;
};
const energyText = (value, counts) => barText(value, ...energyUnit(value.expected, counts));
const areaUnit = (um2, counts) => (counts ? [1e6, "M bits"] : um2 >= 1e4 ? [1e6, "mm²"] : [1, "µm²"]);
const areaText = (value, counts) => barText(value, ...areaUnit(value.expected, counts));
const wayText = (lanes) => (lanes.hold === 1 ? "weights read for every pixel"
  : `weights held for ${lanes.hold} pixels, filled in ${lanes.fill} cycles, ${lanes.out_lanes} output lane${lanes.out_lanes > 1 ? "s" : ""}`);
const arrayText = (lanes) => `${lanes.rows}×${lanes.cols}${lanes.hold > 1 ? ` h${lanes.hold} f${lanes.fill} o${lanes.out_lanes}` : ""}`;
const microText = (micro) => micro.replace("_", " ");
const isPlain = (micro) => micro.startsWith("uniform");

// -- state -----------------------------------------------------------------------------------------

const data = await unpack($("data").textContent.trim());
const trainedCache = new Map();
const state = {
  setting: { program: data.base, kind: null, act: null, bits: {}, micro: data.micros[0], array: 0 },
  memory: { resident: false, batch: 1, bandwidth: 64 },
  clock: 200, tech: 0, dram: -1, edits: data.technologies.map(() => ({})),
  floor: null, goal: "energy", axis: "energy", open: new Set(),
};

const nearest = (values, wanted) => values.reduce((a, b) => (Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a));

function takeBitsOf(position) {
  const program = data.programs[position], setting = state.setting;
  setting.kind = data.kinds.includes(program.kind) ? program.kind : data.kinds[0];
  setting.act = nearest(data.act_bits, program.act_widths[0] ?? data.act_bits[0]);
  for (const layer of data.layers.filter((l) => l.free)) {
    setting.bits[layer.name] = nearest(data.weight_bits, program.bits[layer.name] ?? data.weight_bits[0]);
  }
}

function technology() {
  const own = data.technologies[state.tech], edits = state.edits[state.tech], given = withDram(own);
  if (!Object.keys(edits).length) return given;
  const entries = { ...given.entries };
  for (const [name, value] of Object.entries(edits)) entries[name] = { ...entries[name], ...band(value), source: "set on this page" };
  return { ...given, entries, counts: false, edited: true };
}

// The table with the chosen type of DRAM in place of its own entry; tables of counts keep theirs.
function withDram(tech) {
  const kind = data.drams[state.dram];
  if (!kind || tech.counts) return tech;
  const dram = { ...tech.entries.dram, ...kind.pj_per_bit, source: kind.source, note: kind.summary };
  return { ...tech, name: `${tech.name}+${kind.name}`, plainName: tech.name, entries: { ...tech.entries, dram } };
}

// A type of DRAM has a bandwidth of its own, in bits per cycle of the clock.
function takeBandwidth() {
  const kind = data.drams[state.dram];
  state.memory.bandwidth = kind ? kind.bandwidth_gbytes_s * 8e3 / state.clock : positive($("bandwidth"), 0.1);
}

const settingName = (setting) => `${setting.program === null ? "bits by hand" : data.programs[setting.program].label}, ${
  microText(setting.micro)}, ${arrayText(data.arrays[setting.array])}`;

// Every trained program on every array that takes it; kept until a price or a memory changes.
let designsKey = null, designsKept = [];
function designs(tech) {
  const { resident, batch } = state.memory, key = JSON.stringify([state.tech, state.edits[state.tech], state.dram, resident, batch]);
  if (key === designsKey) return designsKept;
  designsKey = key;
  designsKept = [];
  data.programs.forEach((program, position) => data.micros.forEach((micro) => data.arrays.forEach((_, array) => {
    const setting = { program: position, micro, array };
    const cost = program.accuracy === null ? null : summarize(data, tech, setting, state.memory, trainedCache);
    if (cost) designsKept.push({ setting, accuracy: program.accuracy, name: settingName(setting), plain: isPlain(micro), ...cost });
  })));
  return designsKept;
}

function choose(design) {
  Object.assign(state.setting, design.setting);
  takeBitsOf(design.setting.program);
  update();
}

const COSTS = {
  energy: { of: (d) => d.energy.expected, text: (v) => energyText(band(v), technology().counts) },
  cycles: { of: (d) => d.cycles, text: (v) => `${whole(v)} cycles` },
  area: { of: (d) => d.area.expected, text: (v) => areaText(band(v), technology().counts) },
};

// -- figures ---------------------------------------------------------------------------------------

const tag = (sure, text) => node("span", { class: `tag ${sure ? "sure" : "guess"}` }, text);

function accuracyCard(found) {
  if (found.value === null) return card("Top-1", "unknown", found.source);
  const off = found.error === undefined ? "" : ` ± ${found.error.toFixed(2)}`;
  const from = found.measured ? `${found.of ? `of ${found.of.label}, with the same bits; ` : ""}${found.source}`
    : `${found.source}; programs left out: median error ${data.predictor.median_error.toFixed(2)}, worst ${data.predictor.worst_error.toFixed(2)} points`;
  return card("Top-1", `${found.value.toFixed(2)}${off} %`, from, tag(found.measured, found.measured ? "measured" : "predicted"));
}

// The number large, its bar and where it comes from below.
const card = (name, value, from, mark = null) => {
  const [, middle, bars, unit] = /^(\S+) (\(.*?\)) (.*)$/.exec(value) ?? [null, value, "", ""];
  return node("div", { "data-figure": name }, node("dt", {}, name, mark),
    node("dd", { class: "big", "data-value": value }, `${middle} ${unit}`.trim()), bars && node("dd", { class: "bar" }, bars), node("dd", { class: "from" }, from));
};

function showCards(result, tech) {
  const { setting, memory } = state, base = sheetOf(data, setting, "uniform");
  const seconds = result.cycles / (state.clock * 1e6);
  const cards = [
    accuracyCard(accuracyOf(data, setting)),
    card("Energy per image", energyText(result.energy, tech.counts), `counted events × ${tech.name}${tech.edited ? ", edited" : ""}; ${statisticsText()}`),
    card("Cycles per image", whole(result.cycles), `${short(seconds * 1e3)} ms, ${short(1 / seconds)} images/s at ${state.clock} MHz; the cycle model's, equal to the RTL's`),
    card("Area", areaText(result.totalArea, tech.counts), `cells and memories × ${tech.name}${tech.edited ? ", edited" : ""}, not placed`),
  ];
  if (!tech.counts) {
    const watts = CORNERS.map((corner) => result.energy[corner] * 1e-12 / seconds * 1e3);
    cards.push(card("Power", barText(band(...watts), 1, "mW"), `energy per image × images/s at ${state.clock} MHz`));
  }
  const plain = data.micros.includes("uniform") && !base.refused
    ? evaluate(data, tech, { ...setting, micro: "uniform" }, memory) : null;
  const ratio = plain && !isPlain(setting.micro) ? ratioOf(data, result.parts, plain.parts) : null;
  if (ratio) cards.push(card("To plain multipliers", barText(ratio, 1, "×"), "energy over that of the same integers on multipliers that store levels, same array"));
  cards.push(card("Weight bits", averageBits(data, bitsShown()).toFixed(2), `average of layers that are free; activations ${actShown()} bits`));
  $("cards").replaceChildren(...cards);
}

function bitsShown() {
  const { program, bits } = state.setting;
  return program === null ? bits : Object.fromEntries(
    data.layers.filter((l) => l.free).map((l) => [l.name, data.programs[program].bits[l.name] ?? 8]));
}
const actShown = () => (state.setting.program === null ? state.setting.act : data.programs[state.setting.program].act_widths.join(", "));

function assumedLayers() {
  const base = data.programs[data.base], { kind, bits } = state.setting;
  if (state.setting.program !== null) return 0;
  return data.layers.filter((l) => l.free && (base.kind !== kind || base.bits[l.name] !== bits[l.name])).length;
}

function statisticsText() {
  const count = assumedLayers(), all = data.layers.filter((l) => l.weights).length;
  return count ? `activations assumed not 0; ${count} of ${all} layers with assumed weights` : "activations assumed not 0";
}

function commandText() {
  const { setting, memory } = state, lanes = data.arrays[setting.array], [micro, width] = setting.micro.split(":");
  const subject = data.programs[setting.program ?? data.base], words = ["adqhw estimate", quoted(subject.path)];
  if (setting.program === null) {
    const plain = setting.kind === "plain" ? "p" : "";
    words.push("--bits", Object.entries(setting.bits).map(([name, bits]) => `${name}=${bits}${plain}`).join(","), "--act-bits", setting.act);
  } else if (subject.told_bits) {
    const [name, bits] = Object.entries(subject.bits)[0];
    words.push("--bits", `${name}=${bits}${subject.kind === "plain" ? "p" : ""}`);
  }
  words.push("--rows", lanes.rows, "--cols", lanes.cols, "--micro", micro);
  if (width) words.push("--multiply-width", width);
  if (lanes.hold > 1) words.push("--hold", lanes.hold, "--fill", lanes.fill, "--out-lanes", lanes.out_lanes);
  const tech = technology();
  words.push("--tech", tech.edited ? `${tech.name}-edited.toml` : quoted(tech.path));
  if (memory.resident) words.push("--resident");
  else words.push("--batch", memory.batch);
  const kind = tech.counts ? null : data.drams[state.dram];
  words.push(...(kind ? ["--dram", kind.name, "--clock", state.clock] : ["--bandwidth", memory.bandwidth]), "--json");
  return words.join(" ");
}
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

const key = () => node("p", {}, ...data.splits.map((split) => node("span", { class: "key" }, node("i", { class: split }), split)));

function stack(split, most) {
  const bar = node("div", { class: "stack", "aria-hidden": "true" });
  for (const [name, value] of Object.entries(split)) {
    const part = node("span", { class: name });
    part.style.width = `${(100 * value.expected) / most}%`;
    bar.append(part);
  }
  return bar;
}

function showLayers(result, tech) {
  const most = Math.max(...result.layers.map((layer) => layer.energy.expected));
  const body = node("tbody");
  for (const layer of result.layers) {
    const opened = state.open.has(layer.name);
    const opener = node("button", {
      type: "button", class: "open", "aria-expanded": String(opened), "data-layer": layer.name,
      onclick: () => { state.open[opened ? "delete" : "add"](layer.name); update(`[data-layer="${layer.name}"]`); },
    }, layer.name);
    body.append(node("tr", { "data-row": layer.name },
      node("th", { scope: "row" }, opener), node("td", { class: "left" }, `${layer.kind.replace("_", " ")} ${layer.shape.join("×")}`),
      node("td", {}, bitsCell(layer)), node("td", {}, layer.macs ? whole(layer.macs) : "–"), node("td", { "data-cell": "cycles" }, whole(layer.cycles)),
      node("td", { "data-cell": "energy" }, energyText(layer.energy, tech.counts)), node("td", { class: "wide" }, stack(layer.split, most))));
    if (opened) body.append(node("tr", { class: "events" }, node("td", { colspan: "7" }, eventTable(layer, result, tech))));
  }
  const heads = ["layer", "kind, map", "weight bits", "MACs", "cycles", "energy", "datapath, memory, DRAM"];
  const scroll = $("layers").scrollTop;
  $("layers").replaceChildren(key(), node("table", {},
    node("caption", {}, `One image on ${settingName(state.setting)}`),
    node("thead", {}, node("tr", {}, ...heads.map((head, i) => node("th", { scope: "col", class: i === 1 || i === 6 ? "left" : null }, head)))), body));
  $("layers").scrollTop = scroll;
}

function bitsCell(layer) {
  if (!layer.free) return layer.weight_width === null ? "–" : String(layer.weight_width);
  const bits = bitsShown()[layer.name], widths = data.weight_bits.includes(bits) ? data.weight_bits : [...data.weight_bits, bits];
  return node("select", {
    "aria-label": `Weight bits of ${layer.name}`, "data-bits": layer.name,
    onchange: (event) => { byHand(); state.setting.bits[layer.name] = Number(event.target.value); update(`[data-bits="${layer.name}"]`); },
  }, ...widths.map((width) => node("option", { value: width, selected: width === bits ? "" : null }, width)));
}

function eventTable(layer, result, tech) {
  const rows = [];
  layer.counts.forEach((count, number) => {
    if (!count) return;
    const kind = data.events[number], price = result.prices[number].expected, entry = kind.memory === null ? kind.entry : "sram";
    const size = kind.memory === null ? "" : `, memory of ${short(result.capacity[kind.memory] / 8192)} KiB`;
    rows.push([kind.name, kind.part, whole(count), short(price), energyText(band(count * price), tech.counts), `${entry}${kind.overhead ? " × overhead" : ""}${size}: ${tech.entries[entry].source}`]);
  });
  return table(`Counted events of ${layer.name}; ${layer.roof.bits ? `${whole(layer.roof.bits)} bits of DRAM` : "nothing from DRAM"}`,
    ["event", "part", "count", tech.counts ? "each" : "pJ each", "in all, expected", "price: entry and its source"], rows);
}

function showBars(place, what, values, text, classOf) {
  const entries = Object.entries(values).filter(([, value]) => value.expected > 0).sort((a, b) => b[1].expected - a[1].expected);
  const most = Math.max(...entries.map(([, value]) => value.expected)), sum = entries.reduce((total, [, value]) => total + value.expected, 0);
  const body = entries.map(([name, value]) => {
    const bar = node("div", { class: "stack", "aria-hidden": "true" }, node("span", { class: classOf(name) }));
    bar.firstChild.style.width = `${(100 * value.expected) / most}%`;
    return node("tr", {}, node("th", { scope: "row" }, name), node("td", {}, text(value)), node("td", {}, `${(100 * value.expected / sum).toFixed(0)} %`), node("td", { class: "wide" }, bar));
  });
  $(place).replaceChildren(node("div", { class: "scroll" }, node("table", {}, node("caption", {}, what),
    node("thead", {}, node("tr", {}, ...["part", "expected (low–high)", "share", ""].map((c) => node("th", { scope: "col" }, c)))), node("tbody", {}, ...body))));
}

let frontKey = null, frontPlace = null;
function showFront(result, tech) {
  const all = designs(tech), cost = COSTS[state.axis], key = JSON.stringify([designsKey, state.axis, state.floor]);
  if (key !== frontKey) frontPlace = drawFront(all, tech, cost);
  frontKey = key;
  const accuracy = accuracyOf(data, state.setting).value;
  if (frontPlace) frontPlace(accuracy === null ? null : { accuracy, name: settingName(state.setting), cost: cost.of({ ...result, area: result.totalArea }) });
  return all;
}

// The picture and its table; returns what marks the present design in it.
function drawFront(all, tech, cost) {
  const own = all.map((design) => ({ ...design, cost: cost.of(design), go: () => choose(design) }));
  const points = [...own, ...pointsOfFiles(tech)], front = frontOf(points, (p) => p.cost);
  front.forEach((point) => { point.front = true; });
  const [scale, unit] = state.axis === "energy" ? energyUnit(front[0]?.cost ?? 1, tech.counts) : state.axis === "area" ? areaUnit(1e6, tech.counts) : [1, "cycles"];
  const axis = { title: `${state.axis === "cycles" ? "" : `${state.axis}, `}${unit}${state.axis === "area" ? "" : " per image"}`, text: cost.text,
    tick: (v) => (v / scale >= 1e4 ? `${whole(v / scale / 1e3)}k` : String(Number((v / scale).toPrecision(2)))) };
  const legend = node("figcaption", {}, ...[["onfront", "no other is cheaper and as accurate"], ["point", "look-up and serial lanes"], ["plain", "plain multipliers"], ["here", "this design"]]
    .map(([name, text]) => node("span", { class: "key" }, dotKey(name), text)));
  const { svg, place } = frontPicture(points, state.floor, axis);
  $("front").replaceChildren(svg, legend);
  const rows = front.map((point) => [point.go ? node("button", { type: "button", class: "open", onclick: point.go }, point.name) : point.name,
    `${point.accuracy.toFixed(2)} %`, cost.text(point.cost)]);
  $("front-table").replaceChildren(table(`Front of ${points.length} trained designs by ${state.axis}`, ["design", "top-1, measured", state.axis], rows));
  return place;
}

function pointsOfFiles(tech) {
  if (tech.edited) return [];
  const costs = { energy: "energy_pj", area: "area_um2", cycles: "cycles" };
  return data.results.filter((p) => p.technology === tech.name && p.accuracy !== null)
    .map((p) => ({ ...p, name: `${p.name} (as in ${p.file})`, cost: p[costs[state.axis]] }));
}

function dotKey(name) {
  const svg = svgNode("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
  svg.style.width = "14px";
  svg.append(svgNode("circle", { class: name === "plain" ? "point plain" : name, cx: 7, cy: 7, r: name === "here" ? 5 : 4.5 }));
  return svg;
}

// The cheapest of those at least as accurate as the floor.
const cheapest = (all, cost) => all.filter((d) => d.accuracy >= state.floor).reduce((a, b) => (a && cost(a) <= cost(b) ? a : b), null);

// The verdict's ratio with one entry of the technology at its low and at its high, all others as expected.
function showSensitivity() {
  if (!$("sensitivity").open) return;
  const tech = technology(), all = designs(tech), cost = COSTS.energy.of;
  const plain = cheapest(all.filter((d) => d.plain), cost), look = cheapest(all.filter((d) => !d.plain), cost);
  if (!plain || !look) {
    $("tornado").replaceChildren("There are not two designs to compare.");
    return;
  }
  const middle = Object.fromEntries(Object.entries(tech.entries).map(([name, entry]) => [name, { ...entry, ...band(entry.expected) }]));
  const ratioAt = (name, corner) => {
    const entries = { ...middle, [name]: { ...middle[name], ...band(tech.entries[name][corner]) } };
    const [ours, theirs] = [look, plain].map((d) => totalOf(evaluate(data, { ...tech, entries }, d.setting, state.memory).parts).expected);
    return ours / theirs;
  };
  const rows = Object.keys(tech.entries).filter((name) => !name.includes("area")).map((name) => ({ name, ends: ["low", "high"].map((corner) => ratioAt(name, corner)) }))
    .filter(({ ends }) => ends[0] !== ends[1]).sort((a, b) => Math.abs(b.ends[1] - b.ends[0]) - Math.abs(a.ends[1] - a.ends[0]));
  const values = [1, ...rows.flatMap((row) => row.ends)], low = Math.min(...values), width = Math.max(...values) - low || 1;
  const bar = (ends) => {
    const made = node("div", { class: "one", "aria-hidden": "true" }, node("span"));
    made.style.setProperty("--mid", `${(100 * (1 - low)) / width}%`);
    Object.assign(made.firstChild.style, { left: `${(100 * (Math.min(...ends) - low)) / width}%`, width: `max(3px, ${(100 * Math.abs(ends[1] - ends[0])) / width}%)` });
    return made;
  };
  const turned = (ends) => (ends.every((end) => end < 1) || ends.every((end) => end > 1) ? "" : " turns");
  $("tornado").replaceChildren(table(`Energy of ${look.name} over that of ${plain.name}; one entry of ${tech.name} at a time, dashed: 1`,
    ["entry", "at its low", "at its high", "range"], rows.map(({ name, ends }) => [name, short(ends[0]), short(ends[1]) + turned(ends), bar(ends)])));
}

function showVerdict(all, tech) {
  const cost = COSTS.energy.of, plain = cheapest(all.filter((d) => d.plain), cost), look = cheapest(all.filter((d) => !d.plain), cost);
  const at = `At ${state.floor.toFixed(1)} % and more, measured`;
  if (!plain || !look) {
    const only = plain ?? look;
    $("verdict").textContent = only ? `${at}: only ${only.name}, ${energyText(only.energy, tech.counts)}.` : `No trained program reaches ${state.floor.toFixed(1)} %.`;
    return;
  }
  const partsAt = (design) => evaluate(data, tech, design.setting, state.memory).parts, ratio = ratioOf(data, partsAt(look), partsAt(plain));
  const judged = ratio === null ? "" : ratio.high < 1 ? "look-up needs less in every corner of the table"
    : ratio.low > 1 ? "plain multipliers need less in every corner of the table" : "undecided: the bar contains 1";
  $("verdict").textContent = `${at}, the least energy is ${energyText(look.energy, tech.counts)} without plain multipliers (${look.name}) and ${
    energyText(plain.energy, tech.counts)} with them (${plain.name}); ratio ${ratio === null ? "unknown" : barText(ratio, 1, "").trim()}: ${judged}.`;
}

function showRoof(result) {
  $("roof").replaceChildren(roofPicture(result.layers, result.sheet.peak, state.memory.bandwidth),
    node("figcaption", { class: "quiet" }, `${whole(result.layers.reduce((sum, l) => sum + l.roof.cycles, 0))} cycles where each layer hides the faster of array and DRAM; `,
      `violet: waits for memory, blue: for the array`));
  const rows = result.layers.map((l) => [l.name, whole(l.cycles), whole(l.roof.memory), l.roof.bound, l.roof.intensity === null ? "–" : short(l.roof.intensity), short(l.roof.attainable), short(l.roof.achieved)]);
  $("roof-table").replaceChildren(table("Layers under the roof", ["layer", "array cycles", "memory cycles", "bound", "MACs/bit", "roof MACs", "MACs/cycle"], rows));
}

function showSources(tech) {
  const { setting } = state, program = data.programs[setting.program ?? data.base], items = [];
  items.push(`Program: ${program.path}, digest ${program.digest}.`);
  if (setting.program === null) items.push(`Bits by hand: layers whose bits differ from this program's have assumed weights: all codes equally frequent, levels of ${data.level_width} bits in a codebook, sums as wide as the program's. Such a network has not been trained.`);
  const predictor = data.predictor;
  items.push(predictor ? `Predicted top-1 = ${predictor.intercept.toFixed(2)} − ${predictor.weight.toFixed(2)} × mean of 2^−(weight bits) − ${predictor.act.toFixed(2)} × 2^−(activation bits), fitted to the programs here. It knows nothing of how long a program was trained. Each program predicted from the others: ${
    Object.entries(predictor.errors).map(([name, error]) => `${data.programs.find((p) => p.name === name).label} ${error >= 0 ? "+" : "−"}${Math.abs(error).toFixed(2)}`).join(", ")} points.`
    : "Top-1 is not predicted: too few programs with known accuracy and different bits.");
  items.push("Cycles: the cycle model of the RTL, the same numbers in co-simulation.");
  items.push(`Activity: ${data.assumed}.`, `Technology ${tech.name} (${tech.node}): ${tech.summary}${tech.edited ? "; edited on this page" : ""}.`);
  items.push("Plain multipliers: lanes `uniform`, which store levels instead of codes; the same integers.", `adqhw ${data.version}; computed on this page: sums and products of counted events and the prices above.`);
  $("sources").replaceChildren(node("ul", {}, ...items.map((item) => node("li", {}, item))),
    node("details", {}, node("summary", {}, "Entries of the technology"), node("div", { class: "scroll" },
      table(tech.name, ["entry", "unit", "low", "expected", "high", "source"], Object.entries(tech.entries).map(
        ([name, entry]) => [name, data.units[name], ...CORNERS.map((corner) => String(entry[corner])), entry.source])))));
}

// -- controls ----------------------------------------------------------------------------------------

const options = (place, items) => $(place).replaceChildren(...items.map(([value, text]) => node("option", { value }, text)));
const shortWay = (a) => (a.hold === 1 ? "hold 1" : `hold ${a.hold}, fill ${a.fill}, ${a.out_lanes} out`);
const ways = () => [...new Map(data.arrays.map((a) => [wayOf(a), shortWay(a)]))];
const sizeOf = (lanes) => `${lanes.rows}×${lanes.cols}`;
const wayOf = (lanes) => `${lanes.hold}/${lanes.fill}/${lanes.out_lanes}`;

function byHand() {
  if (state.setting.program === null) return;
  takeBitsOf(state.setting.program);
  state.setting.program = null;
}

function fillControls() {
  options("program", [["hand", `by hand, on ${data.programs[data.base].label}`],
    ...data.programs.map((p, i) => [i, `${p.label}${p.accuracy === null ? "" : ` (${p.accuracy.toFixed(2)} %)`}`])]);
  options("kind", data.kinds.map((kind) => [kind, kind === "plain" ? "plain integers" : "codes of a codebook"]));
  options("act", data.act_bits.map((bits) => [bits, bits]));
  options("micro", data.micros.map((micro) => [micro, microText(micro)]));
  options("size", [...new Set(data.arrays.map(sizeOf))].map((size) => [size, size]));
  options("way", ways());
  options("tech", data.technologies.map((tech, i) => [i, `${tech.name} (${tech.node})`]));
  options("dram", [[-1, "as in the table"], ...data.drams.map((kind, i) => [i, kind.name])]);
  Object.assign($("budget"), { min: Math.min(...data.weight_bits), max: Math.max(...data.weight_bits) });
  $("entries").replaceChildren(...Object.entries(data.units).map(([name, unit]) => node("div", { class: "row" },
    node("label", { for: `entry-${name}` }, `${name}, ${unit}`),
    node("input", { id: `entry-${name}`, type: "number", min: "0", step: "any", "data-entry": name }))));
}

function showControls(tech) {
  const { setting, memory } = state, lanes = data.arrays[setting.array];
  $("program").value = setting.program ?? "hand";
  $("kind").value = setting.kind;
  $("act").value = setting.act;
  $("micro").value = setting.micro;
  $("size").value = sizeOf(lanes);
  $("way").value = wayOf(lanes);
  const average = averageBits(data, bitsShown());
  $("budget").value = average;
  $("budget-text").textContent = average.toFixed(2);
  $("load").value = memory.resident ? "resident" : "batch";
  $("batch").disabled = memory.resident;
  $("dram").value = state.dram;
  $("bandwidth").disabled = state.dram >= 0;
  if (state.dram >= 0) $("bandwidth").value = Number(memory.bandwidth.toPrecision(6));
  $("tech").value = state.tech;
  $("tech-text").textContent = tech.summary + (tech.edited ? " (edited)" : "");
  for (const input of document.querySelectorAll("[data-entry]")) {
    if (document.activeElement !== input) input.value = tech.entries[input.dataset.entry].expected;
  }
}

function update(focus = null) {
  const start = performance.now(), tech = technology();
  showControls(tech);
  $("design").textContent = `${settingName(state.setting)}; ${wayText(data.arrays[state.setting.array])}`;
  const result = evaluate(data, tech, state.setting, state.memory);
  $("refused").hidden = !result.refused;
  for (const section of document.querySelectorAll("main section")) section.hidden = Boolean(result.refused);
  if (result.refused) {
    $("refused").textContent = `No figures: ${result.refused}`;
  } else {
    showCards(result, tech);
    showVerdict(showFront(result, tech), tech);
    showSensitivity();
    showLayers(result, tech);
    showBars("parts", `One image, ${energyText(result.energy, tech.counts)} in all`, result.parts, (v) => energyText(v, tech.counts), (name) => data.splitOfPart[name]);
    showBars("areas", `${areaText(result.totalArea, tech.counts)} in all`, result.area, (v) => areaText(v, tech.counts), (name) => (name.includes("memory") || name === "sums" ? "memory" : "datapath"));
    showRoof(result);
    $("command").textContent = commandText();
  }
  showSources(tech);
  if (focus) document.querySelector(focus)?.focus();
  keepAddress();
  document.documentElement.dataset.milliseconds = (performance.now() - start).toFixed(1);
  window.explorer.result = result;
}

function chooseArray(size, way) {
  const found = data.arrays.findIndex((a) => sizeOf(a) === size && wayOf(a) === way);
  state.setting.array = found < 0 ? data.arrays.findIndex((a) => sizeOf(a) === size) : found;
}

function findCheapest() {
  const cost = COSTS[state.goal].of, best = cheapest(designs(technology()), cost);
  if (best) {
    state.axis = $("axis").value = state.goal;
    choose(best);
  }
  $("found").textContent = best ? `${best.name}: ${best.accuracy.toFixed(2)} %, ${COSTS[state.goal].text(cost(best))}`
    : `No trained program reaches ${state.floor} %.`;
}

const positive = (input, least) => Math.max(least, Number(input.value) || least);
const CONTROLS = {
  program: (v) => { if (v === "hand") byHand(); else { state.setting.program = Number(v); takeBitsOf(Number(v)); } },
  kind: (v) => { byHand(); state.setting.kind = v; },
  act: (v) => { byHand(); state.setting.act = Number(v); },
  budget: (v) => { byHand(); state.setting.bits = bitsWithin(data, Number(v)); },
  micro: (v) => { state.setting.micro = v; },
  size: (v) => chooseArray(v, wayOf(data.arrays[state.setting.array])),
  way: (v) => chooseArray(sizeOf(data.arrays[state.setting.array]), v),
  load: (v) => { state.memory.resident = v === "resident"; },
  batch: () => { state.memory.batch = Math.round(positive($("batch"), 1)); },
  dram: (v) => { state.dram = Number(v); takeBandwidth(); },
  bandwidth: () => takeBandwidth(),
  clock: () => { state.clock = positive($("clock"), 0.001); takeBandwidth(); },
  tech: (v) => { state.tech = Number(v); },
  axis: (v) => { state.axis = v; },
  goal: (v) => { state.goal = v; },
  floor: () => { state.floor = positive($("floor"), 0); },
};

function listen() {
  for (const [id, act] of Object.entries(CONTROLS)) {
    $(id).addEventListener(id === "budget" ? "input" : "change", (event) => {
      $("found").textContent = "";
      act(event.target.value);
      update();
    });
  }
  $("sensitivity").addEventListener("toggle", showSensitivity);
  $("controls").addEventListener("submit", (event) => event.preventDefault());
  $("find").addEventListener("click", findCheapest);
  $("floor").addEventListener("keydown", (event) => { if (event.key === "Enter") { CONTROLS.floor(); findCheapest(); } });
  $("entries").addEventListener("change", (event) => {
    const value = Number(event.target.value), edits = state.edits[state.tech];
    if (value > 0) edits[event.target.dataset.entry] = value;
    else delete edits[event.target.dataset.entry];
    update();
  });
  $("reset").addEventListener("click", () => { state.edits[state.tech] = {}; update(); });
  $("save").addEventListener("click", () => download(`${technology().name}-edited.toml`, tomlText(technology())));
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText($("command").textContent));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  document.documentElement.style.colorScheme = name;
  $("theme").setAttribute("aria-pressed", String(name === "dark"));
}

const tomlString = (text) => JSON.stringify(text);
function tomlText(tech) {
  const head = ["name", "node", "summary", "sram_law"].map((key) => `${key} = ${tomlString(tech[key])}`);
  const entries = Object.entries(tech.entries).map(([name, entry]) => [`[entry.${name}]`,
    `value = { ${CORNERS.map((corner) => `${corner} = ${entry[corner]}`).join(", ")} }`, `unit = ${tomlString(data.units[name])}`,
    ...["source", "node", "note"].map((key) => `${key} = ${tomlString(entry[key])}`)].join("\n"));
  return `[technology]\n${head.join("\n")}\n\n${entries.join("\n\n")}\n`;
}

function download(name, text) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  node("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

// The setting stands in the address, so that it can be kept and passed on.
function keepAddress() {
  const { setting, memory, clock, tech, dram, floor } = state;
  const kept = { ...setting, bits: setting.program === null ? setting.bits : {}, memory, clock, tech, dram, floor };
  try { history.replaceState(null, "", `#${encodeURIComponent(JSON.stringify(kept))}`); } catch { /* too long, or refused */ }
}

function takeAddress() {
  try {
    const kept = JSON.parse(decodeURIComponent(location.hash.slice(1)));
    window.explorer.set(kept);
  } catch { /* no setting, or not one of this page */ }
}

// What tests and scripts set at once; unknown values are left as they are.
window.explorer = {
  data, state,
  set(kept) {
    const setting = { ...state.setting, ...Object.fromEntries(["program", "kind", "act", "micro", "array"].filter((k) => k in kept).map((k) => [k, kept[k]])) };
    setting.bits = { ...state.setting.bits, ...kept.bits };
    if (!data.micros.includes(setting.micro) || !data.arrays[setting.array] || !data.kinds.includes(setting.kind) || !data.act_bits.includes(setting.act)) return;
    if (setting.program !== null && !data.programs[setting.program]) return;
    if (data.layers.some((l) => l.free && !data.weight_bits.includes(setting.bits[l.name]))) return;
    state.setting = setting;
    if (kept.memory?.batch >= 1 && kept.memory?.bandwidth > 0) state.memory = { resident: Boolean(kept.memory.resident), batch: kept.memory.batch, bandwidth: kept.memory.bandwidth };
    if (kept.clock > 0) state.clock = kept.clock;
    if (data.technologies[kept.tech]) state.tech = kept.tech;
    if (kept.dram === -1 || data.drams[kept.dram]) state.dram = kept.dram;
    if (kept.floor >= 0 && kept.floor <= 100) state.floor = kept.floor;
    for (const id of ["batch", "bandwidth"]) $(id).value = state.memory[id];
    $("clock").value = state.clock;
    $("floor").value = state.floor;
    update();
  },
  cost: (setting, memory = state.memory) => evaluate(data, technology(), setting, memory),
};

theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
takeBitsOf(data.base);
const known = data.programs.map((p) => p.accuracy).filter((a) => a !== null);
state.floor = known.length ? Math.floor(Math.max(...known)) : 0;
$("floor").value = state.floor;
$("subject").textContent = `${data.layers.length} layers, ${whole(data.layers.reduce((sum, l) => sum + l.macs, 0))} MACs; ${data.programs.length} trained programs, ${data.micros.length} micro-architectures, ${data.arrays.length} arrays`;
state.setting.array = Math.max(0, data.arrays.findIndex((a) => a.rows === 16 && a.hold === 1));
fillControls();
listen();
update();
takeAddress();
document.documentElement.dataset.ready = "yes";

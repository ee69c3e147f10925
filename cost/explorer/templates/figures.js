// Figures of one design: cards, parts, roofline, sources, the command line.

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
  const cards = [
    accuracyCard(accuracyOf(data, setting)),
    card("Energy per image", energyText(result.energy, tech.counts), `counted events × ${tech.name}${tech.edited ? ", edited" : ""}; ${statisticsText()}`),
    card("Cycles per image", whole(result.cycles), `and ${whole(result.inputCycles)} in which it comes in; the cycle model's, equal to the RTL's`),
    card("Area", areaText(result.totalArea, tech.counts), `cells and memories × ${tech.name}${tech.edited ? ", edited" : ""}, not placed`),
  ];
  if (result.operation) cards.push(...operationCards(result.operation, tech));
  const plain = data.micros.includes("uniform") && !base.refused
    ? evaluate(data, tech, { ...setting, micro: "uniform" }, memory) : null;
  const ratio = plain && !isPlain(setting.micro) ? ratioOf(data, result.parts, plain.parts) : null;
  if (ratio) cards.push(card("To plain multipliers", barText(ratio, 1, "×"), "energy over that of the same integers on multipliers that store levels, same array"));
  cards.push(card("Weight bits", averageBits(data, bitsShown()).toFixed(2), `average of layers that are free; activations ${actShown()} bits`));
  $("cards").replaceChildren(...cards);
}

function operationCards(at, tech) {
  const supply = tech.voltage ?? tech.memories?.voltage ?? null, waits = at.dram !== null && at.dram > at.latency;
  const where = `at ${state.clock} MHz${supply === null ? "" : ` and ${short(supply)} V`}`;
  const parts = Object.entries(at.by).map(([name, value]) => `${name} ${powerText(value)}`).join(", ");
  const [slowest] = at.paths;
  return [
    card("Latency", `${short(at.latency)} ms`, `${whole(at.cycles)} cycles ${where}`),
    card("Images per second", short(at.perSecond), waits ? `DRAM is the limit: ${short(at.dram)} ms per image` : "the array is the limit; images do not overlap"),
    card("Power", powerText(at.watts), parts),
    card("Efficiency", barText(at.perWatt, 1, "TOPS/W"), `${short(at.tops)} TOPS; without DRAM ${barText(at.perWattChip, 1, "TOPS/W")}`),
    card("Slack", at.slack === null ? "unknown" : `${short(at.slack)} ns`, slowest ? `${slowest.name} takes ${short(slowest.ns)} of ${short(1e3 / state.clock)} ns; no wires, no clock skew` : "no delay is known without a memory table"),
  ];
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
  const images = state.setting.program === null ? null : data.programs[state.setting.program].measured_images;
  if (images !== null) return `activity of ${whole(images)} images`;
  return count ? `activations assumed not 0; ${count} of ${all} layers with assumed weights` : "activations assumed not 0";
}

// other: a table as it is shipped, in the place of the page's own and of what was chosen for that.
function commandText(other = null) {
  const { setting, memory } = state, lanes = data.arrays[setting.array], [micro, width] = setting.micro.split(":");
  const subject = data.programs[setting.program ?? data.base], words = ["adqhw estimate", quoted(subject.path)];
  if (setting.program === null) {
    const plain = setting.kind === "plain" ? "p" : "";
    words.push("--bits", Object.entries(setting.bits).map(([name, bits]) => `${name}=${bits}${plain}`).join(","), "--act-bits", setting.act);
  } else if (subject.measured_images !== null) {
    words.push("--images", subject.measured_images);
  } else if (subject.told_bits) {
    const [name, bits] = Object.entries(subject.bits)[0];
    words.push("--bits", `${name}=${bits}${subject.kind === "plain" ? "p" : ""}`);
  }
  words.push("--rows", lanes.rows, "--cols", lanes.cols, "--micro", micro);
  if (width) words.push("--multiply-width", width);
  if (lanes.hold > 1) words.push("--hold", lanes.hold, "--fill", lanes.fill, "--out-lanes", lanes.out_lanes);
  const tech = technology();
  words.push("--tech", other ? quoted(other.path) : tech.edited ? `${tech.plainName}-edited.toml` : quoted(tech.path));
  const memories = data.memories[state.memories];
  if (!other && memories && memories.node === tech.node) words.push("--memories", quoted(memories.path));
  if (!other && state.voltage !== null && tech.voltage !== null) words.push("--voltage", state.voltage);
  if (memory.resident) words.push("--resident");
  else words.push("--batch", memory.batch);
  const counts = data.technologies[state.tech].counts, kind = counts ? null : data.drams[state.dram];
  if (kind) words.push("--dram", quoted(kind.path));
  if (!dramShown()) words.push("--bandwidth", memory.bandwidth);
  if (!tech.counts) words.push("--clock", state.clock);
  words.push("--json");
  return words.join(" ");
}
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

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

// Memories as the memory table builds them.
function showMemories(result, tech) {
  $("built").hidden = !result.built;
  if (!result.built) return;
  const rows = Object.entries(result.built).map(([name, one]) => [name, one.kind, `${one.banks} × ${one.beside} of ${one.words} × ${one.width}`, one.copies, one.ports,
    short(1e3 * one.read.expected), short(1e3 * one.write.expected), short(one.area.expected / 1e6), short(one.access.expected)]);
  $("memories-table").replaceChildren(table(`By ${tech.memories.name} (${tech.memories.node}) at ${short(tech.voltage ?? tech.memories.voltage)} V: ${tech.memories.summary}`,
    ["memory", "kind", "banks × beside of words × bits", "copies", "ports", "read fJ/bit", "write fJ/bit", "mm²", "access ns"], rows));
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
  const run = cosimulated();
  items.push(run ? `Cycles: the cycle model; marked RTL where ${run.simulator} counted the same in the emitted Verilog. ${whole(run.images)} images were co-simulated: ${whole(run.mismatches)} of ${whole(run.compared)} codes differ from the golden ones.`
    : "Cycles: the cycle model of the RTL, the same numbers in co-simulation.");
  items.push(`Activity: ${statisticsText() === "activations assumed not 0" ? data.assumed : statisticsText()}.`, `Technology ${tech.name} (${tech.node}): ${tech.summary}${tech.edited ? "; edited on this page" : ""}.`);
  items.push("Plain multipliers: lanes `uniform`, which store levels instead of codes; the same integers.", `adqhw ${data.version}; computed on this page: sums and products of counted events and the prices above.`);
  $("sources").replaceChildren(node("ul", {}, ...items.map((item) => node("li", {}, item))),
    node("details", {}, node("summary", {}, "Entries of the technology"), node("div", { class: "scroll" },
      table(tech.name, ["entry", "unit", "low", "expected", "high", "source"], Object.entries(tech.entries).map(
        ([name, entry]) => [name, data.units[name], ...CORNERS.map((corner) => String(entry[corner])), entry.source])))),
    ...(tech.memories ? [node("details", {}, node("summary", {}, "Entries of the memory table"), node("div", { class: "scroll" },
      table(tech.memories.name, ["entry", "low", "expected", "high", "source"], Object.entries(tech.memories.entries).map(
        ([name, entry]) => [name, ...CORNERS.map((corner) => String(entry[corner])), entry.source]))))] : []));
}

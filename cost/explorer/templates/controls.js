// Controls -> setting -> figures.

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
  options("memories", [[-1, "as in the technology"], ...data.memories.map((table, i) => [i, `${table.name} (${table.node})`])]);
  options("dram", [[-1, "as in the technology"], ...data.drams.map((kind, i) => [i, kind.name])]);
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
  const fits = fittingMemories(tech);
  if (!fits[state.memories]) state.memories = -1;
  [...$("memories").options].slice(1).forEach((option, i) => { option.disabled = !fits[i]; });
  $("memories").value = state.memories;
  const own = data.technologies[state.tech];
  $("dram").value = own.counts ? -1 : state.dram;
  $("dram").disabled = own.counts;
  $("bandwidth").disabled = Boolean(dramShown());
  $("voltage").disabled = own.voltage === null;
  $("voltage").placeholder = own.voltage ?? "not said";
  if (document.activeElement !== $("voltage")) $("voltage").value = own.voltage === null ? "" : state.voltage ?? own.voltage;
  $("bandwidth").value = Number(memory.bandwidth.toPrecision(6));
  $("tech").value = state.tech;
  $("tech-text").textContent = tech.summary + (tech.edited ? " (edited)" : "");
  for (const input of document.querySelectorAll("[data-entry]")) {
    if (document.activeElement !== input) input.value = tech.entries[input.dataset.entry].expected;
  }
}

function update(focus = null) {
  const start = performance.now();
  // read before anything is written: to ask a changed page for a position has it laid out at once
  const [network, layers] = ["network", "layers"].map((id) => $(id).scrollTop);
  showControls(ownTable());
  const tech = technology();
  $("design").textContent = `${settingName(state.setting)}; ${wayText(data.arrays[state.setting.array])}`;
  const result = costed(tech, state.setting, state.memory);
  $("refused").hidden = !result.refused;
  for (const section of document.querySelectorAll("main section")) section.hidden = Boolean(result.refused) || (section.dataset.optional && !data.gates.length);
  if (result.refused) {
    $("refused").textContent = `No figures: ${result.refused}`;
  } else {
    showCards(result, tech);
    showVerdict(showFront(result, tech), tech);
    showSensitivity();
    showNetwork(result, tech, network);
    showLayers(result, tech, layers);
    showMemories(result, tech);
    showBars("parts", `One image, ${energyText(result.energy, tech.counts)} in all`, result.parts, (v) => energyText(v, tech.counts), (name) => data.splitOfPart[name]);
    showBars("areas", `${areaText(result.totalArea, tech.counts)} in all`, result.area, (v) => areaText(v, tech.counts), (name) => (name.includes("memory") || name === "sums" ? "memory" : "datapath"));
    showRoof(result);
    $("command").textContent = commandText();
    showGates();
  }
  showSources(tech);
  if (focus) document.querySelector(focus)?.focus();
  keepAddress();
  document.documentElement.dataset.milliseconds = (performance.now() - start).toFixed(1);
  window.explorer.result = result;
}

// A design's costs, and what they are at the clock where the technology has energies.
function costed(tech, setting, memory) {
  const result = evaluate(data, tech, setting, memory);
  if (result.refused || tech.counts) return result;
  const operation = operationOf(tech, result, state.clock);
  return operation.refused ? operation : { ...result, operation };
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
  bandwidth: () => { state.bandwidth = positive($("bandwidth"), 0.1); takeBandwidth(); },
  clock: () => { state.clock = Math.min(1e5, positive($("clock"), 0.001)); takeBandwidth(); },
  memories: (v) => { state.memories = Number(v); },
  voltage: () => { const volts = Number($("voltage").value); state.voltage = volts > 0 && volts !== data.technologies[state.tech].voltage ? volts : null; },
  tech: (v) => { state.tech = Number(v); state.voltage = null; takeBandwidth(); },
  axis: (v) => { state.axis = v; },
  goal: (v) => { state.goal = v; },
  floor: () => { state.floor = positive($("floor"), 0); },
};

function listen() {
  for (const [id, act] of Object.entries(CONTROLS)) {
    $(id).addEventListener(id === "budget" ? "input" : "change", (event) => {
      const floor = state.floor;
      act(event.target.value);
      if (id !== "floor" || floor !== state.floor) $("found").textContent = "";  // Enter has searched already
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
  $("save").addEventListener("click", () => download(`${ownTable().name}-edited.toml`, tomlText(ownTable())));
  $("copy").addEventListener("click", () => navigator.clipboard?.writeText($("command").textContent));
  $("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  document.documentElement.style.colorScheme = name;
  $("theme").setAttribute("aria-pressed", String(name === "dark"));
}

// State of the controls, the prices that follow from it, and all trained designs.

const data = await unpack($("data").textContent.trim());
const trainedCache = new Map();
const state = {
  setting: { program: data.base, kind: null, act: null, bits: {}, micro: data.micros[0], array: 0 },
  memory: { resident: false, batch: 1, bandwidth: 64 },
  bandwidth: 64, clock: 200, tech: 0, dram: -1, memories: -1, voltage: null, edits: data.technologies.map(() => ({})),
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

// choice: what stands in the place of the state's own choices.
function technology(choice = {}) {
  const { memories, dram, voltage } = { ...state, ...choice };
  return atVoltage(withDram(withMemories(ownTable(), memories), dram), voltage);
}

// The table with the numbers that were set on this page, and nothing else changed.
function ownTable() {
  const own = { ...data.technologies[state.tech] }, edits = state.edits[state.tech];
  own.plainName = own.name;
  if (!Object.keys(edits).length) return own;
  const entries = { ...own.entries };
  for (const [name, value] of Object.entries(edits)) entries[name] = { ...entries[name], ...band(value), source: "set on this page" };
  return { ...own, entries, counts: false, edited: true };
}

// No sum has parts of two nodes: tables of another one are not on offer.
const fittingMemories = (tech) => data.memories.map((table) => table.node === tech.node);
function withMemories(tech, chosen) {
  const table = data.memories[chosen];
  return table && table.node === tech.node ? { ...tech, name: `${tech.name}+${table.name}`, memories: table } : tech;
}

// At another supply: switching energies go with its square, DRAM keeps its own.
function atVoltage(tech, volts) {
  if (volts === null || tech.voltage === null) return tech;
  const square = (volts / tech.voltage) ** 2;
  const entries = Object.fromEntries(Object.entries(tech.entries).map(([name, entry]) => [name,
    data.units[name].startsWith("pJ") && name !== "dram" ? { ...entry, ...times(entry, square) } : entry]));
  return { ...tech, entries, voltage: volts };
}

// The table with the chosen type of DRAM in place of its own entry; tables of counts keep theirs.
function withDram(tech, chosen) {
  const kind = data.drams[chosen];
  if (!kind || data.technologies[state.tech].counts) return tech;
  const dram = { ...tech.entries.dram, ...kind.pj_per_bit, source: kind.source, note: kind.summary };
  return { ...tech, name: `${tech.name}+${kind.name}`, dram: kind, entries: { ...tech.entries, dram } };
}

const dramShown = () => (data.technologies[state.tech].counts ? null : data.drams[state.dram] ?? data.technologies[state.tech].dram);

// A type of DRAM has a bandwidth of its own, in bits per cycle of the clock.
function takeBandwidth() {
  const kind = dramShown();
  state.memory.bandwidth = kind ? kind.bandwidth_gbytes_s * 8e3 / state.clock : state.bandwidth;
}

const settingName = (setting) => `${setting.program === null ? "bits by hand" : data.programs[setting.program].label}, ${
  microText(setting.micro)}, ${arrayText(data.arrays[setting.array])}`;

// Every trained program on every array that takes it; kept until a price or a memory changes.
let designsKey = null, designsKept = [];
function designs(tech) {
  const { resident, batch } = state.memory, key = JSON.stringify([state.tech, state.edits[state.tech], state.dram, state.memories, state.voltage, resident, batch]);
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
  energy: { of: (d) => d.energy.expected, text: (v) => energyText(band(v), ownTable().counts) },
  cycles: { of: (d) => d.cycles, text: (v) => `${whole(v)} cycles` },
  area: { of: (d) => d.area.expected, text: (v) => areaText(band(v), ownTable().counts) },
};

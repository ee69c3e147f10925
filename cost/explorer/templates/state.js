// State of the controls, the prices that follow from it, and all trained designs.

const data = await unpack($("data").textContent.trim());
const trainedCache = new Map();
const state = {
  setting: { program: data.base, kind: null, act: null, bits: {}, micro: data.micros[0], array: 0 },
  memory: { resident: false, batch: 1, bandwidth: 64 },
  bandwidth: 64, clock: 200, tech: 0, dram: -1, edits: data.technologies.map(() => ({})),
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
  state.memory.bandwidth = kind ? kind.bandwidth_gbytes_s * 8e3 / state.clock : state.bandwidth;
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

// Built memories: the twin of cost/technology/built.py. Energies of an access to one copy.

const MEMORY_OF = { weight_bits: "weights", activation_bits: "activations", parameter_bits: "parameters", sum_bits: "sums" };
const PART_OF_MEMORY = { weights: "weights", activations: "activations", parameters: "tables", sums: "sums" };
const AREA_OF_MEMORY = { weights: "weight memory", activations: "activation memory", parameters: "parameter memory", sums: "sums" };

const up = (value, by) => Math.ceil(value / by);
const further = (factor, ports) => band(...CORNERS.map((corner) => 1 + (factor[corner] - 1) * (ports - 1)));

// pJ to move a bit between a macro and the port: over the side of the square of all, less that of one.
function movedBit(table, oneArea, macros) {
  const millimetres = (corner) => (Math.sqrt(oneArea[corner]) * (Math.sqrt(macros) - 1)) / 1e3;
  return product(table.entries.wire, band(...CORNERS.map(millimetres)));
}

function shapeOf(use, demand) {
  const width = Math.min(use.width, demand.word);
  return { words: up(up(demand.bits, demand.word), use.banks), width, beside: up(demand.word, width) };
}

function sramMemory(table, use, demand, ports) {
  const { entries } = table, { words, width, beside } = shapeOf(use, demand), root = Math.sqrt(words), macros = use.banks * beside;
  const access = plus(entries.sram_word, times(plus(entries.sram_bit, times(entries.sram_line, root)), width));
  const one = product([times(entries.sram_cell_area, words * width), times(entries.sram_row_area, words),
    times(entries.sram_column_area, width), entries.sram_macro_area].reduce(plus), further(entries.port_area, ports));
  const moved = movedBit(table, one, macros), read = times(product(access, further(entries.port_energy, ports)), beside / demand.word);
  const cells = words * width * macros * demand.copies;
  return { words, width, banks: use.banks, beside, ports, read: plus(read, moved), write: plus(product(read, entries.sram_write), moved),
    standing: band(0), area: times(one, macros * demand.copies), leakage: times(entries.sram_leakage, cells * 1e-6),
    access: plus(entries.sram_access, times(entries.sram_access_line, root)) };
}

// Flip-flops or latches with a gated clock for each row, read through multiplexers.
function cellMemory({ entries }, use, demand, ports) {
  const { words, width, beside } = shapeOf(use, demand), cell = use.kind === "registers" ? "register" : "latch";
  const cells = words * width * use.banks * beside * demand.copies;
  return { words, width, banks: use.banks, beside, ports, read: times(entries.cell_read, words - 1), write: entries[`${cell}_write`],
    standing: times(entries.row_gate, words * use.banks * beside * demand.copies),
    area: product(times(entries[`${cell}_area`], cells), further(entries.port_area, Math.max(1, ports - 1))),
    leakage: times(entries[`${cell}_leakage`], cells * 1e-6), access: band(0) };
}

// Macros of the user's compiler: those that cover the memory with the least area.
function macroMemory(table, use, demand, ports) {
  const words = up(demand.bits, demand.word), cost = (m) => {
    const banks = up(words, m.words), beside = up(demand.word, m.width);
    return { macro: m, banks, beside, area: banks * beside * m.area_um2.expected, read: beside * m.read_pj.expected };
  };
  const fitting = table.macros.filter((m) => m.ports >= ports).map(cost);
  if (!fitting.length) {
    return { refused: `Memory table '${table.name}' must have a macro with ${ports} ports for ${demand.name}: it has ${table.macros.length} of other kinds` };
  }
  const best = fitting.reduce((a, b) => (b.area < a.area || (b.area === a.area && b.read < a.read) ? b : a));
  const { macro, banks, beside } = best, all = banks * beside, moved = movedBit(table, macro.area_um2, all);
  return { words: macro.words, width: macro.width, banks, beside, ports: macro.ports,
    read: plus(times(macro.read_pj, beside / demand.word), moved), write: plus(times(macro.write_pj, beside / demand.word), moved),
    standing: band(0), area: times(macro.area_um2, all * demand.copies), leakage: times(macro.leakage_uw, all * demand.copies), access: macro.access_ns };
}

const BUILDERS = { sram: sramMemory, registers: cellMemory, latches: cellMemory, macro: macroMemory };

// One memory at a supply: energies go with its square, leakage with itself, access times stay.
function buildMemory(table, name, demand, voltage) {
  const use = table.organizations[name], ports = use.ports || demand.ports;
  if (ports < demand.ports) return { refused: `Memory ${name} must have ${demand.ports} ports, which the accelerator uses at once, not ${ports}` };
  const made = BUILDERS[use.kind](table, use, { ...demand, name }, ports);
  if (made.refused) return made;
  const ratio = (voltage ?? table.voltage) / table.voltage, square = ratio * ratio;
  return { ...made, kind: use.kind, copies: demand.copies, read: times(made.read, square), write: times(made.write, square),
    standing: times(made.standing, square), leakage: times(made.leakage, ratio) };
}

// Every memory that holds anything; null without a memory table, {refused} where it has none that fits.
function buildAll(tech, sheet, capacity, widest) {
  if (!tech.memories) return null;
  const built = {};
  for (const [bitsName, name] of Object.entries(MEMORY_OF)) {
    const bits = capacity[bitsName], demand = sheet.demands[name];
    if (!bits || !demand) continue;
    const word = name === "weights" ? sheet.word_lanes * (sheet.holds ? 1 : widest) : demand.word;
    built[name] = buildMemory(tech.memories, name, { ...demand, bits, word }, tech.voltage);
    if (built[name].refused) return built[name];
  }
  return built;
}

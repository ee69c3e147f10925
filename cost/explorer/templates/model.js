// Costs of a setting: counted events of the tables times the unit energies that are set.
// Nothing but sums and products; every function mirrors one of cost/estimate/energy.py.

const CORNERS = ["low", "expected", "high"];
const LOADED = new Set(["weight_load_bit", "parameter_write_bit", "dram_weight_bit"]);
const CLOCK_PART = "clock";
// Numbers of a row before its counts: cycles, clocked cycles, weight store, kept weights, kept parameters, weight width.
const HEAD = 6;

const band = (low, expected = low, high = low) => ({ low, expected, high });
const plus = (a, b) => band(a.low + b.low, a.expected + b.expected, a.high + b.high);
const times = (a, n) => band(a.low * n, a.expected * n, a.high * n);
const product = (a, b) => band(a.low * b.low, a.expected * b.expected, a.high * b.high);

// pJ to read or write a bit of a memory of `bits`.
function sramBit(tech, bits) {
  const unit = tech.entries.sram;
  if (tech.sram_law === "flat") return unit;
  const floor = tech.entries.sram_floor, kib = bits / 8192;
  const root = (corner) => Math.sqrt(Math.max(kib, floor[corner]));
  return product(unit, band(...CORNERS.map(root)));
}

// pJ of an event of each kind, by its number.
function eventPrices(data, tech, capacity, built) {
  return data.events.map((kind) => {
    if (kind.memory !== null && built) {
      const memory = built[MEMORY_OF[kind.memory]];
      return memory ? (kind.name.endsWith("_read_bit") ? memory.read : memory.write) : band(0);
    }
    if (kind.memory !== null) return sramBit(tech, capacity[kind.memory]);
    const entry = tech.entries[kind.entry];
    return kind.overhead ? product(entry, tech.entries.datapath_overhead) : entry;
  });
}

// Row numbers and the sheet of a setting; {refused} where the lanes do not take it. Layers whose bits
// are not free have the same row at any width.
function sheetOf(data, setting, micro = setting.micro) {
  const config = data.micros.indexOf(micro) * data.arrays.length + setting.array;
  if (setting.program !== null) {
    const sheet = data.trained[config][setting.program];
    return sheet.refused ? sheet : { sheet, rows: sheet.rows };
  }
  const name = `${setting.kind}/${setting.act}`, sheets = data.by_hand[config];
  const refused = sheets[name]?.refused ?? {};
  const bad = data.layers.find((layer) => layer.free && setting.bits[layer.name] in refused);
  if (bad) return { refused: refused[setting.bits[bad.name]] };
  const needs = variantOf(data, setting).needs, key = [...data.needs];
  const fixed = data.weight_bits.find((width) => !(width in refused));
  const widths = data.layers.map((layer) => (layer.free ? setting.bits[layer.name] : fixed));
  widths.forEach((width, i) => needs[width][i].forEach((need, k) => { key[k] = Math.max(key[k], need); }));
  const sheet = sheets[`${name}/${key.join("/")}`];
  return { sheet, rows: widths.map((width, i) => sheet.rows[width][i]) };
}

const variantOf = (data, setting) =>
  data.variants.find((v) => v.kind === setting.kind && v.act_width === setting.act);

// Counts of one row as a vector over the kinds of events, with the share of a load.
function countsOf(data, sheet, row, memory) {
  const counts = new Float64Array(data.events.length);
  for (let i = HEAD; i < row.length; i += 2) counts[row[i]] = row[i + 1];
  counts[data.clock] = row[1] * sheet.flip_flops;
  for (const number of data.loaded) {
    counts[number] = memory.resident ? 0 : counts[number] / memory.batch;
  }
  return counts;
}

function capacityOf(data, sheet, rows) {
  const stored = rows.reduce((sum, number) => sum + data.pool[number][2], 0);
  return {
    weight_bits: sheet.unit * Math.max(1, Math.ceil(stored / sheet.per)),
    activation_bits: sheet.activation_bits,
    parameter_bits: sheet.parameter_bits,
    sum_bits: sheet.sum_bits,
  };
}

// What memories draw in `cycles` whatever is accessed.
function addStanding(parts, built, cycles) {
  for (const [name, memory] of Object.entries(built ?? {})) {
    const part = PART_OF_MEMORY[name];
    parts[part] = plus(parts[part], times(memory.standing, cycles));
  }
  return parts;
}

function partsOf(data, counts, prices) {
  const parts = Object.fromEntries(data.parts.map((part) => [part, band(0)]));
  counts.forEach((count, number) => {
    if (count) {
      const part = data.events[number].part;
      parts[part] = plus(parts[part], times(prices[number], count));
    }
  });
  return parts;
}

const totalOf = (parts) => Object.values(parts).reduce(plus, band(0));

function splitOf(data, parts) {
  const splits = Object.fromEntries(data.splits.map((split) => [split, band(0)]));
  for (const [part, value] of Object.entries(parts)) {
    const split = data.splitOfPart[part];
    splits[split] = plus(splits[split], value);
  }
  return splits;
}

function areaOf(tech, sheet, capacity, built) {
  const area = {};
  for (const [name, terms] of Object.entries(sheet.logic)) {
    const bare = Object.entries(terms)
      .map(([entry, bits]) => times(tech.entries[entry], bits)).reduce(plus, band(0));
    area[name] = product(bare, tech.entries.area_overhead);
  }
  if (built) {
    const names = sheet.sums_area_bits ? Object.keys(AREA_OF_MEMORY) : ["weights", "activations", "parameters"];
    for (const name of names) area[AREA_OF_MEMORY[name]] = built[name]?.area ?? band(0);
    return area;
  }
  const memories = {
    "weight memory": capacity.weight_bits,
    "activation memory": capacity.activation_bits,
    "parameter memory": capacity.parameter_bits,
  };
  if (sheet.sums_area_bits) memories.sums = sheet.sums_area_bits;
  for (const [name, bits] of Object.entries(memories)) {
    area[name] = times(tech.entries.sram_area, bits);
  }
  return area;
}

// Everything of one setting, layer by layer: what `adqhw estimate --json` prints.
function evaluate(data, tech, setting, memory) {
  const found = sheetOf(data, setting);
  if (found.refused) return found;
  const { sheet, rows } = found;
  const capacity = capacityOf(data, sheet, rows), built = buildAll(tech, sheet, capacity, widestOf(data, rows));
  if (built?.refused) return built;
  const prices = eventPrices(data, tech, capacity, built);
  const layers = rows.map((number, i) => {
    const row = data.pool[number], counts = countsOf(data, sheet, row, memory);
    const parts = addStanding(partsOf(data, counts, prices), built, row[1]);
    return {
      ...data.layers[i], counts, cycles: row[0], parts, energy: totalOf(parts),
      split: splitOf(data, parts), area: keptArea(tech, capacity, built, row),
      roof: roofOf(data, counts, data.layers[i].macs, row[0], sheet.peak, memory.bandwidth),
    };
  });
  const parts = Object.fromEntries(data.parts.map(
    (part) => [part, layers.reduce((sum, layer) => plus(sum, layer.parts[part]), band(0))]));
  const area = areaOf(tech, sheet, capacity, built);
  return {
    sheet, capacity, built, prices, inputCycles: sheet.input_cycles, layers, parts, area,
    cycles: layers.reduce((sum, layer) => sum + layer.cycles, 0),
    energy: totalOf(parts), split: splitOf(data, parts), totalArea: totalOf(area),
  };
}

// The roofline of cost/estimate/roofline.py: the slower of array and DRAM.
function roofOf(data, counts, macs, cycles, peak, bandwidth) {
  const bits = counts[data.dramWeight] + counts[data.dramMap];
  const memory = Math.ceil(bits / bandwidth);
  const intensity = bits ? macs / bits : null;
  return {
    bits, memory, intensity, bound: memory > cycles ? "memory" : "array",
    cycles: Math.max(cycles, memory),
    attainable: intensity === null ? peak : Math.min(peak, intensity * bandwidth),
    achieved: macs / Math.max(cycles, memory),
  };
}

const widestOf = (data, rows) => rows.reduce((most, number) => Math.max(most, data.pool[number][5]), 0) || 1;

// um2 of the on-chip memory that keeps a layer's weights and tables.
function keptArea(tech, capacity, built, row) {
  if (!built) return tech.entries.sram_area.expected * (row[3] + row[4]);
  const share = (name, bits, whole) => (built[name] ? built[name].area.expected * (bits / whole) : 0);
  return share("weights", row[3], capacity.weight_bits) + share("parameters", row[4], capacity.parameter_bits);
}

// Totals alone, for the hundreds of designs of the front: rows are added once for each sheet.
function summarize(data, tech, setting, memory, cache) {
  const found = sheetOf(data, setting);
  if (found.refused) return null;
  if (!cache.has(found.sheet)) cache.set(found.sheet, summed(data, found));
  const { total, cycles, clocked, widest, capacity } = cache.get(found.sheet);
  const built = buildAll(tech, found.sheet, capacity, widest);
  if (built?.refused) return null;
  const prices = eventPrices(data, tech, capacity, built);
  const energy = Object.values(built ?? {}).reduce((sum, one) => plus(sum, times(one.standing, clocked)), band(0));
  const share = memory.resident ? 0 : 1 / memory.batch;
  for (const [number, count] of total) {
    const shared = data.loaded.includes(number) ? count * share : count, price = prices[number];
    energy.low += price.low * shared;
    energy.expected += price.expected * shared;
    energy.high += price.high * shared;
  }
  return { cycles, energy, area: totalOf(areaOf(tech, found.sheet, capacity, built)) };
}

// Cycles, capacities and the counts that are not 0, of all layers together.
function summed(data, { sheet, rows }) {
  const total = new Map(), add = (number, count) => total.set(number, (total.get(number) ?? 0) + count);
  let cycles = 0, clocked = 0;
  for (const number of rows) {
    const row = data.pool[number];
    cycles += row[0];
    clocked += row[1];
    add(data.clock, row[1] * sheet.flip_flops);
    for (let i = HEAD; i < row.length; i += 2) add(row[i], row[i + 1]);
  }
  return { total: [...total], cycles, clocked, widest: widestOf(data, rows), capacity: capacityOf(data, sheet, rows) };
}

// ours / theirs, each source of error at any of its corners: `ratio` of cost/estimate/energy.py.
function ratioOf(data, ours, theirs) {
  const names = [CLOCK_PART, ...data.splits];
  const sources = (parts) => {
    const sums = Object.fromEntries(names.map((name) => [name, band(0)]));
    for (const [part, value] of Object.entries(parts)) {
      const name = part === CLOCK_PART ? part : data.splitOfPart[part];
      sums[name] = plus(sums[name], value);
    }
    return names.map((name) => sums[name]);
  };
  const mine = sources(ours), other = sources(theirs);
  const at = (corner) => {
    const sum = (side) => side.reduce((total, value, i) => total + value[corner[i]], 0);
    return sum(mine) / sum(other);
  };
  const expected = at(names.map(() => "expected"));
  if (!Number.isFinite(expected)) return null;
  let corners = [[]];
  for (const _ of names) corners = corners.flatMap((c) => CORNERS.map((key) => [...c, key]));
  const values = corners.map(at);
  return band(Math.min(...values), expected, Math.max(...values));
}

// Top-1 of a setting: known of a trained program, else predicted and said to be so.
function accuracyOf(data, setting) {
  if (setting.program !== null) {
    const program = data.programs[setting.program];
    return { value: program.accuracy, measured: program.accuracy !== null, source: program.accuracy_source };
  }
  const trained = trainedAs(data, setting);
  if (trained) return { value: trained.accuracy, measured: true, source: trained.accuracy_source, of: trained };
  const model = data.predictor;
  if (!model) return { value: null, measured: false, source: "too few trained programs to predict from" };
  const free = data.layers.filter((layer) => layer.free);
  const loss = free.reduce((sum, layer) => sum + 2 ** -setting.bits[layer.name], 0) / free.length;
  return {
    value: model.intercept - model.weight * loss - model.act * 2 ** -setting.act, measured: false,
    error: model.median_error, source: "predicted from the trained programs",
  };
}

// The best trained program with exactly these bits.
function trainedAs(data, setting) {
  const same = data.programs.filter((program) => program.accuracy !== null
    && program.kind === setting.kind
    && program.act_widths.length === 1 && program.act_widths[0] === setting.act
    && data.layers.every((layer) => !layer.free || program.bits[layer.name] === setting.bits[layer.name]));
  return same.sort((a, b) => b.accuracy - a.accuracy)[0];
}

const averageBits = (data, bits) => {
  const free = data.layers.filter((layer) => layer.free);
  const weights = free.reduce((sum, layer) => sum + layer.weights, 0);
  return free.reduce((sum, layer) => sum + layer.weights * bits[layer.name], 0) / weights;
};

// Bits under a budget of average weight bits: the loss per saved bit that the predictor expects.
function bitsWithin(data, budget) {
  const widths = [...data.weight_bits].sort((a, b) => a - b);
  const bits = Object.fromEntries(data.layers.filter((l) => l.free).map((l) => [l.name, widths.at(-1)]));
  const step = (layer) => {
    const next = widths[widths.indexOf(bits[layer.name]) - 1];
    if (next === undefined) return null;
    const saved = layer.weights * (bits[layer.name] - next);
    return { layer, next, cost: (2 ** -next - 2 ** -bits[layer.name]) / saved };
  };
  while (averageBits(data, bits) > budget + 1e-9) {
    const steps = data.layers.filter((layer) => layer.free).map(step).filter(Boolean);
    if (!steps.length) break;
    const best = steps.reduce((a, b) => (b.cost < a.cost ? b : a));
    bits[best.layer.name] = best.next;
  }
  return bits;
}

// Members that no other one beats in both: less cost, more accuracy.
function frontOf(points, cost) {
  const sorted = [...points].sort((a, b) => cost(a) - cost(b) || b.accuracy - a.accuracy);
  let best = -Infinity;
  return sorted.filter((point) => {
    const on = point.accuracy > best;
    best = Math.max(best, point.accuracy);
    return on;
  });
}

// Base64 of a deflated JSON object.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const data = JSON.parse(await new Response(stream).text());
  const names = data.events.map((kind) => kind.name);
  data.clock = names.indexOf("clock_bit");
  data.dramWeight = names.indexOf("dram_weight_bit");
  data.dramMap = names.indexOf("dram_map_bit");
  data.loaded = names.flatMap((name, i) => (LOADED.has(name) ? [i] : []));
  data.splitOfPart = Object.fromEntries(data.events.map((kind) => [kind.part, kind.split]));
  return data;
}

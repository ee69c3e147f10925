// A design at a clock: the twin of cost/estimate/operation.py.

const ALPHA = 1.3;
const delayOf = (volts, threshold) => volts / (volts - threshold) ** ALPHA;

// Factor of a delay at the technology's supply over the same at `own`; {refused} where it has no value.
function slower(tech, own) {
  const threshold = tech.threshold_voltage, volts = tech.voltage;
  if (threshold === null || volts === null || own === null || volts === own) return 1;
  const bad = [volts, own].find((value) => value <= threshold);
  if (bad !== undefined) return { refused: `Voltage must be above the threshold voltage ${threshold} V of '${tech.plainName}', not ${bad} V: its delays have no value there` };
  return delayOf(volts, threshold) / delayOf(own, threshold);
}

function operationOf(tech, result, clock, gatePaths = []) {
  const cycles = result.cycles + result.inputCycles, latency = cycles / (clock * 1e3);
  const bits = result.layers.reduce((sum, layer) => sum + layer.roof.bits, 0);
  const dram = tech.dram ? bits / (tech.dram.bandwidth_gbytes_s * 8e6) : null;
  const perSecond = 1e3 / Math.max(latency, dram ?? 0);
  const by = Object.fromEntries(Object.entries(result.split).map(([name, value]) => [name, times(value, perSecond * 1e-12)]));
  const paths = gatePaths.map((path) => ({ name: path.name, ns: path.ns * slower(tech, path.voltage) }));
  if (result.built) {
    by.leakage = times(Object.values(result.built).map((memory) => memory.leakage).reduce(plus, band(0)), 1e-6);
    const factor = slower(tech, tech.memories.voltage);
    if (factor.refused) return factor;
    for (const [name, memory] of Object.entries(result.built)) {
      if (memory.access.expected) paths.push({ name: `memory of ${name}`, ns: memory.access.expected * factor });
    }
  }
  paths.sort((a, b) => b.ns - a.ns);
  const watts = Object.values(by).reduce(plus, band(0));
  const chip = Object.entries(by).filter(([name]) => name !== "dram").map(([, value]) => value).reduce(plus, band(0));
  const tops = (2 * result.layers.reduce((sum, layer) => sum + layer.macs, 0) * perSecond) / 1e12;
  const per = (power) => band(tops / power.high, tops / power.expected, tops / power.low);
  return { cycles, latency, dram, perSecond, by, watts, chip, tops, perWatt: per(watts), perWattChip: per(chip),
    paths, slack: paths.length ? 1e3 / clock - paths[0].ns : null };
}

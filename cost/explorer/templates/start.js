// Files and addresses that keep a setting, and the first picture.

const tomlString = (text) => JSON.stringify(text);
function tomlText(tech) {
  const head = ["name", "node", "summary", "sram_law"].map((key) => `${key} = ${tomlString(tech[key])}`);
  for (const key of ["voltage", "threshold_voltage"]) if (tech[key] !== null) head.push(`${key} = ${tech[key]}`);
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
  const { setting, memory, clock, tech, dram, memories, voltage, floor } = state;
  const kept = { ...setting, bits: setting.program === null ? setting.bits : {}, memory, clock, tech, dram, memories, voltage, floor };
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
    if (!(kept.dram >= 0)) state.bandwidth = state.memory.bandwidth;
    if (kept.clock > 0) state.clock = kept.clock;
    if (data.technologies[kept.tech]) state.tech = kept.tech;
    if (kept.memories === -1 || data.memories[kept.memories]) state.memories = kept.memories;
    if (kept.voltage === null || kept.voltage > 0) state.voltage = kept.voltage;
    if (kept.dram === -1 || data.drams[kept.dram]) state.dram = kept.dram;
    if (kept.floor >= 0 && kept.floor <= 100) state.floor = kept.floor;
    for (const id of ["batch", "bandwidth"]) $(id).value = state.memory[id];
    $("clock").value = state.clock;
    $("floor").value = state.floor;
    update();
  },
  cost: (setting, memory = state.memory) => costed(technology(), setting, memory),
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

// What moves the verdict: the ratio of two designs with one assumption changed at a time.

// A table whose entries have no bars: all as expected, or one of them at a corner.
function atCorner(entries, name = null, corner = "expected") {
  return Object.fromEntries(Object.entries(entries).map(([key, entry]) => [key, { ...entry, ...band(entry[key === name ? corner : "expected"]) }]));
}
const middleOf = (tech) => ({ ...tech, entries: atCorner(tech.entries), memories: tech.memories && { ...tech.memories, entries: atCorner(tech.memories.entries) } });

// The two designs: the one that is set against plain multipliers at the floor of top-1.
function rivals(tech) {
  const all = designs(tech), cost = COSTS.energy.of, plain = cheapest(all.filter((d) => d.plain), cost);
  const own = isPlain(state.setting.micro) ? cheapest(all.filter((d) => !d.plain), cost)
    : { setting: { ...state.setting }, name: settingName(state.setting) };
  return plain && own ? { own, plain } : null;
}

function ratioWith({ own, plain }, { tech = middleOf(technology()), memory = state.memory, move = (setting) => setting, plainMicro = null }) {
  const costs = [own.setting, plainMicro ? { ...plain.setting, micro: plainMicro } : plain.setting].map((setting) => {
    const moved = move(setting);
    return moved && summarize(data, tech, moved, memory, new Map())?.energy.expected;
  });
  const ratio = costs[0] / costs[1];
  return Number.isFinite(ratio) ? ratio : null;
}

// Every assumption with what it may be; `pick` lists [label, change] of `ratioWith`.
function assumptions(tech) {
  const middle = middleOf(tech), rows = [], other = (choice) => ({ tech: middleOf(technology(choice)) });
  const ends = (what, entries, made) => Object.keys(entries).forEach((name) => rows.push({ name: `${what}${name}`,
    pick: ["low", "high"].map((corner) => [`${short(entries[name][corner])}`, { tech: made(atCorner(entries, name, corner)) }]) }));
  ends("", tech.entries, (entries) => ({ ...middle, entries }));
  if (tech.memories) ends(`${tech.memories.name}: `, tech.memories.entries, (entries) => ({ ...middle, memories: { ...middle.memories, entries } }));
  if (!tech.counts) rows.push({ name: "DRAM type", pick: data.drams.map((kind, i) => [kind.name, other({ dram: i })]) });
  const tables = data.memories.flatMap((table, i) => (table.node === tech.node ? [[table.name, other({ memories: i })]] : []));
  if (tables.length) rows.push({ name: "on-chip memories", pick: [["as in the technology", other({ memories: -1 })], ...tables] });
  if (tech.voltage) rows.push({ name: "supply", pick: [0.8, 1.2].map((by) => [`${short(by * tech.voltage)} V`, other({ voltage: by * tech.voltage })]) });
  const on = (test) => (setting) => {
    const array = data.arrays.findIndex((lanes) => test(lanes, data.arrays[setting.array]));
    return array < 0 ? null : { ...setting, array };
  };
  rows.push({ name: "array", pick: [...new Set(data.arrays.map(sizeOf))].map((size) => [size, { move: on((to, from) => sizeOf(to) === size && wayOf(to) === wayOf(from)) }]) });
  rows.push({ name: "dataflow", pick: ways().map(([way, text]) => [text, { move: on((to, from) => wayOf(to) === way && sizeOf(to) === sizeOf(from)) }]) });
  rows.push({ name: "network from DRAM", pick: [["for every image", { memory: { ...state.memory, resident: false, batch: 1 } }],
    ["once per 100 images", { memory: { ...state.memory, resident: false, batch: 100 } }], ["never", { memory: { ...state.memory, resident: true } }]] });
  rows.push({ name: "plain multipliers", pick: data.micros.filter(isPlain).map((micro) => [microText(micro), { plainMicro: micro }]) });
  return rows;
}

function showSensitivity() {
  if (!$("sensitivity").open) return;
  const tech = technology(), pair = rivals(tech);
  if (!pair) {
    $("tornado").replaceChildren("There are not two designs to compare.");
    return;
  }
  const now = ratioWith(pair, {}), rows = assumptions(tech).map(({ name, pick }) => {
    const found = pick.map(([label, change]) => ({ label, ratio: ratioWith(pair, change) })).filter(({ ratio }) => ratio !== null);
    return { name, found: found.sort((a, b) => a.ratio - b.ratio) };
  }).filter(({ found }) => found.length > 1 && found.at(-1).ratio - found[0].ratio > 1e-9)
    .sort((a, b) => (b.found.at(-1).ratio - b.found[0].ratio) - (a.found.at(-1).ratio - a.found[0].ratio));
  const values = [1, now, ...rows.flatMap(({ found }) => [found[0].ratio, found.at(-1).ratio])], low = Math.min(...values), width = Math.max(...values) - low || 1;
  const at = (value) => `${(100 * (value - low)) / width}%`;
  const bar = (from, to) => {
    const made = node("div", { class: "one", "aria-hidden": "true" }, node("span"));
    made.style.setProperty("--mid", at(1));
    Object.assign(made.firstChild.style, { left: at(from), width: `max(3px, ${(100 * (to - from)) / width}%)` });
    return made;
  };
  const turned = (least, most) => (least < 1 && most > 1 ? " turns" : "");
  $("tornado").replaceChildren(table(`Energy of ${pair.own.name} over that of ${pair.plain.name}: ${short(now)}; one assumption of ${tech.name} at a time, all others as set, dashed: 1`,
    ["assumption", "least", "most", "range"], rows.map(({ name, found }) => {
      const [least, most] = [found[0], found.at(-1)];
      return [name, `${short(least.ratio)} (${least.label})`, `${short(most.ratio)} (${most.label})${turned(least.ratio, most.ratio)}`, bar(least.ratio, most.ratio)];
    })));
}

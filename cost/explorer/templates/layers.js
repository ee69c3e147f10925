// The table of layers, down to every counted event.

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

function showLayers(result, tech, scroll) {
  const most = Math.max(...result.layers.map((layer) => layer.energy.expected)), checked = cosimulated();
  const body = node("tbody");
  for (const layer of result.layers) {
    const opened = state.open.has(layer.name);
    const opener = node("button", {
      type: "button", class: "open", "aria-expanded": String(opened), "data-layer": layer.name,
      onclick: () => { state.open[opened ? "delete" : "add"](layer.name); update(`[data-layer="${layer.name}"]`); },
    }, layer.name);
    body.append(node("tr", { "data-row": layer.name },
      node("th", { scope: "row" }, opener), node("td", { class: "left" }, `${layer.kind.replace("_", " ")} ${layer.shape.join("×")}`),
      node("td", {}, bitsCell(layer)), node("td", {}, layer.macs ? whole(layer.macs) : "–"), node("td", { "data-cell": "cycles" }, whole(layer.cycles), checked === null ? null : tag(checked.cycles[layer.name] === layer.cycles, "RTL")),
      node("td", { "data-cell": "energy" }, energyText(layer.energy, tech.counts)), node("td", { class: "wide" }, stack(layer.split, most))));
    if (opened) body.append(node("tr", { class: "events" }, node("td", { colspan: "7" }, eventTable(layer, result, tech))));
  }
  const heads = ["layer", "kind, map", "weight bits", "MACs", "cycles", "energy", "datapath, memory, DRAM"];
  $("layers").replaceChildren(key(), node("table", {},
    node("caption", {}, `One image on ${settingName(state.setting)}`),
    node("thead", {}, node("tr", {}, ...heads.map((head, i) => node("th", { scope: "col", class: i === 1 || i === 6 ? "left" : null }, head)))), body));
  if (scroll) $("layers").scrollTop = scroll;
}

// The co-simulation of exactly this program on exactly this array, or null.
function cosimulated() {
  const { setting } = state, lanes = JSON.stringify(data.arrays[setting.array]);
  return data.cosimulated.find((run) => setting.program !== null && run.program === data.programs[setting.program].name
    && run.micro === setting.micro && JSON.stringify(run.lanes) === lanes) ?? null;
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
    const source = kind.memory !== null && result.built ? `${tech.memories.name}${size}` : `${entry}${kind.overhead ? " × overhead" : ""}${size}: ${tech.entries[entry].source}`;
    rows.push([kind.name, kind.part, whole(count), short(price), energyText(band(count * price), tech.counts), source]);
  });
  return table(`Counted events of ${layer.name}; ${layer.roof.bits ? `${whole(layer.roof.bits)} bits of DRAM` : "nothing from DRAM"}`,
    ["event", "part", "count", tech.counts ? "each" : "pJ each", "in all, expected", "price: entry and its source"], rows);
}

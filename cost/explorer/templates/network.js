// The network as a picture: layers in order and what they read, bits as colour and text, energy as width.

const NODE = { step: 30, high: 24, left: 96, name: 176, bits: 74, bar: 300 };

// A lane at the left for each way that skips layers, such that no two in one lane overlap.
function skipsOf(layers) {
  const place = new Map(layers.map((layer, i) => [layer.name, i])), lanes = [], skips = [];
  layers.forEach((layer, i) => layer.reads.forEach((read) => {
    const from = place.get(read) ?? -1;
    if (from === i - 1) return;
    let lane = lanes.findIndex((end) => end < from);
    if (lane < 0) lane = lanes.length;
    lanes[lane] = i;
    skips.push({ from, to: i, lane });
  }));
  return skips;
}

const bitsOfLayer = (layer) => (layer.weight_width === null ? null : layer.free ? bitsShown()[layer.name] : layer.weight_width);

function networkPicture(result, tech) {
  const layers = result.layers, high = (layers.length + 1) * NODE.step + 8, wide = NODE.left + NODE.name + NODE.bits + NODE.bar + 150;
  const svg = svgNode("svg", { viewBox: `0 0 ${wide} ${high}`, role: "group", "aria-label": "Layers of the network in order; each opens its events" });
  const y = (i) => 4 + (i + 1) * NODE.step, middle = (i) => y(i) + NODE.high / 2, stem = NODE.left + 14;
  const most = Math.max(...layers.map((layer) => layer.energy.expected));
  svg.append(svgNode("text", { x: NODE.left, y: y(-1) + 16 }, "image"));
  layers.forEach((layer, i) => {
    if (layer.reads.some((read) => read === (i ? layers[i - 1].name : read))) svg.append(svgNode("line", { class: "wire", x1: stem, x2: stem, y1: y(i - 1) + NODE.high, y2: y(i) }));
  });
  for (const { from, to, lane } of skipsOf(layers)) {
    const x = Math.max(6, NODE.left - 16 - 13 * lane);
    svg.append(svgNode("path", { class: "wire skip", d: `M${NODE.left},${middle(from)} H${x} V${middle(to)} H${NODE.left - 6} m-5,-4 l5,4 l-5,4` }));
  }
  layers.forEach((layer, i) => svg.append(layerNode(layer, y(i), result, tech, most)));
  return svg;
}

function layerNode(layer, top, result, tech, most) {
  const bits = bitsOfLayer(layer), share = (100 * layer.energy.expected) / result.energy.expected;
  const told = bits === null ? "no weights" : `${bits} bits`, text = top + 16, right = NODE.left + NODE.name;
  const group = svgNode("g", { class: "node", role: "button", tabindex: "0", "data-node": layer.name,
    "aria-label": `${layer.name}: ${layer.kind.replace("_", " ")}, ${told}, ${share.toFixed(1)} % of the energy` });
  group.append(svgNode("title", {}, `${layer.name}: ${layer.kind.replace("_", " ")} ${layer.shape.join("×")}, ${told}, ${energyText(layer.energy, tech.counts)}`));
  group.append(svgNode("rect", { class: "hit", x: NODE.left, y: top, width: NODE.name + NODE.bits + NODE.bar + 60, height: NODE.high }));
  group.append(svgNode("rect", { class: `box b${bits === null ? 0 : Math.min(bits, 8)}`, x: NODE.left, y: top, width: NODE.name + NODE.bits, height: NODE.high, rx: 5 }));
  group.append(svgNode("text", { x: NODE.left + 8, y: text }, layer.name.length > 24 ? `${layer.name.slice(0, 23)}…` : layer.name));
  group.append(svgNode("text", { class: "bits", x: right + NODE.bits - 8, y: text, "text-anchor": "end" }, bits === null ? "–" : told));
  let x = right + NODE.bits + 8;
  for (const [split, value] of Object.entries(layer.split)) {
    const width = (NODE.bar * value.expected) / most;
    if (width > 0) group.append(svgNode("rect", { class: split, x, y: top + 4, width, height: NODE.high - 8 }));
    x += width;
  }
  group.append(svgNode("text", { x: x + 6, y: text }, `${share.toFixed(1)} %`));
  const open = () => { state.open.add(layer.name); update(`[data-layer="${layer.name}"]`); };
  group.addEventListener("click", open);
  group.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(); } });
  return group;
}

function showNetwork(result, tech, scroll) {
  $("network").replaceChildren(networkPicture(result, tech));
  if (scroll) $("network").scrollTop = scroll;
}

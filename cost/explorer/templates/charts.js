// Pictures as SVG. Every picture has a title, a text for screen readers, and a table beside it.

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 760, HIGH = 380, LEFT = 62, RIGHT = 18, TOP = 14, BOTTOM = 46;

function svgNode(name, attributes = {}, text = null) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== null) node.textContent = text;
  return node;
}

function picture(title, text) {
  const svg = svgNode("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": `${title}. ${text}` });
  return svg;
}

const logScale = (low, high, from, to) => (value) =>
  from + ((Math.log10(value) - Math.log10(low)) / (Math.log10(high) - Math.log10(low))) * (to - from);
const linearScale = (low, high, from, to) => (value) => from + ((value - low) / (high - low)) * (to - from);

// 1, 2, 5 times powers of ten between the two.
function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const digit of [1, 2, 5]) {
      const value = digit * 10 ** power;
      if (value >= low && value <= high) ticks.push(value);
    }
  }
  return ticks.length > 9 ? ticks.filter((t) => Number.isInteger(Math.round(Math.log10(t) * 1e6) / 1e6)) : ticks;
}

function linearTicks(low, high) {
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw);
  const ticks = [];
  for (let value = Math.ceil(low / step) * step; value <= high + 1e-9; value += step) ticks.push(value);
  return ticks;
}

function axes(svg, x, y, xTicks, yTicks, xName, yName, show) {
  for (const tick of xTicks) {
    svg.append(svgNode("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP, y2: HIGH - BOTTOM }));
    svg.append(svgNode("text", { x: x(tick), y: HIGH - BOTTOM + 18, "text-anchor": "middle" }, show.x(tick)));
  }
  for (const tick of yTicks) {
    svg.append(svgNode("line", { class: "grid", x1: LEFT, x2: WIDE - RIGHT, y1: y(tick), y2: y(tick) }));
    svg.append(svgNode("text", { x: LEFT - 8, y: y(tick) + 4, "text-anchor": "end" }, show.y(tick)));
  }
  svg.append(svgNode("text", { x: (LEFT + WIDE - RIGHT) / 2, y: HIGH - 8, "text-anchor": "middle" }, xName));
  const turned = { x: 14, y: (TOP + HIGH - BOTTOM) / 2, "text-anchor": "middle" };
  turned.transform = `rotate(-90 14 ${turned.y})`;
  svg.append(svgNode("text", turned, yName));
}

const spread = (values, by) => [Math.min(...values) / by, Math.max(...values) * by];

// Accuracy against a cost. points: {cost, accuracy, name, plain, front, go}. `place` marks one more.
function frontPicture(points, floor, cost) {
  const svg = picture("Top-1 against cost", `${points.length} designs; the table has those of the front.`);
  if (!points.length) return { svg, place: null };
  const [low, high] = spread(points.map((p) => p.cost), 1.15), accuracies = points.map((p) => p.accuracy);
  const bottom = Math.min(...accuracies) - 0.4, top = Math.max(...accuracies) + 0.4;
  const x = logScale(low, high, LEFT, WIDE - RIGHT), y = linearScale(bottom, top, HIGH - BOTTOM, TOP);
  axes(svg, x, y, logTicks(low, high), linearTicks(bottom, top), cost.title, "top-1, %",
    { x: cost.tick, y: (v) => String(Math.round(v * 100) / 100) });
  if (floor > bottom && floor < top) {
    svg.append(svgNode("line", { class: "floor", x1: LEFT, x2: WIDE - RIGHT, y1: y(floor), y2: y(floor) }));
  }
  const front = points.filter((p) => p.front).sort((a, b) => a.cost - b.cost);
  svg.append(svgNode("polyline", { class: "frontline", points: front.map((p) => `${x(p.cost)},${y(p.accuracy)}`).join(" ") }));
  const pointOf = new Map();
  for (const point of [...points.filter((p) => !p.front), ...front]) {
    const kind = point.front ? "onfront" : point.plain ? "point plain" : "point";
    const dot = svgNode("circle", { class: kind, cx: x(point.cost), cy: y(point.accuracy), r: point.front ? 6 : 4 });
    pointOf.set(dot, point);
    svg.append(dot);
  }
  svg.addEventListener("click", (event) => pointOf.get(event.target)?.go?.());
  svg.addEventListener("pointerover", ({ target }) => {  // a text for each of a thousand dots only when it is wanted
    const point = pointOf.get(target);
    if (point && !target.firstChild) target.append(svgNode("title", {}, `${point.name}: ${point.accuracy.toFixed(2)} %, ${cost.text(point.cost)}`));
  });
  const ring = svgNode("circle", { class: "here", r: 10 });
  ring.append(svgNode("title"));
  svg.append(ring);
  const within = (value, least, most) => Math.min(Math.max(value, least), most);
  const place = (here) => {
    ring.setAttribute("visibility", here ? "visible" : "hidden");
    if (!here) return;
    ring.setAttribute("cx", within(x(here.cost), LEFT, WIDE - RIGHT));
    ring.setAttribute("cy", within(y(here.accuracy), TOP, HIGH - BOTTOM));
    ring.firstChild.textContent = `this design: ${here.name}`;
  };
  return { svg, place };
}

// MACs per cycle against MACs per bit of DRAM, both logarithmic.
function roofPicture(layers, peak, bandwidth) {
  const busy = layers.filter((l) => l.macs && l.roof.intensity !== null);
  const svg = picture("Roofline", `Peak ${peak} MACs per cycle, ${bandwidth} bits of DRAM per cycle; ${
    busy.filter((l) => l.roof.bound === "memory").length} of ${busy.length} layers wait for memory.`);
  if (!busy.length) return svg;
  const ridge = peak / bandwidth;
  const [low, high] = spread([ridge, ...busy.map((l) => l.roof.intensity)], 2);
  const least = Math.min(...busy.map((l) => l.roof.achieved), low * bandwidth) / 1.5;
  const x = logScale(low, high, LEFT, WIDE - RIGHT), y = logScale(least, peak * 1.6, HIGH - BOTTOM, TOP);
  const plain = (v) => (v >= 1000 ? `${v / 1000}k` : String(Number(v.toPrecision(2))));
  axes(svg, x, y, logTicks(low, high), logTicks(least, peak * 1.6), "MACs per bit from DRAM", "MACs per cycle", { x: plain, y: plain });
  const points = [[low, low * bandwidth], [ridge, peak], [high, peak]];
  svg.append(svgNode("polyline", { class: "roofline", points: points.map(([a, b]) => `${x(a)},${y(b)}`).join(" ") }));
  for (const layer of busy) {
    const dot = svgNode("circle", { class: layer.roof.bound === "memory" ? "dram" : "datapath", cx: x(layer.roof.intensity), cy: y(layer.roof.achieved), r: 5 });
    dot.append(svgNode("title", {}, `${layer.name}: ${layer.roof.achieved.toFixed(1)} MACs per cycle, limited by ${layer.roof.bound}`));
    svg.append(dot);
  }
  return svg;
}

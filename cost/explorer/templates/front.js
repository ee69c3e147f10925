// All designs: the front, the verdict and what moves it.

let frontKey = null, frontPlace = null;
function showFront(result, tech) {
  const all = designs(tech), cost = COSTS[state.axis], key = JSON.stringify([designsKey, state.axis, state.floor]);
  if (key !== frontKey) frontPlace = drawFront(all, tech, cost);
  frontKey = key;
  const accuracy = accuracyOf(data, state.setting).value;
  if (frontPlace) frontPlace(accuracy === null ? null : { accuracy, name: settingName(state.setting), cost: cost.of({ ...result, area: result.totalArea }) });
  return all;
}

// The picture and its table; returns what marks the present design in it.
function drawFront(all, tech, cost) {
  const own = all.map((design) => ({ ...design, cost: cost.of(design), go: () => choose(design) }));
  const points = [...own, ...pointsOfFiles(tech)], front = frontOf(points, (p) => p.cost);
  front.forEach((point) => { point.front = true; });
  const [scale, unit] = state.axis === "energy" ? energyUnit(front[0]?.cost ?? 1, tech.counts) : state.axis === "area" ? areaUnit(1e6, tech.counts) : [1, "cycles"];
  const axis = { title: `${state.axis === "cycles" ? "" : `${state.axis}, `}${unit}${state.axis === "area" ? "" : " per image"}`, text: cost.text,
    tick: (v) => (v / scale >= 1e4 ? `${whole(v / scale / 1e3)}k` : String(Number((v / scale).toPrecision(2)))) };
  const legend = node("figcaption", {}, ...[["onfront", "no other is cheaper and as accurate"], ["point", "look-up and serial lanes"], ["plain", "plain multipliers"], ["here", "this design"]]
    .map(([name, text]) => node("span", { class: "key" }, dotKey(name), text)));
  const { svg, place } = frontPicture(points, state.floor, axis);
  $("front").replaceChildren(svg, legend);
  const rows = front.map((point) => [point.go ? node("button", { type: "button", class: "open", onclick: point.go }, point.name) : point.name,
    `${point.accuracy.toFixed(2)} %`, cost.text(point.cost)]);
  $("front-table").replaceChildren(table(`Front of ${points.length} trained designs by ${state.axis}`, ["design", "top-1, measured", state.axis], rows));
  return place;
}

function pointsOfFiles(tech) {
  if (tech.edited) return [];
  const costs = { energy: "energy_pj", area: "area_um2", cycles: "cycles" };
  return data.results.filter((p) => p.technology === tech.name && p.accuracy !== null)
    .map((p) => ({ ...p, name: `${p.name} (as in ${p.file})`, cost: p[costs[state.axis]] }));
}

function dotKey(name) {
  const svg = svgNode("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
  svg.style.width = "14px";
  svg.append(svgNode("circle", { class: name === "plain" ? "point plain" : name, cx: 7, cy: 7, r: name === "here" ? 5 : 4.5 }));
  return svg;
}

// The cheapest of those at least as accurate as the floor.
const cheapest = (all, cost) => all.filter((d) => d.accuracy >= state.floor).reduce((a, b) => (a && cost(a) <= cost(b) ? a : b), null);

function showVerdict(all, tech) {
  const cost = COSTS.energy.of, plain = cheapest(all.filter((d) => d.plain), cost), look = cheapest(all.filter((d) => !d.plain), cost);
  const at = `At ${state.floor.toFixed(1)} % and more, measured`;
  if (!plain || !look) {
    const only = plain ?? look;
    $("verdict").textContent = only ? `${at}: only ${only.name}, ${energyText(only.energy, tech.counts)}.` : `No trained program reaches ${state.floor.toFixed(1)} %.`;
    return;
  }
  const partsAt = (design) => evaluate(data, tech, design.setting, state.memory).parts, ratio = ratioOf(data, partsAt(look), partsAt(plain));
  const judged = ratio === null ? "" : ratio.high < 1 ? "look-up needs less in every corner of the table"
    : ratio.low > 1 ? "plain multipliers need less in every corner of the table" : "undecided: the bar contains 1";
  $("verdict").textContent = `${at}, the least energy is ${energyText(look.energy, tech.counts)} without plain multipliers (${look.name}) and ${
    energyText(plain.energy, tech.counts)} with them (${plain.name}); ratio ${ratio === null ? "unknown" : barText(ratio, 1, "").trim()}: ${judged}.`;
}

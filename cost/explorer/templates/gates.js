// Energy by gates: what `estimate --gates` says of trained programs, computed when the page was written.

const gatesOf = ({ program, micro, array }) => (program === null ? []
  : data.gates.filter((g) => g.program === program && g.micro === micro && g.array === array));
const bandText = (value) => (value.low === null ? `${energyText(band(value.expected), false)}, no bar` : energyText(value, false));

// The command that prints the same: activity of images enters events, so it stands apart from the page's own. On arrays that hold weights the
// table must be of the library's node: where the page's is not, it is one that is.
function gatesCommand(found) {
  const own = data.technologies[found.technology] ?? null, node = data.technologies[state.tech].node;
  const words = commandText(own && !own.counts && ![own.node, "none"].includes(node) ? own : null);
  return `${words.replace(/ --images \S+/, "").replace(/ --json$/, "")} ${found.files.map((file) => `--gates ${quoted(file)}`).join(" ")} --data DIR --images ${found.images} --json`;
}

function showGates() {
  if (!data.gates.length) return;
  const here = gatesOf(state.setting);
  if (!here.length) {
    const known = data.gates.map(({ program, micro, array }) => ({ setting: { program, micro, array }, name: settingName({ program, micro, array }) }));
    const each = [...new Map(known.map((one) => [one.name, one])).values()];
    $("gates").replaceChildren(node("p", {}, state.setting.program === null ? "Bits by hand have no operands, so none by gates." : "This design was not characterized."),
      node("details", {}, node("summary", {}, `The ${each.length} designs by gates`), node("ul", {}, ...each.map((one) =>
        node("li", {}, node("button", { type: "button", class: "open", onclick: () => choose(one) }, one.name))))));
    return;
  }
  const rows = here.map((g) => {
    const path = g.paths.reduce((most, one) => Math.max(most, one.ns), 0), stage = g.output_stage;
    return [g.library, bandText(g.gates.energy_pj), stage ? bandText(stage.energy_pj) : "–",
      areaText(band(g.gates.area_um2 + (stage ? stage.area_um2 : 0)), false), path ? short(path) : "–", path ? short(1e3 / state.clock - path) : "–"];
  });
  const layers = here[0].gates.layers.map((layer, i) => [layer.name, whole(layer.cycles), ...here.flatMap((g) => {
    const one = g.gates.layers[i];
    return [bandText(one.energy_pj), short(one.pj_per_mac), `${(100 * one.standing_pj / (one.energy_pj.expected || 1)).toFixed(0)} %`];
  })]);
  $("gates").replaceChildren(
    node("div", { class: "scroll" }, table(`One image, operands of the first ${here[0].images} images; the bar is the worst error on layers that were not fitted`,
      ["library", "lane array", "output stage", "their area", "longest path, ns", `slack at ${state.clock} MHz, ns`], rows)),
    ...[...new Set(here.flatMap((g) => g.warnings))].map((warning) => node("p", { class: "quiet" },
      `${here.filter((g) => g.warnings.includes(warning)).map((g) => g.library).join(", ")}: ${warning}`)),
    node("details", {}, node("summary", {}, "By layer"), node("div", { class: "scroll" }, table("Lane array",
      ["layer", "cycles", ...here.flatMap((g) => [g.library, "pJ/MAC", "clock and leakage"])], layers))),
    node("details", {}, node("summary", {}, "On the command line"), ...here.map((g) => node("pre", { tabindex: "0" }, gatesCommand(g)))));
}

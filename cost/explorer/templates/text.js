// Elements and numbers as text. All text enters by textContent.

const $ = (id) => document.getElementById(id);
function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}
const table = (caption, columns, rows) => node("table", {},
  node("caption", {}, caption),
  node("thead", {}, node("tr", {}, ...columns.map((c) => node("th", { scope: "col" }, c)))),
  node("tbody", {}, ...rows.map((row) => node("tr", {}, ...row.map((cell, i) =>
    (i ? node("td", {}, cell) : node("th", { scope: "row" }, cell)))))));

// -- numbers as text -----------------------------------------------------------------------------

// One format for each number of digits: `toLocaleString` makes a new one for every number, and the front has a thousand.
const FORMATS = Array.from({ length: 13 }, (_, digits) => new Intl.NumberFormat("en-US", { maximumFractionDigits: digits, minimumFractionDigits: Math.min(digits, 2) }));
const short = (value) => {
  if (value === 0) return "0";
  const digits = Math.abs(value) >= 1000 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return FORMATS[Math.min(digits, 12)].format(value);
};
const whole = (value) => FORMATS[0].format(Math.round(value));
const energyUnit = (pj, counts) => {
  if (counts) return pj >= 1e6 ? [1e6, "M events"] : [1, "events"];
  return [[1e9, "mJ"], [1e6, "µJ"], [1e3, "nJ"], [1, "pJ"]].find(([scale]) => pj >= scale) ?? [1, "pJ"];
};
const barText = (value, scale, unit) => {
  const [low, middle, high] = CORNERS.map((corner) => short(value[corner] / scale));
  return low === high ? `${middle} ${unit}` : `${middle} (${low}–${high}) ${unit}`;
};
const energyText = (value, counts) => barText(value, ...energyUnit(value.expected, counts));
const powerText = (watts) => barText(watts, ...([[1, "W"], [1e-3, "mW"], [1e-6, "µW"]].find(([scale]) => watts.expected >= scale) ?? [1e-6, "µW"]));
const areaUnit = (um2, counts) => (counts ? [1e6, "M bits"] : um2 >= 1e4 ? [1e6, "mm²"] : [1, "µm²"]);
const areaText = (value, counts) => barText(value, ...areaUnit(value.expected, counts));
const wayText = (lanes) => (lanes.hold === 1 ? "weights read for every pixel"
  : `weights held for ${lanes.hold} pixels, filled in ${lanes.fill} cycles, ${lanes.out_lanes} output lane${lanes.out_lanes > 1 ? "s" : ""}`);
const arrayText = (lanes) => `${lanes.rows}×${lanes.cols}${lanes.hold > 1 ? ` h${lanes.hold} f${lanes.fill} o${lanes.out_lanes}` : ""}`;
const microText = (micro) => micro.replace("_", " ");
const isPlain = (micro) => micro.startsWith("uniform");

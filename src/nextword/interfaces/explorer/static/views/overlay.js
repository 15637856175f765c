// One unit as a line over a pattern as an area.

import { h, s } from "../dom.js";
import { ticks } from "./curves.js";
import { plain } from "./diverging.js";

/** The unit as a line over the pattern as an area, on scales of their own. */
export function overlayOf(found, width, point) {
  const height = 150, left = 40, right = 2, top = 12, bottom = 24;
  const { values } = found.chosen;
  const size = values.length;
  const x = (t) => left + ((t + 0.5) / size) * (width - left - right);
  const low = Math.min(...values), high = Math.max(...values);
  const room = (high - low || 1) * 0.08;
  const y = (value) => height - bottom - ((value - low + room) / (high - low + 2 * room)) * (height - top - bottom);
  const signal = found.pattern?.signal ?? [];
  const peak = Math.max(...signal, 1e-9);
  const floor = height - bottom;
  const half = (width - left - right) / size / 2;
  const area = signal.map((value, t) => `M${(x(t) - half).toFixed(1)},${floor}V${(floor - (value / peak) * (floor - top)).toFixed(1)}H${(x(t) + half).toFixed(1)}V${floor}Z`).join("");
  const line = values.map((value, t) => `${t ? "L" : "M"}${x(t).toFixed(1)},${y(value).toFixed(1)}`).join("");
  const marks = ticks(low - room, high + room, 3);
  const dot = s("circle", { class: "dot", r: 4, visibility: "hidden" });
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", class: "unit-chart",
    "aria-label": `Unit ${found.chosen.unit} from token to token${found.pattern ? `, over the pattern, whose highest value is ${plain(peak)}` : ""}` },
    s("path", { class: "area", d: area }),
    marks.found.map((value) => [s("line", { class: "grid", x1: left, x2: width - right, y1: y(value), y2: y(value) }), s("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, value.toFixed(marks.digits).replace("-", "−"))]),
    s("path", { class: "line", d: line }), dot,
    s("line", { class: "axis", x1: left, x2: width - right, y1: floor, y2: floor }),
    s("text", { x: left, y: height - 6 }, "first token"), s("text", { x: width - right, y: height - 6, "text-anchor": "end" }, "last token"));
  svg.point = (t) => {
    dot.setAttribute("visibility", t < 0 ? "hidden" : "visible");
    if (t >= 0) {
      dot.setAttribute("cx", x(t));
      dot.setAttribute("cy", y(values[t]));
    }
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const share = (((event.clientX - box.left) / box.width) * width - left) / (width - left - right);
    point(Math.min(Math.max(Math.floor(share * size), 0), size - 1));
  });
  svg.addEventListener("pointerleave", () => point(-1));
  const key = h("p", { class: "note key" }, h("span", { class: "stroke", "aria-hidden": "true" }), `unit ${found.chosen.unit}`,
    found.pattern && [h("span", { class: "block", "aria-hidden": "true" }), "pattern"]);
  const figure = h("figure", {}, svg, key);
  figure.point = svg.point;
  return figure;
}

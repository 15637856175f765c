// Colours for what goes both ways from a mean: blue below, paper at it, orange above; and numbers with their signs.

import { h } from "../dom.js";

/** The largest distance of a unit from its mean. */
export function spread(track) {
  return Math.max(...track.values.map((value) => Math.abs(value - track.mean)), 1e-9);
}

/** A figure with its sign, which one that rounds to nothing has not. */
export function signed(value) {
  if (value === null || value === undefined) return "–";
  const shown = Math.abs(value).toFixed(2);
  return shown === "0.00" ? shown : `${value < 0 ? "−" : "+"}${shown}`;
}

export function plain(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

/** Colours of the theme, as numbers that can be mixed. */
export function readPalette() {
  const style = getComputedStyle(document.querySelector(".view-state") ?? document.documentElement);
  const read = (name) => rgb(style.getPropertyValue(name).trim());
  return { low: read("--unit-low"), middle: read("--unit-middle"), high: read("--unit-high"), paper: read("--unit-middle"), ink: read("--unit-ink") };
}

function rgb(text) {
  const hex = text.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

export function mix(a, b, share) {
  return `rgb(${a.map((from, i) => Math.round(from + (b[i] - from) * Math.min(Math.max(share, 0), 1))).join(" ")})`;
}

/** From −1 (blue) over 0 (paper) to 1 (orange). */
export function colour(palette, share) {
  return share < 0 ? mix(palette.middle, palette.low, -share) : mix(palette.middle, palette.high, share);
}

/** The same for an element, whose style sheet has the two classes. */
export function tint(share) {
  return { class: share < 0 ? "low" : "high", style: { "--share": `${(100 * Math.min(Math.abs(share), 1)).toFixed(1)}%` } };
}

/** A ramp from a unit's lowest value to its highest, with both. */
export function scaleOf(track, reach) {
  const steps = 11;
  const low = Math.min(...track.values), high = Math.max(...track.values);
  const boxes = Array.from({ length: steps }, (_, i) =>
    h("span", tint((low + ((high - low) * i) / (steps - 1) - track.mean) / reach)));
  return [h("span", {}, signed(low)), h("span", { class: "ramp", "aria-hidden": "true" }, boxes), h("span", {}, signed(high)),
    h("span", { class: "note" }, `uncoloured: the mean, ${signed(track.mean)}`)];
}

/** One row of a canvas: tokens side by side, as sharp as the screen. */
export function paintRow(canvas, values, colourOf) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.parentElement.clientWidth * scale);
  const height = Math.round(canvas.parentElement.clientHeight * scale);
  if (!width || !height) return;
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  values.forEach((value, t) => {
    const from = Math.round((t * width) / values.length);
    pen.fillStyle = colourOf(value);
    pen.fillRect(from, 0, Math.max(Math.round(((t + 1) * width) / values.length) - from, 1), height);
  });
}

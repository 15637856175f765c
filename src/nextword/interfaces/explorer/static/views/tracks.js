// The units of a text: one of them colours it, all of them stand below each other as tracks.

import { count, h, spoken } from "../dom.js";
import { colour, mix, paintRow, plain, readPalette, scaleOf, signed, spread, tint } from "./diverging.js";
import { overlayOf } from "./overlay.js";

export const STEP = 20;
export const MOST = 100;
const PARTS = { hidden: "hidden state, which predicts" };
const OWN = ["model", "part", "pattern", "order", "unit", "count"];

/** What the address holds for this view. */
export function own(params) {
  return Object.fromEntries(OWN.map((name) => [name, params[name] ?? ""]));
}

export function partName(name) {
  const layer = name.slice(1);
  return PARTS[name] ?? (name.startsWith("c") ? `cells of layer ${layer}` : `outputs of layer ${layer}`);
}

/** The chosen unit over the text, and the tracks of all. */
export function makeResult(context) {
  const title = h("h2", { id: "unit-title" });
  const words = h("p", { class: "note about" });
  const legend = h("div", { class: "scale" });
  const text = h("div", { class: "coloured words", tabindex: "0", role: "group", "aria-roledescription": "text with values", onkeydown: keys });
  const reading = h("p", { class: "reading" });
  const overlay = h("div", { class: "overlay" });
  const axis = h("div", { class: "pattern-track" });
  const list = h("ol", { class: "tracks" });
  const more = h("button", { type: "button", onclick: () => context.go({ ...own(context.params), count: shown.body.count + STEP }, { replace: true }) });
  const headline = h("p", { class: "note about" });
  const node = h("div", { class: "state-result" },
    h("section", { class: "one-unit", "aria-labelledby": "unit-title" }, title, words, text, h("div", { class: "row between under" }, legend, reading), overlay),
    h("section", { class: "all-units", "aria-labelledby": "tracks-title" }, h("h2", { id: "tracks-title" }, "All units"), headline, axis, list, more));
  let shown = null; // { found, body }
  node.hidden = true;
  let spans = [];
  let at = -1;
  let palette = null;

  const observer = new ResizeObserver(() => shown && paint());
  observer.observe(list);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const themes = new MutationObserver(() => shown && recolour());
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const recolour = () => {
    palette = null;
    if (shown) draw();
  };
  scheme.addEventListener("change", recolour);

  function keys(event) {
    const last = spans.length - 1;
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: last, ArrowDown: at + 10, ArrowUp: at - 10 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    point(Math.min(Math.max(to, 0), last), true);
  }

  /** Point at a token, in the text, in the chart and in the tracks at once; -1: at none. */
  function point(token, aloud = false) {
    if (token === at) return;
    spans[at]?.classList.remove("at");
    at = token;
    const { found } = shown;
    for (const cursor of node.querySelectorAll(".track-cursor")) {
      cursor.hidden = at < 0;
      if (at >= 0) cursor.style.setProperty("left", `${(100 * (at + 0.5)) / found.tokens.length}%`);
    }
    overlay.firstChild?.point?.(at);
    if (at < 0) {
      reading.textContent = "";
      return;
    }
    spans[at].classList.add("at");
    const value = found.chosen.values[at];
    const also = found.pattern ? `, pattern ${plain(found.pattern.signal[at])}` : "";
    reading.replaceChildren(h("span", { class: "words" }, shownToken(found, at)), ` ${signed(value)}${also}`);
    if (aloud) context.announce(`${spoken(found.tokens[at])}: ${signed(value)}${also}`);
  }

  function over(event) {
    const token = event.target.closest?.("[data-t]");
    point(token ? Number(token.dataset.t) : -1);
  }
  text.addEventListener("pointermove", over);
  text.addEventListener("pointerdown", over);
  text.addEventListener("pointerleave", () => point(-1));
  text.addEventListener("blur", () => point(-1));

  function draw() {
    const { found, body } = shown;
    at = -1;
    reading.textContent = "";
    const { chosen, pattern } = found;
    title.replaceChildren(`Unit ${chosen.unit}`, h("span", { class: "note of" }, ` of ${count(found.units)}, ${partName(found.part)}`));
    words.replaceChildren(...aboutUnit(found, body));
    const reach = spread(chosen);
    spans = found.texts.map((token, t) => h("span", { "data-t": t, ...tint((chosen.values[t] - chosen.mean) / reach) }, token === "\n" ? "↵" : token));
    text.replaceChildren(...found.texts.flatMap((token, t) => [spans[t], token === "\n" ? h("br", {}) : gap(found, t)]));
    text.setAttribute("aria-label", `The text in the colours of unit ${chosen.unit}; the arrow keys read its values`);
    legend.replaceChildren(...scaleOf(chosen, reach));
    headline.replaceChildren(...aboutAll(found, body));
    axis.replaceChildren(...(pattern ? [trackOf("pattern", patternName(body.pattern), null)] : []));
    const kept = document.activeElement?.closest?.(".tracks button")?.dataset.unit;
    list.replaceChildren(...found.tracks.map((track) => h("li", {}, trackOf("unit", String(track.unit), track))));
    if (kept !== undefined) list.querySelector(`[data-unit="${CSS.escape(kept)}"]`)?.focus();
    const left = Math.min(found.units, MOST) - found.tracks.length;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(STEP, left)} more`;
    paint();
  }

  /** A row: its name, its values as colours, its correlation. */
  function trackOf(kind, name, track) {
    const canvas = h("canvas", { "aria-hidden": "true", height: 18 });
    const strip = h("span", { class: "strip" }, canvas, h("span", { class: "track-cursor", hidden: true }));
    const inside = [h("span", { class: "track-name" }, name), strip, h("span", { class: "track-r number" }, track ? signed(track.r) : "r")];
    strip.addEventListener("pointermove", (event) => {
      const box = strip.getBoundingClientRect();
      point(Math.min(Math.max(Math.floor(((event.clientX - box.left) / box.width) * shown.found.tokens.length), 0), shown.found.tokens.length - 1));
    });
    strip.addEventListener("pointerleave", () => point(-1));
    if (!track) return h("div", { class: "track the-pattern" }, inside);
    const pressed = track.unit === shown.found.chosen.unit;
    return h("button", { type: "button", class: "track", "data-unit": track.unit, "aria-pressed": String(pressed),
      "aria-label": `Unit ${track.unit}${track.r === null ? "" : `, correlation ${signed(track.r)}`}`,
      onclick: () => context.go({ ...own(context.params), unit: track.unit }, { replace: true }) }, inside);
  }

  /** Colours of all rows, at the width that there is. */
  function paint() {
    const { found } = shown;
    palette ??= readPalette();
    overlay.replaceChildren(overlayOf(found, Math.max(280, overlay.clientWidth), point));
    const strips = [...node.querySelectorAll(".strip canvas")];
    if (!strips.length) return;
    const signals = [...(found.pattern ? [null] : []), ...found.tracks];
    strips.forEach((canvas, i) => {
      const track = signals[i];
      const values = track ? track.values : found.pattern.signal;
      const reach = track ? spread(track) : Math.max(...values, 1e-9);
      paintRow(canvas, values, (value) => (track ? colour(palette, (value - track.mean) / reach) : mix(palette.paper, palette.ink, 0.85 * (value / reach))));
    });
  }

  return {
    node,
    show(found, body) {
      shown = { found, body };
      node.hidden = false;
      draw();
    },
    release() {
      observer.disconnect();
      themes.disconnect();
      scheme.removeEventListener("change", recolour);
    },
  };
}

/** What was found, in a sentence: how the unit goes along with the pattern, and what chance alone would give. */
function aboutUnit(found, body) {
  const { chosen, pattern } = found;
  if (!pattern) return ["Type a pattern, and the units are sorted by how they go along with it."];
  if (!pattern.varies) return ["The pattern “", body.pattern, "” is the same at every token of this text, so nothing can go along with it."];
  if (chosen.r === null) return ["This unit is the same at every token of this text."];
  const way = Math.abs(chosen.r) < 0.2 ? "hardly goes along with" : chosen.r > 0 ? "is high where this is high" : "is low where this is high";
  const chance = Math.abs(chosen.r) > pattern.chance ? "more than" : "no more than";
  const known = Math.abs(chosen.r) < 0.2 ? `It ${way} the pattern ` : `It ${way}: `;
  return [known, h("em", {}, pattern.meaning), `. r\u00a0=\u00a0${signed(chosen.r)}, ${chance} chance: moved along the text, the same pattern finds a unit of |r| up\u00a0to\u00a0${pattern.chance.toFixed(2)}.`];
}

function aboutAll(found, body) {
  const by = body.order === "number" ? "in their order" : body.order === "correlation" && found.pattern?.varies ? "by their correlation with the pattern" : "by how much they vary";
  return [`${found.tracks.length} of ${count(found.units)}, ${by}. Each row is the whole text, from its first token to its last; choose one to colour the text by it.`];
}

function patternName(pattern) {
  return pattern.length > 14 ? `${pattern.slice(0, 13)}…` : pattern;
}

/** A blank between tokens that are words. */
function gap(found, t) {
  const whole = found.texts.every((token, i) => token === found.tokens[i] || token === "\n");
  return whole && found.texts[t + 1] !== undefined && found.texts[t + 1] !== "\n" && found.texts.some((token) => token.length > 1) ? " " : "";
}

function shownToken(found, t) {
  const token = found.texts[t];
  return token === "\n" ? "↵" : token === " " ? "␣" : token;
}

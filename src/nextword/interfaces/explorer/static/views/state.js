// Hidden units over a text: which of them go along with a pattern, and the text in the colours of one of them.

import { count, debounce, h, s, spoken } from "../dom.js";
import { chosenOne, picker } from "../picker.js";
import { ticks } from "./curves.js";

const EXAMPLES = [
  { name: "Quotation", pattern: "quotes",
    text: 'The keyword "lambda" is followed by arguments. Names such as "x" and "y" are bound, but "print" is not. If the string "spam and eggs" is empty, "else" is executed. The value "None" is returned.' },
  { name: "Parentheses", pattern: "parentheses",
    text: "The call f(a, b) is the same (more or less) as f(*(a, b)). Attributes (see above) and items (such as x[i]) may be deleted (unless they are read-only)." },
  { name: "Words", pattern: "word position",
    text: "The statement is executed once. Understanding of the implementation is not required; a description of operations is sufficient." },
  { name: "Capitals", pattern: "capitalised",
    text: "Python and C differ. An Exception such as TypeError or ValueError is raised by the Interpreter. See PEP 484 and The Python Language Reference." },
  { name: "Two lines", pattern: "line position",
    text: "Lists are mutable sequences of objects.\nTuples are immutable sequences, and may be used as keys.\nSets have no order." },
];
const PATTERNS = [
  ["quotes", "inside quotation marks"], ["parentheses", "open parentheses"], ["line position", "tokens since the line began"],
  ["word position", "tokens since the word began"], ["capital", "a capital"], ["capitalised", "in a capitalised word"],
  ["digit", "a digit"], ["punctuation", "a punctuation mark"], ["vowel", "a vowel"], ["blank", "a blank"],
  ["after(capital)", "just after a capital"], ["last(punctuation)", "tokens since the last punctuation mark"], ["the", "the word “the”"],
];
const PARTS = { hidden: "hidden state, which predicts" };
const OWN = ["model", "part", "pattern", "order", "unit", "count"];
const STEP = 20;
const MOST = 100;
const FIT = (model) => ["rnn", "gru", "lstm", "transformer", "window", "mixture"].includes(model.kind);

export const view = {
  id: "state",
  title: "State",
  lead: "A network keeps numbers, its hidden units, from token to token. Some of them keep count of something one can name.",
  stylesheet: true,
  mount(root, context) {
    if (!context.models.some(FIT)) {
      root.append(nothing(context.models));
      return {};
    }
    const controls = makeControls(context);
    const result = makeResult(context);
    root.append(controls.node, result.node);
    let abort = null;
    let asked = "";
    const release = () => abort?.abort();
    async function ask(params) {
      const model = chosenModel(context.models, params);
      const text = params.text || EXAMPLES[0].text;
      const body = {
        model: model.name, text, part: params.part || "hidden", pattern: params.pattern ?? EXAMPLES[0].pattern,
        order: params.order || "correlation", count: Math.min(Number(params.count) || STEP, MOST),
        unit: params.unit ? Number(params.unit) : null,
      };
      const key = JSON.stringify(body);
      if (key === asked) return;
      asked = key;
      abort?.abort();
      abort = new AbortController();
      result.node.classList.add("stale");
      try {
        const found = await context.post("/explore/units", body, { signal: abort.signal });
        if (asked !== key) return;
        context.fail(controls.node, null);
        controls.parts(found.parts, found.part);
        result.show(found, body);
        result.node.classList.remove("stale");
      } catch (error) {
        if (error.name === "AbortError") return;
        asked = "";
        if (body.part !== "hidden" && /^part=/.test(error.message)) context.go({ ...own(context.params), part: "" }, { replace: true });
        else context.fail(controls.node, error);
      }
    }
    return {
      update(params) {
        controls.update(params);
        ask(params);
      },
      unmount() {
        release();
        result.release();
      },
    };
  },
};

function nothing(models) {
  const names = models.map((model) => model.name).join(", ");
  return h("p", { class: "empty" }, `${names || "What is served"}: models of counts have no hidden units; what they know stands in their tables. `,
    "Serve a network beside them, such as one that “nextword train lstm TEXT --out DIR” makes.");
}

/** Without a choice, an LSTM of characters if there is one: what it keeps is the easiest to see. */
function chosenModel(models, params) {
  const best = models.find((model) => model.kind === "lstm" && model.unit === "character");
  return chosenOne(models, params.model || params.models || !best ? params : { ...params, model: best.name }, { fit: FIT });
}

function own(params) {
  return Object.fromEntries(OWN.map((name) => [name, params[name] ?? ""]));
}

/** The text, the model, the pattern and the order. */
function makeControls(context) {
  const go = (change, replace = false) => context.go({ ...own(context.params), ...change }, { replace });
  const later = debounce((change) => go(change, true), 250);
  const text = h("textarea", { id: "state-text", class: "text", rows: 3, maxlength: 20000, spellcheck: "false",
    oninput: () => later({ text: text.value }) });
  const pattern = h("input", { id: "state-pattern", type: "text", list: "state-patterns", maxlength: 200, autocomplete: "off", spellcheck: "false",
    "aria-describedby": "state-pattern-help", oninput: () => later({ pattern: pattern.value, unit: "" }) });
  const names = h("datalist", { id: "state-patterns" }, PATTERNS.map(([value, label]) => h("option", { value, label })));
  const order = h("select", { id: "state-order", onchange: () => go({ order: order.value === "correlation" ? "" : order.value }) },
    h("option", { value: "correlation" }, "correlation with the pattern"), h("option", { value: "variation" }, "how much they vary"), h("option", { value: "number" }, "number"));
  const part = h("select", { id: "state-part", onchange: () => go({ part: part.value === "hidden" ? "" : part.value, unit: "" }) });
  const models = picker(context.models, { legend: "Model", one: true, fit: FIT, change: ([model]) => go({ model, part: "", unit: "" }) });
  const examples = h("div", { class: "row examples" }, h("span", { class: "label" }, "Try"), EXAMPLES.map((example) =>
    h("button", { type: "button", class: "quiet", onclick: () => go({ text: example.text, pattern: example.pattern, order: "", unit: "" }) }, example.name)));
  const node = h("div", { class: "state-controls" },
    h("div", { class: "field" }, h("div", { class: "row between" }, h("label", { for: "state-text" }, "Text"), examples), text),
    models,
    h("div", { class: "state-fields" },
      h("div", { class: "field wide" }, h("label", { for: "state-pattern" }, "Pattern"), pattern, names),
      h("div", { class: "field" }, h("label", { for: "state-order" }, "Units by"), order),
      h("div", { class: "field" }, h("label", { for: "state-part" }, "Units of"), part)),
    h("p", { id: "state-pattern-help", class: "note" }, "One of the list, or letters or words to look for: ", h("code", {}, "ing"), ", ", h("code", {}, "*ing"), ", ",
      h("code", {}, "he, she"), ". ", h("code", {}, "after(…)"), " moves a pattern one token on, ", h("code", {}, "last(…)"), " counts the tokens since."));
  return {
    node,
    parts(known, current) {
      part.replaceChildren(...known.map((name) => h("option", { value: name }, partName(name))));
      part.value = current;
      part.disabled = known.length < 2;
    },
    update(params) {
      const shown = params.text || EXAMPLES[0].text;
      const typed = params.pattern ?? EXAMPLES[0].pattern;
      if (document.activeElement !== text || !text.value) text.value = shown;
      if (document.activeElement !== pattern) pattern.value = typed;
      order.value = params.order || "correlation";
      models.update([chosenModel(context.models, params).name]);
    },
  };
}

function partName(name) {
  const layer = name.slice(1);
  return PARTS[name] ?? (name.startsWith("c") ? `cells of layer ${layer}` : `outputs of layer ${layer}`);
}

/** The chosen unit over the text, and the tracks of all. */
function makeResult(context) {
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
    palette ??= readPalette();
    at = -1;
    reading.textContent = "";
    const { chosen, pattern } = found;
    title.replaceChildren(`Unit ${chosen.unit}`, h("span", { class: "note of" }, ` of ${count(found.units)}, ${partName(found.part)}`));
    words.replaceChildren(...aboutUnit(found, body));
    const reach = spread(chosen);
    spans = found.texts.map((token, t) => h("span", { "data-t": t, style: { "background-color": colour(palette, (chosen.values[t] - chosen.mean) / reach) } }, token === "\n" ? "↵" : token));
    text.replaceChildren(...found.texts.flatMap((token, t) => [spans[t], token === "\n" ? h("br", {}) : gap(found, t)]));
    text.setAttribute("aria-label", `The text in the colours of unit ${chosen.unit}; the arrow keys read its values`);
    legend.replaceChildren(...scaleOf(chosen, reach, palette));
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
  return [known, h("em", {}, pattern.meaning), `. r = ${signed(chosen.r)}, ${chance} chance: moved along the text, the same pattern finds a unit of |r| up to ${pattern.chance.toFixed(2)}.`];
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

/** The largest distance of a unit from its mean. */
function spread(track) {
  return Math.max(...track.values.map((value) => Math.abs(value - track.mean)), 1e-9);
}

function signed(value) {
  return value === null || value === undefined ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;
}

function plain(value) {
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

/** Colours of the theme, as numbers that can be mixed. */
function readPalette() {
  const style = getComputedStyle(document.querySelector(".view-state") ?? document.documentElement);
  const read = (name) => rgb(style.getPropertyValue(name).trim());
  return { low: read("--unit-low"), middle: read("--unit-middle"), high: read("--unit-high"), paper: read("--unit-middle"), ink: read("--unit-ink") };
}

function rgb(text) {
  const hex = text.replace("#", "");
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
}

function mix(a, b, share) {
  return `rgb(${a.map((from, i) => Math.round(from + (b[i] - from) * Math.min(Math.max(share, 0), 1))).join(" ")})`;
}

/** From −1 (blue) over 0 (paper) to 1 (orange). */
function colour(palette, share) {
  return share < 0 ? mix(palette.middle, palette.low, -share) : mix(palette.middle, palette.high, share);
}

function scaleOf(track, reach, palette) {
  const steps = 11;
  const low = Math.min(...track.values), high = Math.max(...track.values);
  const boxes = Array.from({ length: steps }, (_, i) =>
    h("span", { style: { "background-color": colour(palette, (low + ((high - low) * i) / (steps - 1) - track.mean) / reach) } }));
  return [h("span", {}, signed(low)), h("span", { class: "ramp", "aria-hidden": "true" }, boxes), h("span", {}, signed(high)),
    h("span", { class: "note" }, `uncoloured: the mean, ${signed(track.mean)}`)];
}

/** One row of a canvas: tokens side by side, as sharp as the screen. */
function paintRow(canvas, values, colourOf) {
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

/** The unit as a line over the pattern as an area, on scales of their own. */
function overlayOf(found, width, point) {
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

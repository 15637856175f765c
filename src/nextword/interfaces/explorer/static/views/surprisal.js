// Surprisal: a text under several models, one row each, every token coloured by what it cost in bits.

import { bits, debounce, h, probability, shortNames, word } from "../dom.js";
import { beginnings } from "../examples.js";
import { NONE, chosen, picker } from "../picker.js";
import { drawScore, legend, neighbour } from "./score.js";
import { join } from "./words.js";

const COMPARED =
  "A perplexity is per token, so it compares models of the same tokens and the same unknown words. Bits per byte compare all: " +
  "a word unknown to a model pays for its spelling there.";
const LONG = 600; // characters from which typing is waited for

export const view = {
  id: "surprisal",
  title: "Surprisal",
  lead:
    "How many bits each word of a text costs under each model: the stronger its colour, the less it was expected. " +
    "Point at a word, or go to it with the arrow keys, to see what was expected instead.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, go, fail, announce, address } = context;
    const fit = (model) => model.normalised;
    let params = {};
    let asking = null;
    let asked = null;
    let found = [];
    let drawnAt = 0;

    const box = h("textarea", {
      class: "text",
      id: "surprisal-text",
      rows: 3,
      spellcheck: "false",
      autocapitalize: "off",
      placeholder: "Type or paste a text, a sentence a line…",
      oninput: () => set({ text: box.value }, { replace: true }),
    });
    const choice = picker(models, { fit, change: (names) => set({ models: names.join(",") }) });
    const toggle = () => set({ numbers: numbers.checked ? "" : "no" }, { replace: true });
    const numbers = h("input", { type: "checkbox", id: "surprisal-numbers", onchange: toggle });
    const offers = h("div", { class: "offers" });
    const sums = h("div", { class: "scroll sums", role: "region", "aria-label": "Sums", tabindex: "0" });
    const score = h("div", {
      class: "score",
      onkeydown: keys,
      ondblclick: follow,
      onpointerover: point,
      onpointerleave: hide,
      onclick: (event) => tell(event.target),
      onfocusin: (event) => tell(event.target),
      onfocusout: hide,
    });
    const working = h("p", { class: "note", role: "status", hidden: true }, "Every model reads the text; a long one takes a while…");
    const popover = h("div", { class: "popover", role: "tooltip", id: "surprisal-told", hidden: true });
    const tools = h("div", { class: "row tools" }, legend(), h("label", { class: "row" }, numbers, "Numbers"));
    const result = h("section", { "aria-label": "Result", hidden: true }, sums, tools, score);
    root.append(
      choice,
      h("div", { class: "field" }, h("label", { for: box.id }, "Text"), box, offers),
      working,
      result,
      popover,
    );

    const resized = new ResizeObserver(debounce(() => found.length && score.clientWidth !== drawnAt && draw(), 100));
    resized.observe(score);

    const set = (changed, options) => go({ ...params, ...changed }, options);
    const shown = () => chosen(models, params, { fit });
    const askSoon = debounce(ask, 250);

    function update(now) {
      if (!models.some(fit)) return fail(box, NONE);
      const before = params.numbers;
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      box.rows = Math.min(12, Math.max(3, text.split("\n").length));
      numbers.checked = params.numbers !== "no";
      choice.update(shown().map((model) => model.name));
      offer(text);
      const wanted = JSON.stringify([text, shown().map((model) => model.name)]);
      if (wanted !== asked) {
        asked = wanted;
        askFor(text);
      } else if (before !== params.numbers) draw();
    }

    function askFor(text) {
      if (!text.trim()) {
        asking?.abort();
        result.hidden = true;
        fail(box, null);
      } else if (text.length > LONG && found.length) askSoon();
      else ask();
    }

    async function offer(text) {
      const [model] = shown();
      offers.hidden = Boolean(text.trim());
      if (offers.hidden || !model || offers.dataset.of === model.name) return;
      offers.dataset.of = model.name;
      const texts = await beginnings(model, { count: 3, length: 22, end: true }).catch(() => []);
      const props = { type: "button", class: "quiet offer words" };
      const items = texts.map((one) => h("li", {}, h("button", { ...props, onclick: () => set({ text: one }) }, one)));
      const said = h("p", { class: "label" }, "Or take what the model itself might write:");
      offers.replaceChildren(...(items.length ? [said, h("ul", {}, items)] : []));
    }

    async function ask() {
      asking?.abort();
      const mine = (asking = new AbortController());
      const body = { text: params.text ?? "", models: shown().map((model) => model.name), k: 5 };
      score.classList.add("stale");
      working.hidden = body.text.length <= LONG;
      try {
        found = (await post("/explore/surprisal", body, { signal: mine.signal })).models;
        result.hidden = false;
        fail(box, null);
        drawSums();
        draw();
        score.classList.remove("stale");
        announce(found.map((one) => `${one.name}: ${one.reason ?? `perplexity ${size(one.perplexity)}`}`).join("; "));
      } catch (error) {
        if (error.name !== "AbortError") asked = null;
        fail(box, error);
      }
      if (asking === mine) working.hidden = true;
    }

    function drawSums() {
      const able = found.filter((one) => !one.reason);
      const least = Math.min(...able.map((one) => one.bits_per_byte ?? Infinity));
      const names = shortNames(able.map((one) => one.name));
      const rows = able.map((one, i) => {
        const perplexities = [size(one.perplexity), size(one.perplexity_excluding_oov)];
        const figures = [String(one.tokens), String(one.oov), bits(one.bits), each(one.bits_per_byte), ...perplexities];
        const cells = figures.map((figure) => h("td", { class: "number" }, figure));
        const best = one.bits_per_byte === least && able.length > 1 ? "best" : null;
        return h("tr", { class: best }, h("th", { scope: "row", title: one.name }, names[i]), cells);
      });
      const titles = ["tokens", "unknown", "bits", "bits per byte", "perplexity", "without unknown"];
      const heads = titles.map((title) => h("th", { scope: "col", class: "number" }, title));
      const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Whole text"), heads));
      const unable = found.filter((one) => one.reason);
      const reasons = unable.map((one) => h("p", { class: "error" }, `${one.name}: ${one.reason}`));
      const note = h("p", { class: "note" }, COMPARED);
      sums.replaceChildren(...(rows.length ? [h("table", {}, head, h("tbody", {}, rows)), note] : []), ...reasons);
    }

    function draw() {
      const plain = params.numbers === "no";
      drawnAt = score.clientWidth;
      score.classList.toggle("plain", plain);
      score.replaceChildren(...drawScore(found, score.clientWidth, plain));
      score.querySelector(".cell")?.setAttribute("tabindex", "0");
      hide();
    }

    function point(event) {
      if (event.target.matches(".cell")) tell(event.target);
      else hide();
    }

    /** What was expected where a cell's token stands, below it or above it. */
    function tell(cell) {
      if (!cell.place) return;
      popover.replaceChildren(...describe(cell.place));
      popover.hidden = false;
      const at = cell.getBoundingClientRect();
      const frame = root.getBoundingClientRect();
      const height = popover.offsetHeight;
      const below = at.bottom + height + 8 < window.innerHeight || at.top < height;
      const left = Math.min(Math.max(0, at.left - frame.left), frame.width - popover.offsetWidth);
      const top = below ? at.bottom - frame.top + 6 : at.top - frame.top - height - 6;
      popover.style.setProperty("left", `${left}px`);
      popover.style.setProperty("top", `${top}px`);
      score.querySelector(".told")?.classList.remove("told");
      cell.classList.add("told");
      cell.setAttribute("aria-describedby", popover.id);
    }

    function hide() {
      popover.hidden = true;
      score.querySelector(".told")?.classList.remove("told");
      if (document.activeElement?.matches(".score .cell")) tell(document.activeElement);
    }

    /** Open the next-word view at a token: the text before it, and what was expected there. */
    function follow(event) {
      if (!event.target.place) return;
      const { name, line, position } = event.target.place;
      const one = found.find((other) => other.name === name);
      const before = one.lines[line].tokens.slice(0, position).map((token) => token.token);
      const words = models.find((model) => model.name === name)?.unit === "word";
      const written = words ? join(before) : before.join("").replaceAll("▁", " ");
      const earlier = (params.text ?? "").split("\n").slice(0, line);
      location.hash = address("next", { text: [...earlier, written].join("\n"), models: params.models });
    }

    function keys(event) {
      if (!event.target.place) return;
      if (event.key === "Enter") follow(event);
      if (event.key === "Escape") popover.hidden = true;
      const cell = neighbour(score, event.target, event.key);
      if (!cell) return;
      event.preventDefault();
      score.querySelector('.cell[tabindex="0"]')?.setAttribute("tabindex", "-1");
      cell.setAttribute("tabindex", "0");
      cell.focus();
    }

    return {
      update,
      unmount() {
        asking?.abort();
        resized.disconnect();
      },
    };
  },
};

function describe({ token, name }) {
  const rows = token.expected.map((one) => {
    const p = h("td", { class: "number" }, probability(one.probability));
    return h("tr", { class: one.word === token.token ? "it" : null }, h("td", {}, word(one.word)), p);
  });
  const strong = (text) => h("b", {}, text);
  const figures = [
    strong(bits(token.bits)),
    " bits · probability ",
    strong(probability(token.probability)),
    " · rank ",
  ];
  const unknown = token.oov && h("span", { class: "note" }, " not in its vocabulary: scored as unknown");
  return [
    h("p", { class: "token" }, word(token.token), unknown),
    h("p", {}, figures, strong(String(token.rank))),
    h("p", { class: "note" }, `${name} expected, of ${token.entropy.toFixed(1)} bits of entropy:`),
    h("table", {}, h("tbody", {}, rows)),
    h("p", { class: "note" }, "Enter or a double click: all of it under Next word."),
  ];
}

function each(bits) {
  return bits === null ? "∞" : bits.toFixed(3);
}

function size(perplexity) {
  if (perplexity === null) return "∞";
  if (perplexity < 100) return perplexity.toFixed(1);
  return perplexity < 1e6 ? Math.round(perplexity).toString() : perplexity.toExponential(1);
}

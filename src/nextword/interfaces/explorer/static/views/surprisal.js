// Surprisal: a text under several models, one row each, every token coloured by what it cost in bits.

import { beginnings } from "../examples.js";
import { bits, debounce, h, heat, probability, shortNames, spoken, word } from "../dom.js";
import { chosen, picker } from "../picker.js";

const FULL = 16; // bits at the dark end of the scale
const LONG = 600; // characters from which typing is waited for

export const view = {
  id: "surprisal",
  title: "Surprisal",
  lead: "How many bits each word of a text costs under each model: the stronger its colour, the less it was expected. Point at a word, or go to it with the arrow keys, to see what was expected instead.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, go, fail, announce, address } = context;
    let params = {};
    let asking = null;
    let asked = null;
    let found = [];

    const box = h("textarea", {
      class: "text", id: "surprisal-text", rows: 3, maxlength: 20000, spellcheck: "false", autocapitalize: "off",
      placeholder: "Type or paste a text, a sentence a line…", oninput: () => go({ ...params, text: box.value }, { replace: true }),
    });
    const choice = picker(models, { fit: (model) => model.normalised, change: (names) => go({ ...params, models: names.join(",") }) });
    const numbers = h("input", { type: "checkbox", id: "surprisal-numbers", onchange: () => go({ ...params, numbers: numbers.checked ? "" : "no" }, { replace: true }) });
    const offers = h("div", { class: "offers" });
    const sums = h("div", { class: "scroll sums", role: "region", "aria-label": "Sums", tabindex: "0" });
    const score = h("div", { class: "score", onkeydown: keys, onpointerover: point, onpointerleave: hide, onfocusin: (event) => tell(event.target), onfocusout: hide, onclick: (event) => tell(event.target), ondblclick: follow });
    const popover = h("div", { class: "popover", role: "tooltip", id: "surprisal-told", hidden: true });
    const result = h("section", { "aria-label": "Result", hidden: true }, sums,
      h("div", { class: "row tools" }, legend(), h("label", { class: "row" }, numbers, "Numbers")), score);
    root.append(choice, h("div", { class: "field" }, h("label", { for: "surprisal-text" }, "Text"), box, offers), result, popover);

    let drawnAt = 0;
    const resized = new ResizeObserver(debounce(() => found.length && score.clientWidth !== drawnAt && drawScore(), 100));
    resized.observe(score);

    const shown = () => chosen(models, params, { fit: (model) => model.normalised });
    const askSoon = debounce(ask, 250);

    function update(now) {
      const numbered = params.numbers;
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      box.rows = Math.min(12, Math.max(3, text.split("\n").length, Math.ceil(text.length / 110)));
      numbers.checked = params.numbers !== "no";
      choice.update(shown().map((model) => model.name));
      offer(text);
      const wanted = JSON.stringify([text, shown().map((model) => model.name)]);
      if (wanted === asked) {
        if (numbered !== params.numbers) drawScore();
        return;
      }
      asked = wanted;
      if (!text.trim()) {
        asking?.abort();
        result.hidden = true;
        fail(box, null);
      } else if (text.length > LONG && found.length) askSoon();
      else ask();
    }

    async function offer(text) {
      offers.hidden = Boolean(text.trim());
      const model = shown()[0];
      if (offers.hidden || offers.dataset.of === model?.name) return;
      offers.dataset.of = model.name;
      const texts = await beginnings(model, { count: 3, length: 22, end: true }).catch(() => []);
      const take = (one) => go({ ...params, text: one });
      const buttons = texts.map((one) => h("li", {}, h("button", { type: "button", class: "quiet offer words", onclick: () => take(one) }, one)));
      offers.replaceChildren(...(buttons.length ? [h("p", { class: "label" }, "Or take what the model itself might write:"), h("ul", {}, buttons)] : []));
    }

    async function ask() {
      asking?.abort();
      const mine = (asking = new AbortController());
      const text = params.text ?? "";
      score.classList.add("stale");
      try {
        const answer = await post("/explore/surprisal", { text, models: shown().map((model) => model.name), k: 5 }, { signal: mine.signal });
        found = answer.models;
        result.hidden = false;
        fail(box, null);
        drawSums();
        drawScore();
        score.classList.remove("stale");
        announce(found.map((one) => (one.reason ? `${one.name}: ${one.reason}` : `${one.name}: perplexity ${size(one.perplexity)}`)).join("; "));
      } catch (error) {
        if (error.name !== "AbortError") asked = null;
        fail(box, error);
      }
    }

    function drawSums() {
      const able = found.filter((one) => !one.reason);
      const least = Math.min(...able.map((one) => one.bits ?? Infinity));
      const names = shortNames(able.map((one) => one.name));
      const rows = able.map((one, i) => h("tr", { class: one.bits === least && able.length > 1 ? "best" : null },
        h("th", { scope: "row", title: one.name }, names[i]), h("td", { class: "number" }, String(one.tokens)), h("td", { class: "number" }, bits(one.bits)),
        h("td", { class: "number" }, one.bits === null ? "∞" : (one.bits / one.tokens).toFixed(2)), h("td", { class: "number" }, size(one.perplexity))));
      const heads = ["tokens", "bits", "bits per token", "perplexity"].map((name) => h("th", { scope: "col", class: "number" }, name));
      sums.replaceChildren(
        rows.length ? h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Whole text"), heads)), h("tbody", {}, rows)) : "",
        ...found.filter((one) => one.reason).map((one) => h("p", { class: "error" }, `${one.name}: ${one.reason}`)));
    }

    /** Every sentence: groups of models that cut it alike, broken into systems as wide as the page. */
    function drawScore() {
      const able = found.filter((one) => !one.reason);
      const names = shortNames(able.map((one) => one.name));
      const narrow = score.clientWidth < 640;
      drawnAt = score.clientWidth;
      score.classList.toggle("narrow", narrow);
      score.classList.toggle("plain", params.numbers === "no");
      const label = narrow ? 28 : Math.min(190, 24 + Math.max(...names.map((name) => width(name, "0.8125rem", "--sans")), 20));
      const sentences = (able[0]?.lines ?? []).map((line, number) => {
        const groups = Map.groupBy(able.map((one, i) => ({ ...one.lines[number], name: one.name, label: narrow ? String(i + 1) : names[i], index: i })), (one) => JSON.stringify(one.tokens.map((token) => token.token)));
        return h("section", { class: "sentence", "aria-label": `Sentence ${number + 1}` }, [...groups.values()].map((group) => drawGroup(group, number, label)));
      });
      const key = narrow && able.length > 1 ? h("p", { class: "note" }, able.map((one, i) => `${i + 1} ${names[i]}`).join("   ")) : "";
      score.replaceChildren(key, ...sentences);
      score.querySelector(".cell")?.setAttribute("tabindex", "0");
      hide();
    }

    function drawGroup(group, number, label) {
      const plain = params.numbers === "no";
      const widths = group[0].tokens.map((token) => Math.ceil(Math.max(plain ? 0 : 36, width(shape(token.token), token.token === "</s>" ? "0.85rem" : "1.15rem", "--serif") + (token.token.length > 1 ? 12 : 8))));
      const room = score.clientWidth - label - 2;
      const narrow = score.classList.contains("narrow");
      const systems = pack(widths, room, narrow ? 0 : 62).map(([from, to], i, all) => drawSystem(group, number, widths.slice(from, to), from, !narrow && i === all.length - 1, label));
      const sum = narrow && h("p", { class: "note sums-below" }, "Sum: ", group.map((one) => h("span", {}, group.length > 1 && `${one.label} `, h("b", {}, bits(one.bits)))), " bits");
      return [systems, sum];
    }

    function drawSystem(group, number, widths, from, last, label) {
      const tokens = (one) => one.tokens.slice(from, from + widths.length);
      const columns = `${label}px ${widths.map((one) => `${one}px`).join(" ")}${last ? " 62px" : ""}`;
      const heads = tokens(group[0]).map((token) => h("div", { role: "columnheader", class: token.oov ? "head oov" : "head" }, word(token.token)));
      const rows = group.map((one) => h("div", { role: "row" }, h("div", { role: "rowheader", class: "name note", title: one.name }, one.label),
        tokens(one).map((token, i) => drawCell(token, one, number, from + i)),
        last && h("div", { role: "gridcell", class: "sum" }, bits(one.bits))));
      return h("div", { role: "grid", class: "system", "aria-label": "Bits per token", style: { "grid-template-columns": columns } },
        h("div", { role: "row" }, h("div", { role: "columnheader" }, h("span", { class: "unseen" }, "Model")), heads, last && h("div", { role: "columnheader", class: "sum note" }, "bits")), rows);
    }

    function drawCell(token, one, line, position) {
      const cell = h("div", { role: "gridcell", class: "cell heat", tabindex: "-1", style: { "--t": heat(token.bits, FULL) }, "aria-label": `${spoken(token.token)}: ${bits(token.bits)} bits, rank ${token.rank}, ${one.name}` }, params.numbers === "no" ? "" : bits(token.bits));
      cell.place = { token, name: one.name, line, position };
      return cell;
    }

    function point(event) {
      if (event.target.matches(".cell")) tell(event.target);
      else if (!event.target.closest(".cell")) hide();
    }

    function tell(cell) {
      if (!cell.place) return;
      const { token, name } = cell.place;
      const rows = token.expected.map((one) => h("tr", { class: one.word === token.token ? "it" : null }, h("td", {}, word(one.word)), h("td", { class: "number" }, probability(one.probability))));
      popover.replaceChildren(
        h("p", { class: "token" }, word(token.token), token.oov && h("span", { class: "note" }, " not in its vocabulary: scored as unknown")),
        h("p", {}, h("b", {}, bits(token.bits)), " bits · probability ", h("b", {}, probability(token.probability)), " · rank ", h("b", {}, String(token.rank))),
        h("p", { class: "note" }, `${name} expected, of ${token.entropy.toFixed(1)} bits of entropy:`), h("table", {}, h("tbody", {}, rows)),
        h("p", { class: "note" }, "Enter or a double click: all of it under Next word."));
      popover.hidden = false;
      const at = cell.getBoundingClientRect();
      const frame = root.getBoundingClientRect();
      const left = Math.min(Math.max(0, at.left - frame.left), frame.width - popover.offsetWidth);
      const below = at.bottom + popover.offsetHeight + 8 < window.innerHeight || at.top < popover.offsetHeight;
      popover.style.setProperty("left", `${left}px`);
      popover.style.setProperty("top", `${below ? at.bottom - frame.top + 6 : at.top - frame.top - popover.offsetHeight - 6}px`);
      for (const other of score.querySelectorAll(".told")) other.classList.remove("told");
      cell.classList.add("told");
      cell.setAttribute("aria-describedby", popover.id);
    }

    function hide() {
      popover.hidden = true;
      score.querySelector(".told")?.classList.remove("told");
      if (document.activeElement?.matches(".score .cell")) tell(document.activeElement);
    }

    function follow(event) {
      if (!event.target.place) return;
      const { token, name, line, position } = event.target.place;
      const one = found.find((other) => other.name === name);
      const unit = models.find((model) => model.name === name)?.unit;
      const before = one.lines[line].tokens.slice(0, position).map((other) => other.token);
      const earlier = (params.text ?? "").split("\n").slice(0, line).map((text) => `${text}\n`).join("");
      const written = unit === "word" ? before.map((text) => `${text} `).join("") : before.join("").replaceAll("▁", " ").replaceAll("Ġ", " ");
      if (token) location.hash = address("next", { text: earlier + written, models: params.models });
    }

    function keys(event) {
      if (!event.target.place) return;
      if (event.key === "Enter") return follow(event);
      if (event.key === "Escape") {
        popover.hidden = true;
        return;
      }
      const cells = [...score.querySelectorAll(".cell")];
      const { name, line, position } = event.target.place;
      const of = (other) => cells.filter((cell) => cell.place.name === other);
      const row = of(name);
      const here = row.indexOf(event.target);
      const order = [...new Set(cells.filter((cell) => cell.place.line === line).map((cell) => cell.place.name))];
      const beside = (by) => of(order[order.indexOf(name) + by]).find((cell) => cell.place.line === line && cell.place.position === position) ?? of(order[order.indexOf(name) + by]).find((cell) => cell.place.line === line);
      const next = { ArrowRight: () => row[here + 1], ArrowLeft: () => row[here - 1], Home: () => row[0], End: () => row.at(-1), ArrowDown: () => beside(1), ArrowUp: () => beside(-1) }[event.key];
      if (!next) return;
      event.preventDefault();
      const cell = next();
      if (!cell) return;
      for (const other of score.querySelectorAll('.cell[tabindex="0"]')) other.setAttribute("tabindex", "-1");
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

/** Where to break a row: [[from, to], …], each no wider than `room`, with space for the sum in the last. */
export function pack(widths, room, sum) {
  const lines = [];
  let from = 0;
  let used = 0;
  widths.forEach((one, i) => {
    const needed = one + (i === widths.length - 1 ? sum : 0);
    if (i > from && used + needed > room) {
      lines.push([from, i]);
      from = i;
      used = 0;
    }
    used += one;
  });
  lines.push([from, widths.length]);
  return lines.length > 1 && used < room / 4 ? balanced(lines, widths) : lines;
}

/** The last two rows of about one width, so that the last is not a word or two. */
function balanced(lines, widths) {
  const [[start, end], [, last]] = lines.slice(-2);
  const total = (from, to) => widths.slice(from, to).reduce((sum, one) => sum + one, 0);
  let middle = end;
  while (middle > start + 1 && total(start, middle - 1) >= total(middle - 1, last)) middle -= 1;
  return [...lines.slice(0, -2), [start, middle], [middle, last]];
}

const pen = document.createElement("canvas").getContext("2d");

function width(text, size, family) {
  const style = getComputedStyle(document.documentElement);
  pen.font = `${parseFloat(size) * parseFloat(style.fontSize)}px ${style.getPropertyValue(family)}`;
  return pen.measureText(text).width;
}

const shape = (token) => ({ "</s>": "STOP", "<unk>": "unknown", "▁": "␣" })[token] ?? token;

const size = (perplexity) => (perplexity === null ? "∞" : perplexity < 100 ? perplexity.toFixed(1) : perplexity < 1e6 ? Math.round(perplexity).toString() : perplexity.toExponential(1));

function legend() {
  const ticks = [0, 4, 8, 12, 16].map((value) => h("span", {}, h("b", {}, value === FULL ? `${value}+` : String(value)), h("span", {}, value ? `1/${2 ** value}` : "1")));
  const names = h("span", { class: "names" }, h("b", {}, "bits"), h("span", {}, "probability"));
  return h("figure", { class: "legend note", "aria-label": "Scale of colours" }, h("div", { class: "ramp" }), h("div", { class: "ticks" }, ticks, names));
}

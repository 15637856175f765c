// Next word: what every model expects after a text, step by step; a word is clicked to force it.

import { beginnings } from "../examples.js";
import { bits, h, heat, probability, shortNames, spoken, word } from "../dom.js";
import { chosen, picker } from "../picker.js";
import { drawTree, kept, parse, serialise, without } from "./branches.js";

const FEW = 12;
const MANY = 50;
const SCALES = [0.05, 0.1, 0.25, 0.5, 1];

/** A text cut into what is complete and the word that is half typed; a mark such as a full stop is never half typed. */
export function cut(text) {
  const prefix = text.match(/\S*$/)[0];
  if (!/[\p{L}\p{N}]/u.test(prefix)) return { base: text, prefix: "" };
  return { base: text.slice(0, text.length - prefix.length), prefix };
}

/** The text with a token forced: after a blank, in place of the half typed word where tokens are words. */
export function forced(text, one) {
  if (one.insert !== undefined) return text + one.insert;
  const { base, prefix } = cut(text);
  const before = prefix || !base || /\s$/.test(base) ? base : `${base} `;
  return one.word === "</s>" ? `${text.trimEnd()}\n` : `${before}${one.word} `;
}

/** The text without its last word, or its last line's end. */
export function shorter(text) {
  if (/\n\s*$/.test(text)) return text.replace(/\n\s*$/, " ");
  return text.replace(/\S+\s*$/, "");
}

export const view = {
  id: "next",
  title: "Next word",
  lead: "What each model expects after a text, and how sure it is. Click a word to force it, and see what follows.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, go, fail, announce } = context;
    let params = {};
    let asking = null;
    let walking = null;
    let stepsOf = null;
    let marked = null; // [column, row] of the word that Enter takes

    const box = h("textarea", {
      class: "text", id: "next-text", rows: 1, maxlength: 20000, spellcheck: "false", autocapitalize: "off", autocomplete: "off",
      placeholder: "Type a beginning…", "aria-describedby": "next-keys", oninput: () => write(box.value, { replace: true }), onkeydown: keys,
    });
    const choice = picker(models, { legend: "Models", fit: (model) => model.normalised, change: (names) => set({ models: names.join(",") }) });
    const back = h("button", { type: "button", class: "small", onclick: () => leave(shorter(box.value)) }, "Step back");
    const clear = h("button", { type: "button", class: "small", onclick: () => leave("") }, "Clear");
    const hint = h("p", { class: "note keys", id: "next-keys" },
      h("kbd", {}, "↑"), " ", h("kbd", {}, "↓"), " choose a word, ", h("kbd", {}, "Enter"), " forces it, ", h("kbd", {}, "Shift"), " ", h("kbd", {}, "Enter"), " ends the sentence");
    const offers = h("p", { class: "offers" });
    const trail = h("nav", { class: "tree", "aria-label": "Branches", hidden: true });
    const columns = h("div", { class: "columns", onkeydown: arrows });
    const scale = h("p", { class: "note scale" });
    const table = h("div", { class: "scroll steps", role: "region", "aria-label": "Step by step", tabindex: "0" });
    const steps = h("section", { "aria-labelledby": "steps-title", hidden: true }, h("h2", { id: "steps-title" }, "Step by step"), table);
    root.append(
      choice,
      h("div", { class: "writing" }, h("label", { for: "next-text" }, "The text so far"), box, h("div", { class: "row under" }, hint, h("span", { class: "row" }, back, clear)), offers, trail),
      h("section", { "aria-label": "Expected next" }, columns, scale), steps);

    // The address is written first; what is shown follows from it.
    const set = (changed, options) => go({ ...params, ...changed }, options);
    const write = (text, options) => set({ text }, options);

    /** Force a word; a branch that is left behind stays in the tree. */
    function force(one) {
      const text = forced(box.value, one);
      set({ text, branches: serialise(kept(parse(params.branches), text)) });
      box.setSelectionRange(text.length, text.length);
    }

    /** By the mouse one goes on typing; fingers and keys stay where they are. */
    function pick(event) {
      force(event.currentTarget.entry);
      if (event.pointerType === "mouse") box.focus({ preventScroll: true });
    }

    /** Go to another place, and keep this one as a branch. */
    function leave(text) {
      const branches = cut(box.value).base === "" && !box.value.trim() ? parse(params.branches) : kept(parse(params.branches), box.value);
      set({ text, branches: serialise(branches) });
    }

    const shown = () => chosen(models, params, { fit: (model) => model.normalised });

    function update(now) {
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      fit();
      choice.update(shown().map((model) => model.name));
      back.disabled = clear.disabled = !text.trim();
      const branches = parse(params.branches);
      trail.hidden = branches.length < 2 && kept(branches, text).length < 2 && !branches.some((one) => one.trim() !== text.trim());
      trail.replaceChildren(...(trail.hidden ? [] : [drawTree(branches, text, { go: leave, drop: (gone) => set({ branches: serialise(without(branches, gone)) }) })]));
      offer(text);
      ask(text);
      walk(text);
    }

    function fit() {
      box.rows = Math.min(8, Math.max(1, box.value.split("\n").length));
      while (box.scrollHeight > box.clientHeight + 2 && box.rows < 8) box.rows += 1;
    }

    async function offer(text) {
      offers.hidden = Boolean(text.trim());
      if (offers.hidden || offers.dataset.of === shown()[0]?.name) return;
      const model = shown()[0];
      offers.dataset.of = model.name;
      const found = await beginnings(model).catch(() => []);
      if (offers.dataset.of !== model.name) return;
      const buttons = found.map((one) => h("button", { type: "button", class: "quiet offer words", onclick: () => { write(`${one} `); box.focus(); } }, `${one}…`));
      offers.replaceChildren(...(buttons.length ? [h("span", { class: "label" }, "Or begin as the model would:"), ...buttons] : []));
    }

    async function ask(text) {
      asking?.abort();
      const mine = (asking = new AbortController());
      const names = shown().map((model) => model.name);
      const { base, prefix } = cut(text);
      const k = Number(params.rows) > FEW ? MANY : FEW;
      columns.classList.add("stale");
      try {
        const body = { text: base, models: names, k, ...(prefix && { prefix, word: prefix.slice(0, 200) }) };
        if (prefix.length > 200) Object.assign(body, { text, prefix: undefined, word: undefined });
        const answer = await post("/explore/next", body, { signal: mine.signal });
        fail(box, null);
        draw(answer.models, k);
        columns.classList.remove("stale");
      } catch (error) {
        fail(box, error);
      }
    }

    function draw(found, k) {
      const completing = found.some((one) => one.prefix);
      const best = Math.max(0, ...found.flatMap((one) => (one.top ?? []).map((top) => top.probability)));
      const full = completing ? 1 : (SCALES.find((size) => best <= size) ?? 1);
      const bar = completing ? "the probability of all words that begin like this" : `a probability of ${full}`;
      scale.textContent = `A full bar is ${bar}. The entropy is that of all words, shown or not.`;
      marked = null;
      const names = shortNames(found.map((one) => one.name));
      while (columns.children.length > found.length) columns.lastChild.remove();
      found.forEach((one, i) => {
        const column = columns.children[i] ?? columns.appendChild(newColumn());
        fill(column, one, { name: names[i], full, k, model: models.find((model) => model.name === one.name) });
      });
      const first = found.find((one) => one.top?.length);
      if (first) announce(`${first.name} expects ${first.top.slice(0, 3).map((top) => `${spoken(top.word)} ${probability(top.probability)}`).join(", ")}`);
    }

    function newColumn() {
      const column = h("section", { class: "column" }, h("header", {}), h("ol", { class: "expected" }), h("button", { type: "button", class: "quiet more", onclick: () => set({ rows: Number(params.rows) > FEW ? "" : MANY }) }));
      column.querySelector("ol").addEventListener("pointerover", (event) => same(event.target.closest("button")?.dataset.word));
      column.querySelector("ol").addEventListener("pointerleave", () => same(null));
      column.addEventListener("focusin", (event) => same(event.target.closest("button")?.dataset.word));
      return column;
    }

    function fill(column, one, { name, full, k, model }) {
      const [header, list, more] = column.children;
      const uncertainty = one.reason ? null : h("p", { class: "entropy" }, h("b", {}, one.entropy.toFixed(2)), " bits of entropy", h("span", { class: "note" }, `like ${choices(2 ** one.entropy)} equal choices`));
      const itself = one.word ? ` · alone ${probability(one.word.probability)}, rank ${one.word.rank}` : "";
      const completing = one.prefix && h("p", { class: "typed note" }, h("span", { class: "words" }, `${one.prefix}…`), ` ${probability(one.prefix_probability)}${itself}`);
      header.replaceChildren(h("h2", { title: one.name }, name), h("p", { class: "note" }, model?.description ?? ""), uncertainty ?? "", h("div", { class: "lookup" }, h("div", {}, completing)));
      column.setAttribute("aria-label", one.name);
      const top = one.top ?? [];
      while (list.children.length > top.length) list.lastChild.remove();
      top.forEach((entry, row) => {
        const item = list.children[row] ?? list.appendChild(newRow());
        const button = item.firstChild;
        button.replaceChildren(word(entry.word), h("span", { class: "p" }, probability(entry.probability)));
        button.style.setProperty("--share", Math.min(1, entry.probability / (one.prefix ? one.prefix_probability : full)));
        button.dataset.word = entry.word;
        button.entry = entry;
        button.tabIndex = row ? -1 : 0;
        button.classList.remove("marked");
        button.setAttribute("aria-label", `${spoken(entry.word)}, ${probability(entry.probability)}`);
      });
      more.hidden = top.length < FEW;
      more.textContent = k > FEW ? "Fewer" : `Show ${MANY}`;
      fail(header.lastChild.firstChild, one.reason ? new Error(one.reason) : top.length ? null : new Error("No word that it knows begins like this."));
    }

    function newRow() {
      return h("li", {}, h("button", { type: "button", class: "candidate", onclick: pick }));
    }

    function same(text) {
      for (const button of columns.querySelectorAll(".candidate")) button.classList.toggle("same", text !== null && text !== undefined && button.dataset.word === text);
    }

    const cell = ([column, row]) => columns.children[column]?.querySelector("ol")?.children[row]?.firstChild;

    /** In the text: arrows choose a word of the columns, Enter takes it. */
    function keys(event) {
      if (event.isComposing) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        const taken = cell(marked ?? [0, 0]) ?? columns.querySelector(".candidate");
        if (taken && !columns.classList.contains("stale")) force(taken.entry);
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !event.shiftKey && !box.value.slice(0, -1).includes("\n")) {
        event.preventDefault();
        const [column, row] = marked ?? [0, event.key === "ArrowDown" ? -1 : 0];
        mark([column, Math.max(0, row + (event.key === "ArrowDown" ? 1 : -1))]);
      } else if ((event.key === "ArrowRight" || event.key === "ArrowLeft") && marked) {
        event.preventDefault();
        mark([Math.max(0, marked[0] + (event.key === "ArrowRight" ? 1 : -1)), marked[1]]);
      } else if (event.key === "Escape" && marked) {
        cell(marked)?.classList.remove("marked");
        marked = null;
        same(null);
      }
    }

    function mark(place) {
      const button = cell(place);
      if (!button) return;
      columns.querySelector(".marked")?.classList.remove("marked");
      marked = place;
      button.classList.add("marked");
      same(button.dataset.word);
      announce(button.getAttribute("aria-label"));
    }

    /** On a word of the columns: arrows go to its neighbours. */
    function arrows(event) {
      const move = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[event.key];
      if (!move || !event.target.matches(".candidate")) return;
      event.preventDefault();
      const column = event.target.closest(".column");
      const at = [[...columns.children].indexOf(column) + move[0], [...event.target.closest("ol").children].indexOf(event.target.parentNode) + move[1]];
      if (at[1] < 0) box.focus();
      else (cell(at) ?? event.target).focus();
    }

    async function walk(text) {
      const { base } = cut(text);
      const names = shown().map((model) => model.name);
      const wanted = JSON.stringify([base, names]);
      if (wanted === stepsOf) return;
      stepsOf = wanted;
      walking?.abort();
      const mine = (walking = new AbortController());
      steps.hidden = !base.trim();
      if (steps.hidden) return;
      try {
        const answer = await post("/explore/steps", { text: base, models: names, k: 3 }, { signal: mine.signal });
        fail(table, null);
        table.replaceChildren(...byTokens(answer.models).map((group) => drawSteps(group, models, leave)));
      } catch (error) {
        if (error.name !== "AbortError") stepsOf = null;
        fail(table, error);
      }
    }

    return {
      update,
      unmount() {
        asking?.abort();
        walking?.abort();
      },
    };
  },
};

function choices(number) {
  return number < 10 ? number.toFixed(1) : number < 1e4 ? Math.round(number).toString() : number.toExponential(1);
}

/** Models that cut the text alike stand in one table. */
function byTokens(found) {
  const able = found.filter((one) => one.steps?.length);
  return [...Map.groupBy(able, (one) => JSON.stringify([one.first, one.steps.map((step) => step.token)])).values()];
}

/** The lectures' table: the context so far, the word that came, and what each model had expected. */
function drawSteps(group, models, leave) {
  const names = shortNames(group.map((one) => one.name));
  const [{ first, steps }] = group;
  const spelt = (tokens) => tokens.map((token) => (token === "</s>" ? "\n" : `${token} `)).join("").replaceAll(" \n", "\n");
  const words = models.find((model) => model.name === group[0].name)?.unit === "word";
  const rows = steps.map((step, t) => {
    const before = steps.slice(0, t).map((one) => one.token);
    const start = t + first === 0;
    const inner = start ? word("<s>") : [t > 4 || first ? "… " : "", before.slice(-4).map((token) => [word(token), " "])];
    const place = h("button", { type: "button", class: "quiet context", title: "Step back to here", onclick: () => leave(spelt(before)) }, inner);
    return h("tr", {}, h("td", { class: "so-far" }, words && !first ? place : inner), h("th", { scope: "row", class: "came" }, word(step.token), step.oov && h("span", { class: "note" }, " unknown")),
      group.map((one) => measured(one.steps[t])));
  });
  return h("table", { style: { "--models": group.length } }, h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "so-far" }, "Context so far"), h("th", { scope: "col" }, "came"), group.map((one, i) => h("th", { scope: "col", title: one.name }, names[i])))), h("tbody", {}, rows));
}

function measured(step) {
  return h("td", { class: "measured" },
    h("p", { class: "of-word" }, h("span", { class: "heat", style: { "--t": heat(step.bits) } }, probability(step.probability)), h("span", { class: "note" }, ` rank ${step.rank} · ${bits(step.bits)} bits`)),
    h("p", { class: "note expected-then" }, step.expected.map((one) => h("span", { class: one.word === step.token ? "pair it" : "pair" }, word(one.word), ` ${probability(one.probability)} `))));
}

// What models expect next, side by side: a column each, a row for each word, the same word marked in all.

import { h, probability, shortNames, spoken, word } from "../dom.js";

const SCALES = [0.05, 0.1, 0.25, 0.5, 1]; // probabilities that a full bar may stand for
const FEW = 12; // words of a column, unless more are wanted
const MANY = 50;

/** How many words to ask for. */
export const wanted = (more) => (more ? MANY : FEW);

/**
 * The columns. pick(event) is called by a click on a word, whose entry is `event.currentTarget.entry`; more() by a click
 * on the button that shows more; up() where an arrow leaves the columns at their top.
 */
export class Columns {
  constructor({ models, fail, announce, pick, more, up }) {
    Object.assign(this, { models, fail, announce, pick, more, up });
    this.marked = null; // [column, row] of the word that Enter takes in the text
    this.root = h("div", { class: "columns", onkeydown: (event) => this.#move(event) });
    this.note = h("p", { class: "note scale" });
  }

  /** Show the answers of the models. many: whether more words than usual were asked for. */
  draw(found, many) {
    const completing = found.some((one) => one.prefix);
    const best = Math.max(0, ...found.flatMap((one) => (one.top ?? []).map((top) => top.probability)));
    const full = completing ? 1 : (SCALES.find((size) => best <= size) ?? 1);
    const mixed = completing && found.some((one) => !one.prefix && !one.reason);
    const begun = `the probability of all words that begin like this${mixed ? ", or 1 where letters or pieces follow" : ""}`;
    const bar = completing ? begun : `a probability of ${full}`;
    this.note.textContent = `A full bar is ${bar}. The entropy is that of all words, shown or not.`;
    this.marked = null;
    const names = shortNames(found.map((one) => one.name));
    while (this.root.children.length > found.length) this.root.lastChild.remove();
    found.forEach((one, i) => {
      const column = this.root.children[i] ?? this.root.appendChild(this.#newColumn());
      this.#head(column, one, names[i], completing);
      this.#rows(column, one, full);
      column.lastChild.hidden = (one.top ?? []).length < FEW;
      column.lastChild.textContent = many ? "Fewer" : `Show ${MANY}`;
    });
    this.#same(); // rows are used again for other words
    this.#tell(found.find((one) => one.top?.length));
  }

  stale(is) {
    this.root.classList.toggle("stale", is);
  }

  /** What Enter takes: the marked word, else the first; null while it is not known. */
  taken() {
    if (this.root.classList.contains("stale")) return null;
    return (this.#cell(this.marked ?? [0, 0]) ?? this.root.querySelector(".candidate"))?.entry ?? null;
  }

  /** Mark the word that many columns and rows further; the first time, the first. */
  mark(right, down) {
    const [column, row] = this.marked ?? [0, -1];
    const place = [Math.max(0, column + right), Math.max(0, row + down)];
    const button = this.#cell(place);
    if (!button) return;
    this.unmark();
    this.marked = place;
    button.classList.add("marked");
    this.#same(button.dataset.word);
    this.announce(button.getAttribute("aria-label"));
  }

  unmark() {
    if (this.marked) this.#cell(this.marked)?.classList.remove("marked");
    this.marked = null;
    this.#same();
  }

  #newColumn() {
    const list = h("ol", { class: "expected" });
    const toggle = h("button", { type: "button", class: "quiet more", onclick: this.more });
    const column = h("section", { class: "column" }, h("header", {}), list, toggle);
    list.addEventListener("pointerover", (event) => this.#same(event.target.closest("button")?.dataset.word));
    list.addEventListener("pointerleave", () => this.#same());
    list.addEventListener("focusin", (event) => this.#same(event.target.closest("button")?.dataset.word));
    return column;
  }

  #head(column, one, name, completing) {
    const about = this.models.find((model) => model.name === one.name)?.description ?? "";
    const alike = h("span", { class: "note" }, `like ${choices(2 ** (one.entropy ?? 0))} equal choices`);
    const entropy = one.reason
      ? ""
      : h("p", { class: "entropy" }, h("b", {}, one.entropy.toFixed(2)), " bits of entropy", alike);
    const alone = one.word ? ` · alone ${probability(one.word.probability)}, rank ${one.word.rank}` : "";
    const begins = h("span", { class: "words" }, `${one.prefix}…`);
    const typed = h(
      "div",
      {},
      completing && !one.prefix && !one.reason && h("p", { class: "typed note" }, "what follows the letters typed"),
      one.prefix && h("p", { class: "typed note" }, begins, ` ${probability(one.prefix_probability)}${alone}`),
    );
    const title = h("h2", { title: one.name }, name);
    column.firstChild.replaceChildren(
      title,
      h("p", { class: "note" }, about),
      entropy,
      h("div", { class: "lookup" }, typed),
    );
    column.setAttribute("aria-label", one.name);
    const none = one.top?.length === 0 ? "No word that it knows begins like this." : null;
    this.fail(typed, one.reason || none ? new Error(one.reason ?? none) : null);
  }

  #rows(column, one, full) {
    const list = column.querySelector("ol");
    const top = one.top ?? [];
    while (list.children.length > top.length) list.lastChild.remove();
    top.forEach((entry, row) => {
      const item =
        list.children[row] ??
        list.appendChild(h("li", {}, h("button", { type: "button", class: "candidate", onclick: this.pick })));
      const button = item.firstChild;
      button.replaceChildren(word(entry.word), h("span", { class: "p" }, probability(entry.probability)));
      button.style.setProperty(
        "--share",
        Math.min(1, entry.probability / (one.prefix ? one.prefix_probability : full)),
      );
      button.setAttribute("aria-label", `${spoken(entry.word)}, ${probability(entry.probability)}`);
      button.dataset.word = entry.word;
      button.entry = entry;
      button.tabIndex = row ? -1 : 0;
      button.classList.remove("marked");
    });
  }

  #tell(one) {
    if (!one) return;
    const best = one.top.slice(0, 3).map((top) => `${spoken(top.word)} ${probability(top.probability)}`);
    this.announce(`${one.name} expects ${best.join(", ")}`);
  }

  #same(text) {
    for (const button of this.root.querySelectorAll(".candidate")) {
      button.classList.toggle("same", text !== undefined && button.dataset.word === text);
    }
  }

  #cell([column, row]) {
    return this.root.children[column]?.querySelector("ol").children[row]?.firstChild;
  }

  /** On a word: arrows go to its neighbours. */
  #move(event) {
    const move = { ArrowDown: [0, 1], ArrowUp: [0, -1], ArrowRight: [1, 0], ArrowLeft: [-1, 0] }[event.key];
    if (!move || !event.target.matches(".candidate")) return;
    event.preventDefault();
    const column = [...this.root.children].indexOf(event.target.closest(".column")) + move[0];
    const row = [...event.target.closest("ol").children].indexOf(event.target.parentNode) + move[1];
    if (row < 0) this.up();
    else (this.#cell([column, row]) ?? event.target).focus();
  }
}

function choices(number) {
  if (number < 10) return number.toFixed(1);
  return number < 1e4 ? Math.round(number).toString() : number.toExponential(1);
}

// The next word's distribution as the model has it, and as the samplers leave it: a pair of bars for each word.

import { h, probability, word } from "../dom.js";

export class Bars {
  constructor() {
    const key = (name) => h("span", { class: `key ${name}` }, name);
    const number = (name) => h("th", { scope: "col", class: "number" }, name);
    const chart = h("th", { scope: "col", class: "chart" }, key("before"), key("after"));
    const head = h("tr", {}, h("th", { scope: "col" }, "Word"), chart, number("before"), number("after"));
    this.body = h("tbody", {});
    this.root = h("table", { class: "bars", hidden: true }, h("thead", {}, head), this.body);
    this.note = h("p", { class: "note" });
  }

  /** Rows are kept, so that their bars move. */
  draw(found) {
    const most = Math.max(...found.top.map((one) => Math.max(one.probability, one.after)));
    this.root.hidden = false;
    while (this.body.rows.length > found.top.length) this.body.lastChild.remove();
    found.top.forEach((one, i) => {
      const row = this.body.rows[i] ?? this.body.appendChild(newRow());
      const [name, chart, before, after] = row.cells;
      row.classList.toggle("cut", one.after === 0);
      name.replaceChildren(word(one.word));
      chart.firstChild.style.setProperty("--share", one.probability / most);
      chart.lastChild.style.setProperty("--share", one.after / most);
      before.textContent = probability(one.probability);
      after.textContent = one.after === 0 ? "cut" : probability(one.after);
    });
    const left = `${found.kept === 1 ? "One word is" : `${found.kept} words are`} left to choose from`;
    const entropy = `the entropy goes from ${found.entropy.toFixed(2)} to ${found.after_entropy.toFixed(2)} bits`;
    this.note.textContent = `${left}; ${entropy}. The longest bar is ${probability(most)}.`;
  }
}

function newRow() {
  const bars = ["before", "after"].map((name) => h("div", { class: `bar ${name}` }));
  const number = () => h("td", { class: "number" });
  return h(
    "tr",
    {},
    h("th", { scope: "row" }),
    h("td", { class: "chart", "aria-hidden": "true" }, bars),
    number(),
    number(),
  );
}

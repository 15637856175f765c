// One text as it is written: the beginning, then its tokens; the last of it may be written anew as more comes.

import { bits, h, heat, spoken } from "../dom.js";

export class Sample {
  #prompt;
  #pieces = [];
  #length = 0; // characters written
  #sum = 0; // bits
  #caret = h("span", { class: "caret", "aria-hidden": "true" });
  #foot = h("p", { class: "note" }, "…");

  constructor(number, prompt) {
    this.#prompt = h("span", { class: "prompt" }, prompt);
    const body = h("p", { class: "words" }, this.#prompt, this.#caret);
    this.root = h("article", { class: "sample", "aria-label": `Sample ${number + 1}` }, body, this.#foot);
    this.tokens = 0;
  }

  get text() {
    return this.#pieces.map((piece) => piece.textContent).join("");
  }

  /** A token: from position `at` on, `text` stands. */
  add({ at, text, bits: cost }) {
    this.#cut(at);
    // the words that a model writes bring their own blank
    if (!this.#pieces.length && /^\s/.test(text))
      this.#prompt.textContent = this.#prompt.textContent.replace(/ +$/, "");
    const [blank] = text.match(/^\s*/);
    const told = `${spoken(text.trim()) || "end"}: ${bits(cost)} bits`;
    const shade = h("span", { class: "piece", style: { "--t": heat(cost) }, title: told }, text.slice(blank.length));
    const piece = h("span", {}, blank, shade);
    this.#caret.before(piece);
    this.#pieces.push(piece);
    this.#length += text.length;
    this.#sum += cost ?? Infinity;
    this.tokens += 1;
    this.#foot.textContent = `${this.tokens} tokens · ${(this.#sum / this.tokens).toFixed(2)} bits each`;
  }

  end(reason) {
    this.#caret.remove();
    this.#foot.textContent += reason === "stop" ? " · came to its end" : " · cut at the length";
  }

  #cut(at) {
    while (this.#length > at) {
      const last = this.#pieces.at(-1);
      const size = last.textContent.length;
      const keep = Math.max(0, size - (this.#length - at));
      last.textContent = last.textContent.slice(0, keep);
      this.#length -= size - keep;
      if (!keep) this.#pieces.pop().remove();
    }
  }
}

// Generation: texts as they are written, and what the samplers' settings do to the next word, live.

import { beginnings } from "../examples.js";
import { bits, h, heat, probability, spoken, word } from "../dom.js";
import { chosenOne, picker } from "../picker.js";

const SHOWN = 10; // words of the distribution
const USUAL = { temperature: "1", top_k: "0", top_p: "1", min_p: "0", samples: "3", max_tokens: "40", seed: "1" };

// name, label, from, to, step, and what a value means
const SLIDERS = [
  ["temperature", "Temperature", 0, 2, 0.05, (value) => (value === 0 ? "greedy" : value.toFixed(2))],
  ["top_k", "Top k", 0, 100, 1, (value) => (value === 0 ? "off" : String(value))],
  ["top_p", "Top p", 0.01, 1, 0.01, (value) => (value === 1 ? "off" : value.toFixed(2))],
  ["min_p", "Min p", 0, 1, 0.01, (value) => (value === 0 ? "off" : value.toFixed(2))],
  ["samples", "Samples", 1, 8, 1, String],
  ["max_tokens", "Length", 1, 200, 1, String],
];

export const view = {
  id: "generation",
  title: "Generation",
  lead: "A model goes on with a text, each time drawing the next word from what it expects. The settings say how freely it may choose.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, stream, go, fail, announce } = context;
    let params = {};
    let asking = null;
    let writing = null;
    let asked = null;

    const box = h("textarea", {
      class: "text", id: "generation-text", rows: 2, maxlength: 20000, spellcheck: "false", autocapitalize: "off",
      placeholder: "Type a beginning, or let the model begin…", oninput: () => set({ text: box.value }, { replace: true }),
      onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && (event.preventDefault(), write()),
    });
    const choice = picker(models, { legend: "Model", one: true, fit: (model) => model.normalised, change: ([name]) => set({ model: name }) });
    const sliders = SLIDERS.map(([name, label, min, max, step, means]) => {
      const input = h("input", { type: "range", id: `generation-${name}`, min, max, step, oninput: () => set({ [name]: input.value === USUAL[name] ? "" : input.value }, { replace: true }) });
      const output = h("output", { for: input.id });
      return { name, input, output, means, root: h("div", { class: "slider" }, h("label", { for: input.id }, label), input, output) };
    });
    const seed = h("input", { type: "number", id: "generation-seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, onchange: () => set({ seed: seed.value }) });
    const dice = h("button", { type: "button", class: "small", onclick: () => set({ seed: String(Math.floor(Math.random() * 1e6)) }) }, "Another seed");
    const endless = h("input", { type: "checkbox", id: "generation-endless", onchange: () => set({ on: endless.checked ? "yes" : "" }) });
    const coloured = h("input", { type: "checkbox", id: "generation-coloured", onchange: () => set({ colour: coloured.checked ? "yes" : "" }, { replace: true }) });
    const start = h("button", { type: "button", class: "primary", onclick: () => (writing ? stop() : write()) }, "Generate");
    const told = h("span", { class: "note", id: "generation-state" });
    const samples = h("div", { class: "samples" });
    const bars = h("table", { class: "bars" });
    const summary = h("p", { class: "note" });
    root.append(choice,
      h("div", { class: "field" }, h("label", { for: "generation-text" }, "The text so far"), box),
      h("div", { class: "desk" },
        h("form", { class: "settings", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
          h("h2", {}, "Settings"), sliders.map((one) => one.root),
          h("div", { class: "slider" }, h("label", { for: seed.id }, "Seed"), h("span", { class: "seed" }, seed, dice)),
          h("label", { class: "row" }, endless, "Write on after a sentence’s end"), h("label", { class: "row" }, coloured, "Colour words by surprisal")),
        h("section", { class: "before-after", "aria-labelledby": "bars-title" }, h("h2", { id: "bars-title" }, "The next word, before and after"), bars, summary)),
      h("section", { "aria-labelledby": "samples-title" }, h("div", { class: "row start" }, h("h2", { id: "samples-title" }, "Samples"), start, told), samples));

    const set = (changed, options) => go({ ...params, ...changed }, options);
    const value = (name) => Number(params[name] || USUAL[name]);
    const model = () => chosenOne(models, params, { fit: (one) => one.normalised });

    /** The samplers as the server takes them; what is off is left out. */
    function sampling() {
      const given = { temperature: value("temperature") };
      if (value("top_k") > 0) given.top_k = value("top_k");
      if (value("top_p") < 1) given.top_p = value("top_p");
      if (value("min_p") > 0) given.min_p = value("min_p");
      return given;
    }

    function update(now) {
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      choice.update([model()?.name]);
      for (const { name, input, output, means } of sliders) {
        input.value = value(name);
        output.textContent = means(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
      }
      if (document.activeElement !== seed) seed.value = params.seed ?? USUAL.seed;
      endless.checked = params.on === "yes";
      coloured.checked = params.colour === "yes";
      samples.classList.toggle("coloured", coloured.checked);
      if (!writing && !samples.children.length) invite();
      ask();
    }

    async function ask() {
      const wanted = JSON.stringify([params.text, model()?.name, sampling()]);
      if (wanted === asked || !model()) return;
      asked = wanted;
      asking?.abort();
      const mine = (asking = new AbortController());
      try {
        const body = { text: params.text ?? "", models: [model().name], k: SHOWN, ...sampling() };
        const answer = await post("/explore/next", body, { signal: mine.signal });
        fail(box, answer.models[0].reason ? new Error(answer.models[0].reason) : null);
        if (!answer.models[0].reason) draw(answer.models[0]);
      } catch (error) {
        if (error.name !== "AbortError") asked = null;
        fail(box, error);
      }
    }

    /** One row a word: its probability as the model has it, and below as the samplers leave it. */
    function draw(found) {
      const most = Math.max(...found.top.map((one) => Math.max(one.probability, one.after)));
      if (!bars.tBodies.length) {
        bars.append(h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Word"), h("th", { scope: "col", class: "chart" }, h("span", { class: "key before" }, "before"), h("span", { class: "key after" }, "after")), h("th", { scope: "col", class: "number" }, "before"), h("th", { scope: "col", class: "number" }, "after"))), h("tbody", {}));
      }
      const body = bars.tBodies[0];
      while (body.rows.length > found.top.length) body.lastChild.remove();
      found.top.forEach((one, i) => {
        const row = body.rows[i] ?? body.appendChild(h("tr", {}, h("th", { scope: "row" }), h("td", { class: "chart", "aria-hidden": "true" }, h("div", { class: "bar before" }), h("div", { class: "bar after" })), h("td", { class: "number" }), h("td", { class: "number" })));
        row.classList.toggle("cut", one.after === 0);
        row.cells[0].replaceChildren(word(one.word));
        row.cells[1].children[0].style.setProperty("--share", one.probability / most);
        row.cells[1].children[1].style.setProperty("--share", one.after / most);
        row.cells[2].textContent = probability(one.probability);
        row.cells[3].textContent = one.after === 0 ? "cut" : probability(one.after);
      });
      const left = `${found.kept === 1 ? "One word is" : `${found.kept} words are`} left to choose from`;
      summary.textContent = `${left}; the entropy goes from ${found.entropy.toFixed(2)} to ${found.after_entropy.toFixed(2)} bits. The longest bar is ${probability(most)}.`;
    }

    async function invite() {
      const empty = h("p", { class: "empty" }, "Nothing written yet. Generate, and the samples grow here side by side.");
      samples.replaceChildren(empty);
      if ((params.text ?? "").trim() || !model()) return;
      const found = await beginnings(model()).catch(() => []);
      if (!samples.contains(empty) || !found.length) return;
      const begin = (one) => {
        set({ text: `${one} ` });
        write();
      };
      const button = (one) => h("button", { type: "button", class: "quiet offer words", onclick: () => begin(one) }, one);
      empty.append(" Or begin with ", ...found.flatMap((one, i) => [i ? ", " : "", button(one)]), ".");
    }

    function stop() {
      writing?.abort();
      writing = null;
      start.textContent = "Generate";
      start.classList.add("primary");
    }

    async function write() {
      stop();
      const mine = (writing = new AbortController());
      start.textContent = "Stop";
      start.scrollIntoView({ block: "nearest" });
      start.classList.remove("primary");
      told.textContent = "";
      const text = params.text ?? "";
      const cards = Array.from({ length: value("samples") }, (_, i) => newCard(i, text));
      samples.replaceChildren(...cards.map((card) => card.root));
      const wish = { text, model: model().name, samples: cards.length, max_tokens: value("max_tokens"), seed: Number(params.seed ?? USUAL.seed) || 0, stop_at_end: params.on !== "yes", ...sampling() };
      const begun = performance.now();
      let written = 0;
      try {
        for await (const event of stream("/explore/generate", wish, { signal: mine.signal })) {
          if (event.error) throw new Error(event.error.message);
          for (const token of event.tokens ?? []) cards[token.sample].add(token);
          written += event.tokens?.length ?? 0;
          event.done?.forEach((reason, i) => cards[i].end(reason));
        }
        const seconds = (performance.now() - begun) / 1000;
        told.textContent = `${written} tokens in ${seconds.toFixed(1)} s`;
        announce(`Done: ${cards.map((card) => card.text()).join(" — ")}`);
        fail(start.parentNode, null);
      } catch (error) {
        if (error.name === "AbortError") told.textContent = `Stopped after ${written} tokens.`;
        else cards.filter((card) => !card.text()).forEach((card) => card.root.remove());
        fail(start.parentNode, error.name === "AbortError" ? null : error);
      }
      if (writing === mine) stop();
    }

    /** One sample: the beginning, then its tokens; the last of it may be written anew as more comes. */
    function newCard(number, prompt) {
      const before = h("span", { class: "prompt" }, prompt);
      const body = h("p", { class: "words" }, before);
      const foot = h("p", { class: "note" }, "…");
      const pieces = [];
      let length = 0;
      let sum = 0;
      let tokens = 0;
      let caret = body.appendChild(h("span", { class: "caret", "aria-hidden": "true" }));
      return {
        root: h("article", { class: "sample", "aria-label": `Sample ${number + 1}` }, body, foot),
        text: () => pieces.map((piece) => piece.textContent).join(""),
        add({ at, text, bits: cost }) {
          while (length > at) {
            const last = pieces.at(-1);
            const keep = Math.max(0, last.textContent.length - (length - at));
            length -= last.textContent.length - keep;
            last.textContent = last.textContent.slice(0, keep);
            if (!keep) pieces.pop().remove();
          }
          if (!pieces.length && /^\s/.test(text)) before.textContent = prompt.replace(/ +$/, "");
          const [blank] = text.match(/^\s*/);
          const told = `${spoken(text.trim()) || "end"}: ${bits(cost)} bits`;
          const piece = h("span", {}, blank, h("span", { class: "piece", style: { "--t": heat(cost) }, title: told }, text.slice(blank.length)));
          pieces.push(piece);
          length += text.length;
          caret ? caret.before(piece) : body.append(piece);
          tokens += 1;
          sum += cost ?? Infinity;
          foot.textContent = `${tokens} tokens · ${(sum / tokens).toFixed(2)} bits each`;
        },
        end(reason) {
          caret?.remove();
          caret = null;
          foot.textContent += reason === "stop" ? " · came to its end" : " · cut at the length";
        },
      };
    }

    return {
      update,
      unmount() {
        asking?.abort();
        writing?.abort();
      },
    };
  },
};

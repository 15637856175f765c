// Generation: texts as they are written, and what the samplers' settings do to the next word, live.

import { h } from "../dom.js";
import { beginnings } from "../examples.js";
import { NONE, chosenOne, picker } from "../picker.js";
import { Bars } from "./bars.js";
import { Sample } from "./samples.js";

const SHOWN = 10; // words of the distribution
const USUAL = { temperature: 1, top_k: 0, top_p: 1, min_p: 0, samples: 3, max_tokens: 40, seed: 1 };
const decimals = (value) => value.toFixed(2);

// name, label, from, to, step, and how a value is said
const SLIDERS = [
  ["temperature", "Temperature", 0, 2, 0.05, (value) => (value === 0 ? "greedy" : decimals(value))],
  ["top_k", "Top k", 0, 100, 1, (value) => (value === 0 ? "off" : String(value))],
  ["top_p", "Top p", 0.01, 1, 0.01, (value) => (value === 1 ? "off" : decimals(value))],
  ["min_p", "Min p", 0, 1, 0.01, (value) => (value === 0 ? "off" : decimals(value))],
  ["samples", "Samples", 1, 8, 1, String],
  ["max_tokens", "Length", 1, 200, 1, String],
];

export const view = {
  id: "generation",
  title: "Generation",
  lead:
    "A model goes on with a text, each time drawing the next word from what it expects. " +
    "The settings say how freely it may choose.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, stream, go, fail, announce } = context;
    const fit = (model) => model.normalised;
    let params = {};
    let asking = null;
    let asked = null;
    let writing = null;

    const box = h("textarea", {
      class: "text",
      id: "generation-text",
      rows: 2,
      spellcheck: "false",
      autocapitalize: "off",
      placeholder: "Type a beginning, or let the model begin…",
      oninput: () => set({ text: box.value }, { replace: true }),
      onkeydown: keys,
    });
    const choice = picker(models, { legend: "Model", one: true, fit, change: ([name]) => set({ model: name }) });
    const sliders = SLIDERS.map((one) => newSlider(...one));
    const range = { min: 0, max: Number.MAX_SAFE_INTEGER, step: 1 };
    const seed = h("input", {
      type: "number",
      id: "generation-seed",
      ...range,
      onchange: () => set({ seed: seed.value }),
    });
    const another = () => set({ seed: String(Math.floor(Math.random() * 1e6)) });
    const dice = h("button", { type: "button", class: "small", onclick: another }, "Another seed");
    const endless = h("input", { type: "checkbox", onchange: () => set({ on: endless.checked ? "yes" : "" }) });
    const colour = () => set({ colour: coloured.checked ? "yes" : "" }, { replace: true });
    const coloured = h("input", { type: "checkbox", onchange: colour });
    const start = h(
      "button",
      { type: "button", class: "primary", onclick: () => (writing ? stop() : write()) },
      "Generate",
    );
    const told = h("span", { class: "note", id: "generation-state" });
    const samples = h("div", { class: "samples" });
    const bars = new Bars();
    const settings = h(
      "form",
      { class: "settings", "aria-label": "Settings", onsubmit: (event) => event.preventDefault() },
      h("h2", {}, "Settings"),
      sliders.map((one) => one.root),
      h("div", { class: "slider" }, h("label", { for: seed.id }, "Seed"), h("span", { class: "seed" }, seed, dice)),
      h("label", { class: "row" }, endless, "Write on after a sentence’s end"),
      h("label", { class: "row" }, coloured, "Colour words by surprisal"),
    );
    const barsTitle = h("h2", { id: "bars-title" }, "The next word, before and after");
    const compared = h(
      "section",
      { class: "before-after", "aria-labelledby": barsTitle.id },
      barsTitle,
      bars.root,
      bars.note,
    );
    const title = h("h2", { id: "samples-title" }, "Samples");
    const controls = h("div", { class: "row start" }, title, start, told);
    root.append(
      choice,
      h("div", { class: "field" }, h("label", { for: box.id }, "The text so far"), box),
      h("div", { class: "desk" }, settings, compared),
      h("section", { "aria-labelledby": title.id }, controls, samples),
    );

    const set = (changed, options) => go({ ...params, ...changed }, options);
    const value = (name) => valueOf(params, name);
    const model = () => chosenOne(models, params, { fit });

    function newSlider(name, label, min, max, step, means) {
      const change = () => set({ [name]: Number(input.value) === USUAL[name] ? "" : input.value }, { replace: true });
      const input = h("input", { type: "range", id: `generation-${name}`, min, max, step, oninput: change });
      const output = h("output", { for: input.id });
      const update = () => {
        input.value = value(name);
        output.textContent = means(Number(input.value));
        input.setAttribute("aria-valuetext", output.textContent);
      };
      return { root: h("div", { class: "slider" }, h("label", { for: input.id }, label), input, output), update };
    }

    /** The samplers as the server takes them; what is off is left out. */
    function sampling() {
      const given = { temperature: value("temperature") };
      if (value("top_k") > 0) given.top_k = value("top_k");
      if (value("top_p") < 1) given.top_p = value("top_p");
      if (value("min_p") > 0) given.min_p = value("min_p");
      return given;
    }

    function update(now) {
      if (!models.some(fit)) return fail(box, NONE);
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      choice.update([model()?.name]);
      sliders.forEach((slider) => slider.update());
      if (document.activeElement !== seed) seed.value = value("seed");
      endless.checked = params.on === "yes";
      coloured.checked = params.colour === "yes";
      samples.classList.toggle("coloured", coloured.checked);
      if (!writing && !samples.children.length) invite();
      ask();
    }

    /** What the next word would be drawn from. */
    async function ask() {
      const wanted = JSON.stringify([params.text, model()?.name, sampling()]);
      if (wanted === asked || !model()) return;
      asked = wanted;
      asking?.abort();
      const mine = (asking = new AbortController());
      try {
        const body = { text: params.text ?? "", models: [model().name], k: SHOWN, ...sampling() };
        const [found] = (await post("/explore/next", body, { signal: mine.signal })).models;
        fail(box, found.reason ? new Error(found.reason) : null);
        if (!found.reason) bars.draw(found);
      } catch (error) {
        if (error.name !== "AbortError") asked = null;
        fail(box, error);
      }
    }

    async function invite() {
      const empty = h(
        "p",
        { class: "empty" },
        "Nothing written yet. Generate, and the samples grow here side by side.",
      );
      samples.replaceChildren(empty);
      if ((params.text ?? "").trim() || !model()) return;
      const found = await beginnings(model()).catch(() => []);
      if (!samples.contains(empty) || !found.length) return;
      const begin = (one) => {
        set({ text: `${one} ` });
        write();
      };
      const props = { type: "button", class: "quiet offer words" };
      const buttons = found.map((one) => h("button", { ...props, onclick: () => begin(one) }, one));
      empty.append(" Or begin with ", ...buttons.flatMap((button, i) => (i ? [", ", button] : [button])), ".");
    }

    function keys(event) {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      write();
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
      start.classList.remove("primary");
      start.scrollIntoView({ block: "nearest" });
      told.textContent = "";
      const text = params.text ?? "";
      const written = Array.from({ length: value("samples") }, (_, i) => new Sample(i, text));
      const count = () => written.reduce((sum, one) => sum + one.tokens, 0);
      samples.replaceChildren(...written.map((one) => one.root));
      const length = { samples: written.length, max_tokens: value("max_tokens"), stop_at_end: params.on !== "yes" };
      const wish = { text, model: model().name, seed: Math.trunc(value("seed")), ...length, ...sampling() };
      const begun = performance.now();
      try {
        await follow(stream("/explore/generate", wish, { signal: mine.signal }), written);
        told.textContent = `${count()} tokens in ${((performance.now() - begun) / 1000).toFixed(1)} s`;
        announce(`Done: ${written.map((one) => one.text).join(" — ")}`);
        fail(controls, null);
      } catch (error) {
        const stopped = error.name === "AbortError";
        if (stopped) told.textContent = `Stopped after ${count()} tokens.`;
        else written.filter((one) => !one.tokens).forEach((one) => one.root.remove());
        fail(controls, stopped ? null : error);
      }
      if (writing === mine) stop();
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

/** A setting of the address, within its bounds; the usual one where that is no number. */
function valueOf(params, name) {
  const given = Number(params[name] ?? USUAL[name]);
  if (!Number.isFinite(given)) return USUAL[name];
  const [, , least, most] = SLIDERS.find(([slider]) => slider === name) ?? [name, "", 0, Number.MAX_SAFE_INTEGER];
  return Math.min(most, Math.max(least, given));
}

/** Give each token to its sample, until the stream ends. */
async function follow(events, written) {
  for await (const event of events) {
    if (event.error) throw new Error(event.error.message);
    for (const token of event.tokens ?? []) written[token.sample].add(token);
    event.done?.forEach((reason, i) => written[i].end(reason));
  }
}

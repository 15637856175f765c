// Next word: what every model expects after a text, step by step; a word is clicked to force it.

import { h } from "../dom.js";
import { beginnings } from "../examples.js";
import { NONE, chosen, picker } from "../picker.js";
import { drawTree, kept, leadsOn, parse, serialise, without } from "./branches.js";
import { Columns, wanted } from "./columns.js";
import { drawSteps } from "./steps.js";
import { cut, forced, shorter } from "./words.js";

const LONGEST = 200; // characters of a half typed word

export const view = {
  id: "next",
  title: "Next word",
  lead: "What each model expects after a text, and how sure it is. Click a word to force it, and see what follows.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, go, fail, announce } = context;
    const fit = (model) => model.normalised;
    let params = {};
    let asking = null;
    let walking = null;
    let stepsOf = null;

    const box = h("textarea", {
      class: "text",
      id: "next-text",
      rows: 1,
      placeholder: "Type a beginning…",
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      "aria-describedby": "next-keys",
      oninput: () => set({ text: box.value }, { replace: true }),
      onkeydown: keys,
    });
    const choice = picker(models, { fit, change: (names) => set({ models: names.join(",") }) });
    const back = h("button", { type: "button", class: "small", onclick: () => leave(shorter(box.value)) }, "Step back");
    const clear = h("button", { type: "button", class: "small", onclick: () => leave("") }, "Clear");
    const offers = h("p", { class: "offers" });
    const trail = h("nav", { class: "tree", "aria-label": "Branches", hidden: true });
    const more = () => set({ rows: params.rows ? "" : "many" });
    const columns = new Columns({ models, fail, announce, pick, more, up: () => box.focus() });
    const table = h("div", { class: "scroll steps", role: "region", "aria-label": "Step by step", tabindex: "0" });
    const title = h("h2", { id: "steps-title" }, "Step by step");
    const steps = h("section", { "aria-labelledby": title.id, hidden: true }, title, table);
    const under = h("div", { class: "row under" }, hint(), h("span", { class: "row" }, back, clear));
    const label = h("label", { for: box.id }, "The text so far");
    root.append(
      choice,
      h("div", { class: "writing" }, label, box, under, offers, trail),
      h("section", { "aria-label": "Expected next" }, columns.root, columns.note),
      steps,
    );

    // The address is written first; what is shown follows from it.
    const set = (changed, options) => go({ ...params, ...changed }, options);
    const shown = () => chosen(models, params, { fit });
    const branches = () => parse(params.branches);

    /** Force a word; a branch that is left behind stays in the tree. */
    function force(one) {
      const text = forced(box.value, one);
      set({ text, branches: serialise(kept(branches(), text)) });
      box.setSelectionRange(text.length, text.length);
    }

    /** By the mouse one goes on typing; fingers and keys stay where they are. */
    function pick(event) {
      force(event.currentTarget.entry);
      if (event.pointerType === "mouse") box.focus({ preventScroll: true });
    }

    /** Go to another place, and keep this one as a branch. */
    function leave(text) {
      set({ text, branches: serialise(kept(branches(), cut(box.value).base)) });
    }

    function drop(text) {
      set({ branches: serialise(without(branches(), text)) });
    }

    function update(now) {
      if (!models.some(fit)) return fail(box, NONE);
      params = now;
      const text = params.text ?? "";
      if (box.value !== text) box.value = text;
      box.rows = Math.min(8, text.split("\n").length); // where a browser does not fit the field to its text
      choice.update(shown().map((model) => model.name));
      back.disabled = clear.disabled = !text.trim();
      trail.hidden = !leadsOn(branches(), cut(text).base);
      trail.replaceChildren(trail.hidden ? "" : drawTree(branches(), cut(text).base, { go: leave, drop }));
      offer(text);
      ask(text);
      walk(text);
    }

    async function offer(text) {
      const [model] = shown();
      offers.hidden = Boolean(text.trim());
      if (offers.hidden || !model || offers.dataset.of === model.name) return;
      offers.dataset.of = model.name;
      const found = await beginnings(model).catch(() => []);
      if (offers.dataset.of !== model.name) return;
      const begin = (one) => {
        set({ text: `${one} ` });
        box.focus();
      };
      const props = { type: "button", class: "quiet offer words" };
      const buttons = found.map((one) => h("button", { ...props, onclick: () => begin(one) }, `${one}…`));
      offers.replaceChildren(
        found.length ? h("span", { class: "label" }, "Or begin as the model would:") : "",
        ...buttons,
      );
    }

    async function ask(text) {
      asking?.abort();
      const mine = (asking = new AbortController());
      const { base, prefix } = cut(text);
      const whole = !prefix || prefix.length > LONGEST;
      const typed = whole ? { text } : { text: base, prefix, word: prefix };
      const body = { ...typed, models: shown().map((model) => model.name), k: wanted(params.rows) };
      columns.stale(true);
      try {
        const answer = await post("/explore/next", body, { signal: mine.signal });
        fail(box, null);
        columns.draw(answer.models, Boolean(params.rows));
        columns.stale(false);
      } catch (error) {
        fail(box, error);
      }
    }

    async function walk(text) {
      const { base, prefix } = cut(text);
      const read = shown().some((model) => model.unit !== "word") && prefix && prefix.length <= LONGEST ? { prefix } : {};
      const body = { text: base, ...read, models: shown().map((model) => model.name), k: 3 };
      const all = params.steps === "all";
      if (JSON.stringify([body, all]) === stepsOf) return;
      stepsOf = JSON.stringify([body, all]);
      walking?.abort();
      const mine = (walking = new AbortController());
      steps.hidden = !base.trim();
      if (steps.hidden) return;
      try {
        const answer = await post("/explore/steps", body, { signal: mine.signal });
        fail(table, null);
        table.replaceChildren(...drawSteps(answer.models, { models, leave, all, more: () => set({ steps: "all" }) }));
      } catch (error) {
        if (error.name !== "AbortError") stepsOf = null;
        fail(table, error);
      }
    }

    /** In the text: arrows choose a word of the columns, Enter takes it. */
    function keys(event) {
      if (event.isComposing || event.shiftKey) return;
      const lines = box.value.trimEnd().includes("\n");
      const down = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const right = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Enter") {
        const one = columns.taken();
        if (one) force(one);
      } else if (down && !lines) columns.mark(0, down);
      else if (right && columns.marked) columns.mark(right, 0);
      else if (event.key === "Escape" && columns.marked) columns.unmark();
      else return;
      event.preventDefault();
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

function hint() {
  const key = (name) => h("kbd", {}, name);
  const choose = [key("↑"), " ", key("↓"), " choose a word, "];
  const force = [key("Enter"), " forces it, ", key("Shift"), " ", key("Enter"), " ends the sentence"];
  return h("p", { class: "note keys", id: "next-keys" }, choose, force);
}

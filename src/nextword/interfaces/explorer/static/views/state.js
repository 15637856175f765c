// Hidden units over a text: which of them go along with a pattern, and the text in the colours of one of them.

import { debounce, h } from "../dom.js";
import { chosenOne, picker } from "../picker.js";
import { MOST, STEP, makeResult, own, partName } from "./tracks.js";

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
  ["quotes", "inside quotation marks"], ["parentheses", "how many are open"], ["line position", "tokens since the line began"],
  ["word position", "tokens since the word began"], ["capital", "at a capital"], ["capitalised", "in a word that begins with a capital"],
  ["digit", "at a digit"], ["punctuation", "at a punctuation mark"], ["vowel", "at a vowel"], ["blank", "at a blank"],
];
const FIT = (model) => model.has_hidden;

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

/** The text, the model, the pattern and the order. */
function makeControls(context) {
  const go = (change, replace = false) => context.go({ ...own(context.params), ...change }, { replace });
  const later = debounce((change) => go(change, true), 250);
  const text = h("textarea", { id: "state-text", class: "text", rows: 3, spellcheck: "false",
    oninput: () => later({ text: text.value }) });
  const pattern = h("input", { id: "state-pattern", type: "text", maxlength: 200, autocomplete: "off", spellcheck: "false",
    "aria-describedby": "state-pattern-help", oninput: () => later({ pattern: pattern.value, unit: "" }) });
  const names = PATTERNS.map(([value, meaning]) =>
    h("button", { type: "button", class: "name", title: meaning, onclick: () => go({ pattern: value, unit: "" }) }, value));
  const named = h("div", { class: "row names", role: "group", "aria-label": "Patterns by name" }, names);
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
      h("div", { class: "field wide" }, h("label", { for: "state-pattern" }, "Pattern"), pattern),
      h("div", { class: "field" }, h("label", { for: "state-order" }, "Units by"), order),
      h("div", { class: "field" }, h("label", { for: "state-part" }, "Units of"), part)),
    named,
    h("p", { id: "state-pattern-help", class: "note" }, "Or letters or words to look for: ", h("code", {}, "the"), ", ", h("code", {}, "*ing"), ", ",
      h("code", {}, "he, she"), ". ", h("code", {}, "after(capital)"), " is the same one token later, ", h("code", {}, "last(capital)"), " counts the tokens since the last."));
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
      names.forEach((name) => name.setAttribute("aria-pressed", String(name.textContent === typed.trim())));
      order.value = params.order || "correlation";
      models.update([chosenModel(context.models, params).name]);
    },
  };
}


// Words as a network holds them: who is near whom, and a map of the most frequent.

import { count, debounce, h, visible } from "../dom.js";
import { chosenOne, picker } from "../picker.js";
import { wordMap } from "./map.js";

const FIT = (model) => model.has_embeddings;
const OWN = ["model", "word", "n", "around"];
const SIZES = [100, 200, 400, 800, 1500];
const USUAL = 400;
const NEIGHBOURS = 20;

export const view = {
  id: "embeddings",
  title: "Embeddings",
  lead: "To a network a word is a vector, learnt. Words that are used alike come to lie in like directions.",
  stylesheet: true,
  mount(root, context) {
    if (!context.models.some(FIT)) {
      root.append(h("p", { class: "empty" }, `${context.models.map((model) => model.name).join(", ")}: models of counts have no embeddings; to them words are names, and “cat” is as far from “dog” as from “of”. `,
        "Serve a network beside them, such as one that “nextword train lstm TEXT --out DIR” makes."));
      return {};
    }
    const controls = makeControls(context);
    const plane = makePlane(context);
    const list = makeList(context);
    root.append(controls.node, h("div", { class: "embedded" }, plane.node, list.node));
    return {
      update(params) {
        const model = chosenOne(context.models, params, { fit: FIT });
        const around = params.around && params.word ? params.word : null;
        controls.update(params, model);
        list.ask(model.name, params.word ?? "", params);
        plane.ask(model.name, sizeOf(params), around, (words) => {
          list.mark();
          controls.suggest(words);
          return list.found;
        });
      },
      unmount: () => plane.release(),
    };

    /** The list tells the map what it has found, and the map the list what lies on it. */
    function makeList(context) {
      return neighbourList(context, {
        found: (answer) => plane.highlight(answer),
        failed: (error) => context.fail(controls.node, error),
        shows: (word) => plane.shows(word),
        hover: (word) => plane.hover(word),
      });
    }
  },
};

function own(params) {
  return Object.fromEntries(OWN.map((name) => [name, params[name] ?? ""]));
}

function sizeOf(params) {
  const size = Number(params.n);
  return Number.isInteger(size) && size >= 3 && size <= 2000 ? size : USUAL;
}

/** Some words to begin with: here and there among the frequent ones of four letters and more, or a few letters. */
function suggested(words) {
  const long = words.filter((word) => /^\p{Ll}{4,}$/u.test(word));
  if (long.length < 8) return ["a", "e", "s", "T", "1", ","].filter((letter) => words.includes(letter));
  return Array.from({ length: 8 }, (_, i) => long[Math.floor((i * long.length) / 8)]);
}

function makeControls(context) {
  const go = (change, replace = false) => context.go({ ...own(context.params), ...change }, { replace });
  const later = debounce((value) => go({ word: value }, true), 250);
  const word = h("input", { id: "embedding-word", type: "search", maxlength: 200, autocomplete: "off", spellcheck: "false", class: "text",
    placeholder: "a word of the vocabulary", oninput: () => later(word.value) });
  const size = h("select", { id: "embedding-size", onchange: () => go({ n: Number(size.value) === USUAL ? "" : size.value }) },
    SIZES.map((n) => h("option", { value: n }, `the ${count(n)} most frequent`)));
  const around = h("input", { type: "checkbox", id: "embedding-around", onchange: () => go({ around: around.checked ? "1" : "" }) });
  const models = picker(context.models, { legend: "Model", one: true, fit: FIT, change: ([model]) => go({ model, word: "", around: "" }) });
  const examples = h("div", { class: "row examples" });
  const node = h("div", { class: "embedding-controls" }, models,
    h("div", { class: "embedding-fields" },
      h("div", { class: "field" }, h("label", { for: "embedding-word" }, "Word"), word),
      h("div", { class: "field" }, h("label", { for: "embedding-size" }, "Words on the map"), size),
      h("label", { class: "check" }, around, " only neighbours of the word")), examples);
  return {
    node,
    suggest(words) {
      if (context.params.around && context.params.word) return;
      examples.replaceChildren(h("span", { class: "label" }, "Try"), ...suggested(words).map((one) =>
        h("button", { type: "button", class: "quiet words", onclick: () => go({ word: one }) }, visible(one))));
    },
    update(params, model) {
      if (document.activeElement !== word) word.value = params.word ?? "";
      const shown = sizeOf(params);
      if (![...size.options].some((option) => Number(option.value) === shown)) size.append(h("option", { value: shown }, `the ${count(shown)} most frequent`));
      size.value = shown;
      around.checked = Boolean(params.around && params.word);
      around.disabled = !params.word;
      size.disabled = around.checked;
      models.update([model.name]);
    },
  };
}

/** The neighbours of the word as a list: what the map shows, and what it cannot. */
function neighbourList(context, { found, failed, shows, hover }) {
  const title = h("h2", { id: "neighbours-title" }, "Neighbours");
  const about = h("p", { class: "note" });
  const list = h("ol", { class: "neighbours" });
  const node = h("section", { class: "near", "aria-labelledby": "neighbours-title" }, title, about, list);
  let asked = "";
  let abort = null;
  const self = {
    node,
    found: null,
    async ask(model, word) {
      const key = JSON.stringify([model, word]);
      if (key === asked) return;
      asked = key;
      abort?.abort();
      if (!word) {
        failed(null);
        show(null);
        return;
      }
      abort = new AbortController();
      try {
        const answer = await context.post("/explore/neighbours", { model, word, k: NEIGHBOURS }, { signal: abort.signal });
        if (asked !== key) return;
        failed(null);
        show(answer);
        context.announce(`${answer.neighbours.length} neighbours of ${answer.word}`);
      } catch (error) {
        if (error.name === "AbortError" || asked !== key) return;
        show(null);
        failed(error);
      }
    },
  };

  function show(answer) {
    self.found = answer;
    title.replaceChildren(...(answer ? ["Nearest to ", h("span", { class: "words" }, visible(answer.word))] : ["Neighbours"]));
    about.textContent = answer
      ? "By the cosine of the angle between the vectors: 1 for the same direction, 0 for none in common."
      : "Type a word, or choose one on the map: its neighbours stand here, and are marked there.";
    list.replaceChildren(...(answer?.neighbours ?? []).map(({ word, cosine }) => h("li", {},
      h("button", { type: "button", class: "neighbour", onclick: () => context.go({ ...own(context.params), word }), onpointerenter: () => hover(word),
        onpointerleave: () => hover(null), onfocus: () => hover(word), onblur: () => hover(null) },
      h("span", { class: "words" }, visible(word)), h("span", { class: "cosine-bar", "aria-hidden": "true" }, h("span", { style: { width: `${Math.max(0, cosine) * 100}%` } })),
      h("span", { class: "number" }, cosine.toFixed(2).replace("-", "−"))))));
    found(answer);
    mark();
  }

  function mark() {
    for (const [i, item] of [...list.children].entries()) {
      const there = shows(self.found.neighbours[i].word);
      item.firstChild.classList.toggle("rarer", !there);
      item.firstChild.title = there ? "" : "not among the words on the map";
    }
  }
  self.mark = mark;
  show(null);
  return self;
}

/** The map, and what it leaves out. */
function makePlane(context) {
  const map = wordMap({
    choose: (word) => context.go({ ...own(context.params), word }),
    label: "Map of words; the arrow keys move it, plus and minus zoom, 0 shows all. The list of neighbours says the same in words.",
  });
  const about = h("p", { class: "note map-note" });
  const node = h("section", { class: "plane", "aria-label": "Map of words" }, map.node, about);
  let asked = "";
  let abort = null;
  return {
    node,
    highlight: (answer) => map?.highlight(answer),
    shows: (word) => map?.shows(word) ?? false,
    hover: (word) => map.hover(word),
    release: () => map.release(),
    async ask(model, n, around, shown) {
      const key = JSON.stringify([model, n, around]);
      if (key === asked) return;
      asked = key;
      abort?.abort();
      abort = new AbortController();
      map.node.classList.add("stale");
      try {
        const size = around ? Math.min(n, 100) : n;
        const found = await context.post("/explore/map", { model, n: size, around }, { signal: abort.signal });
        if (asked !== key) return;
        context.fail(node, null);
        map.show(found);
        map.highlight(shown(found.words));
        about.replaceChildren(...aboutMap(found, around));
      } catch (error) {
        if (error.name === "AbortError" || asked !== key) return;
        if (around) context.go({ ...own(context.params), around: "" }, { replace: true });
        else context.fail(node, error);
      } finally {
        if (asked === key) map.node.classList.remove("stale");
      }
    },
  };
}

/** How much of the vectors the plane shows; the rest is not to be seen in it. */
function aboutMap(found, around) {
  const [first, second] = found.variance;
  const percent = (share) => `${(100 * share).toFixed(share < 0.01 ? 1 : 0)} %`;
  const which = around ? [`“${visible(around)}” and its ${count(found.words.length - 1)} nearest words`] : [`The ${count(found.words.length)} most frequent of ${count(found.of)} words`];
  return [...which, `, laid flat by their two principal components. These axes show ${percent(first)} + ${percent(second)} = `, h("strong", {}, percent(first + second)),
    ` of what the ${found.dimensions} dimensions vary: words that lie apart here differ, but words that lie together may differ in what is not shown. Cosines are of all dimensions.`];
}

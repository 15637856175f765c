// Why: one token of a text, and what its probability is made of. What is drawn for each kind of model: see ladder.js
// for n-grams, influence.js for networks and mixtures, distance.js for the chart of gradients.

import { beginnings } from "../examples.js";
import { bits, debounce, h, heat, probability, spoken, word } from "../dom.js";
import { chosenOne, picker } from "../picker.js";
import { distanceChart } from "./distance.js";
import { drawInfluence, drawMembers } from "./influence.js";
import { drawLadder, figure } from "./ladder.js";

const NETWORKS = ["rnn", "gru", "lstm", "transformer", "window", "pretrained"];

/** What explains a token, whichever the model. */
export function drawExplained(explained, token) {
  if (explained.members) return drawMembers(explained, token, drawExplained);
  return explained.path ? drawLadder(explained) : drawInfluence(explained, token);
}

export const view = {
  id: "why",
  title: "Why",
  lead: "What one probability is made of: the contexts an n-gram model tried and the counts it found, or the earlier words a network hangs on.",
  stylesheet: true,

  mount(root, context) {
    const { models, post, go, fail, announce } = context;
    const fit = (model) => model.normalised;
    let params = {};
    let asking = null;
    let shown = null; // the last answer
    let offered = null;

    const box = h("textarea", {
      class: "text",
      id: "why-text",
      rows: 2,
      spellcheck: "false",
      autocapitalize: "off",
      autocomplete: "off",
      placeholder: "Type or paste a sentence…",
      oninput: () => typed(),
    });
    const choice = picker(models, { legend: "Model", one: true, fit, change: ([name]) => set({ model: name }) });
    const offers = h("p", { class: "why-offers", hidden: true });
    const line = h("div", {
      class: "why-text",
      role: "toolbar",
      "aria-label": "Tokens of the text: arrow keys choose one",
      onkeydown: arrows,
      hidden: true,
    });
    const legend = h("p", { class: "note", hidden: true });
    const panel = h("section", { class: "why-panel", "aria-label": "Why this probability", hidden: true });
    root.append(
      choice,
      h("div", { class: "why-writing" }, h("label", { for: "why-text" }, "The text"), box),
      offers,
      h("div", {}, line, legend),
      panel,
    );
    const networks = models.filter((model) => NETWORKS.includes(model.kind));
    const chart = networks.length ? distanceChart(networks, context) : null;
    if (chart) root.append(chart.node);

    const set = (changed, options) => go({ model: params.model, position: params.position, ...changed }, options);
    const typed = debounce(() => set({ text: box.value, position: undefined }, { replace: true }), 200);
    const model = () => chosenOne(models, params, { fit });

    function update(now) {
      params = now;
      const text = params.text ?? "";
      if (box.value !== text && document.activeElement !== box) box.value = text;
      if (!model()) {
        fail(choice, new Error("None of the models of this server gives probabilities; there is nothing to explain."));
        return;
      }
      choice.update([model().name]);
      offer(text);
      ask(text);
    }

    async function ask(text) {
      asking?.abort();
      fail(line.parentElement);
      if (!text.trim()) {
        clear();
        chart?.start();
        return;
      }
      asking = new AbortController();
      const { signal } = asking;
      const position = Number(params.position) || undefined;
      panel.classList.add("stale");
      try {
        const answer = await post("/explore/why", { model: model().name, text, position }, { signal });
        if (signal.aborted) return;
        shown = answer;
        draw();
      } catch (error) {
        if (error.name === "AbortError") return;
        clear();
        fail(line.parentElement, error);
      }
    }

    function clear() {
      shown = null;
      for (const part of [line, legend, panel]) part.hidden = true;
    }

    function draw() {
      const hadFocus = line.contains(document.activeElement);
      const { tokens, position, explained, whole } = shown;
      const token = tokens[position - 1];
      line.classList.toggle("pieces", !whole);
      line.replaceChildren(...drawTokens(shown, choose));
      legend.replaceChildren(...told(shown));
      panel.replaceChildren(
        h(
          "header",
          { class: "why-head" },
          h("h2", {}, word(token.token)),
          h(
            "p",
            {},
            h("b", {}, figure(explained.probability)),
            " probability, ",
            h("b", {}, bits(explained.bits)),
            " bits",
            token.oov &&
              h("span", { class: "note" }, " · not in the vocabulary, so this is the probability of an unknown word"),
          ),
        ),
        drawExplained(explained, token.token),
      );
      panel.classList.remove("stale");
      for (const part of [line, legend, panel]) part.hidden = false;
      chart?.start(); // it comes last: what is above it has its place by now
      if (hadFocus) line.querySelector("[aria-pressed=true]")?.focus();
      announce(
        `${spoken(token.token)}: probability ${probability(explained.probability)}, ${bits(explained.bits)} bits`,
      );
    }

    function choose(position) {
      set({ position, model: shown.model });
    }

    function arrows(event) {
      const to = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const end = { Home: 1, End: shown.tokens.length }[event.key];
      if (!to && !end) return;
      event.preventDefault();
      const current = Number(document.activeElement.dataset.position) || shown.position;
      const next = end ?? Math.min(shown.tokens.length, Math.max(1, current + to));
      line.querySelector(`[data-position="${next}"]`)?.focus();
      soon(next);
    }
    const soon = debounce((position) => set({ position, model: shown?.model }, { replace: true }), 120);

    async function offer(text) {
      offers.hidden = Boolean(text.trim());
      if (offers.hidden || offered === model().name) return;
      offered = model().name;
      const found = await beginnings(model(), { length: 9, end: true }).catch(() => []);
      if (offered !== model().name) return;
      const buttons = found.map((one) =>
        h(
          "button",
          {
            type: "button",
            class: "quiet why-offer words",
            onclick: () => {
              box.value = one;
              set({ text: one, position: undefined });
            },
          },
          one,
        ),
      );
      offers.replaceChildren(
        ...(buttons.length
          ? [h("span", { class: "label" }, "Or take a sentence of the model's own:"), ...buttons]
          : []),
      );
    }

    return {
      update,
      unmount() {
        asking?.abort();
        chart?.release();
      },
    };
  },
};

/** The text: each token a button, shaded by its bits, or by how much the chosen one hangs on it. */
function drawTokens({ tokens, position, explained }, choose) {
  const influence = explained.influence;
  const most = influence ? Math.max(...influence.map((one) => one.norm ?? 0), 1e-300) : 1;
  const share = (i) => (influence?.[i] ? (influence[i].norm ?? 0) / most : 0);
  const start =
    influence && position - influence.length < 1
      ? [
          h(
            "span",
            { class: "why-start influence", style: { "--t": share(0) }, title: `norm ${influence[0].norm}` },
            word("<s>"),
            h("small", { "aria-hidden": "true" }, "\u00a0"),
          ),
          " ",
        ]
      : [];
  const drawn = tokens.flatMap((token, i) => {
    const own = i + 1 === position;
    // inputs are what was read before the chosen token, the last of them just before it
    const at = influence ? influence.length - (position - 1 - i) : 0;
    const shade = influence ? (i + 1 < position && at > 0 ? share(at) : 0) : heat(token.bits);
    const button = h(
      "button",
      {
        type: "button",
        class: `why-token ${influence ? "influence" : "heat"}${token.oov ? " oov" : ""}`,
        style: { "--t": own && influence ? 0 : shade },
        "aria-pressed": String(own),
        tabindex: own ? "0" : "-1",
        "data-position": i + 1,
        "aria-label": `${spoken(token.token)}, ${bits(token.bits)} bits`,
        title: `${bits(token.bits)} bits, probability ${probability(token.probability)}`,
        onclick: () => choose(i + 1),
      },
      word(token.token),
      h("small", { "aria-hidden": "true" }, token.order ?? bits(token.bits)),
    );
    return token.token === "</s>" ? [button, h("br")] : [button, " "];
  });
  return [...start, ...drawn];
}

function told({ explained, tokens }) {
  if (explained.influence)
    return [
      "Choose a token. The bluer an earlier word, the more the chosen one's probability hangs on it. Small numbers are bits.",
    ];
  const orders = tokens.some((token) => token.order);
  return [
    "Choose a token. The warmer, the more surprising it was. ",
    orders
      ? "The small number is the length of the longest n-gram that the model knows there."
      : "Small numbers are bits.",
  ];
}

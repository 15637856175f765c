// Which models a view shows: names that are switched on and off (several) or chosen (one).

import { h } from "./dom.js";

/** What a view says that has no model to show. */
export const NONE = new Error("None of these models gives probabilities of words: a score is no probability.");

const MANY = 9; // models from which those that are not chosen are put away

/** The models that an address chooses, in the server's order; without a choice `several` of different kinds. */
export function chosen(models, params, { fit = () => true, several = 4 } = {}) {
  const named = new Set((params.models ?? "").split(",").filter(Boolean));
  const found = models.filter((model) => named.has(model.name) && fit(model));
  return found.length ? found : different(models.filter(fit), several);
}

/** Of each kind the model with most parameters, those that read words first: they can be compared word by word. */
function different(models, several) {
  if (models.length <= several) return models;
  const words = models.filter((model) => model.unit === "word");
  const best = new Map();
  for (const model of words.length ? words : models) {
    if (!(best.get(model.kind)?.parameters >= model.parameters)) best.set(model.kind, model);
  }
  const usual = ["ngram", "lstm", "transformer", "pretrained", "rnn"];
  const place = (kind) => (usual.includes(kind) ? usual.indexOf(kind) : usual.length);
  const picked = [...best.values()].sort((a, b) => place(a.kind) - place(b.kind)).slice(0, several);
  return models.filter((model) => picked.includes(model));
}

/** The one model of an address (`model`), else the first of `models` in it, else the first that is fit; or undefined. */
export function chosenOne(models, params, { fit = () => true } = {}) {
  const own = models.find((model) => model.name === params.model && fit(model));
  return own ?? chosen(models, params, { fit, several: 1 })[0];
}

/**
 * A fieldset of the models that are `fit`. one: radio buttons. change(names) is called with the new choice.
 * Its `update(names)` sets what is chosen.
 */
export function picker(models, { legend = "Models", one = false, fit = () => true, change }) {
  const boxes = models.filter(fit).map((model) => {
    const box = h("input", {
      type: one ? "radio" : "checkbox",
      name: "model",
      value: model.name,
      onchange: (event) => changed(event.target),
    });
    return { box, label: h("label", { title: model.description }, box, h("span", {}, model.name)) };
  });
  const names = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  function changed(box) {
    if (!names().length) box.checked = true; // one at least
    change(names());
  }
  let open = boxes.length < MANY;
  const more = h("button", { type: "button", class: "quiet small", hidden: open, onclick: () => put(!open) });
  const root = h(
    "fieldset",
    { class: "picker" },
    h("legend", {}, legend),
    boxes.map(({ label }) => label),
    more,
  );
  function put(wide) {
    open = wide;
    boxes.forEach(({ box, label }) => (label.hidden = !open && !box.checked));
    more.textContent = open ? "Fewer" : `All ${boxes.length}`;
    more.setAttribute("aria-expanded", open);
  }
  root.update = (wanted) => {
    boxes.forEach(({ box }) => (box.checked = wanted.includes(box.value)));
    put(open);
  };
  return root;
}

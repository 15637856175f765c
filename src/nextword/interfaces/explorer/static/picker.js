// Which models a view shows: names that are switched on and off (several) or chosen (one).

import { h } from "./dom.js";

/** The models that an address chooses, in the server's order; without a choice the first `several` that are fit. */
export function chosen(models, params, { fit = () => true, several = 4 } = {}) {
  const named = new Set((params.models ?? "").split(",").filter(Boolean));
  const found = models.filter((model) => named.has(model.name) && fit(model));
  return found.length ? found : models.filter(fit).slice(0, several);
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
    const box = h("input", { type: one ? "radio" : "checkbox", name: "model", value: model.name, onchange: (event) => changed(event.target) });
    return { box, label: h("label", { title: model.description }, box, h("span", {}, model.name)) };
  });
  const names = () => boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
  function changed(box) {
    if (!names().length) box.checked = true; // one at least
    change(names());
  }
  const root = h("fieldset", { class: "picker" }, h("legend", {}, legend), boxes.map(({ label }) => label));
  root.update = (wanted) => boxes.forEach(({ box }) => (box.checked = wanted.includes(box.value)));
  return root;
}

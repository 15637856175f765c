// A network's probability: the earlier words it hangs on. And a mixture's: what each member gives.

import { h, word } from "../dom.js";
import { figure } from "./ladder.js";

const MOST = 12;

/** The inputs of the largest gradients, in the order of the text. */
export function drawInfluence({ influence }, token) {
  const most = Math.max(...influence.map((one) => one.norm ?? 0), 1e-300);
  const ranked = influence.map((one, i) => ({ ...one, i })).sort((a, b) => (b.norm ?? 0) - (a.norm ?? 0));
  const kept = ranked
    .slice(0, MOST)
    .filter((one) => one.norm > 0)
    .sort((a, b) => a.i - b.i);
  const rows = kept.map((one) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, word(one.i ? one.token : "<s>")),
      h(
        "td",
        { class: "track" },
        h("span", { class: "fill", style: { "inline-size": `${(100 * one.norm) / most}%` } }),
      ),
      h("td", { class: "number" }, figure(one.norm)),
      h("td", { class: `number ${one.product < 0 ? "minus" : ""}` }, signed(one.product)),
    ),
  );
  const left = influence.length - kept.length;
  return h(
    "div",
    { class: "why-parts" },
    h(
      "section",
      {},
      h("h3", {}, "What it hangs on"),
      h(
        "div",
        { class: "scroll", role: "region", "aria-label": "Influence of each earlier word", tabindex: "0" },
        h(
          "table",
          { class: "why-influence" },
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              h("th", { scope: "col" }, "read before"),
              h("th", { scope: "col", colspan: "2" }, "norm of the gradient"),
              h("th", { scope: "col", class: "number" }, "gradient · input, nats"),
            ),
          ),
          h("tbody", {}, rows),
        ),
      ),
      left > 0 && h("p", { class: "note" }, `${left} more with smaller gradients, or out of sight.`),
      h(
        "p",
        { class: "note" },
        "The gradient of log p(",
        word(token),
        ") with respect to each word's embedding: its norm says how much would change with the word; its product with the embedding, by how much the word as it is raises (+) or lowers (−) the logarithm, to the first order.",
      ),
    ),
  );
}

function signed(value) {
  return value === null ? "–" : `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}

/** Shares of the members of a mixture, and each one's own explanation. */
export function drawMembers({ members, probability: p }, token, drawExplained) {
  const bar = h(
    "div",
    { class: "why-shares", "aria-hidden": "true" },
    members.map((one, i) =>
      h("span", { style: { "flex-grow": one.share, background: `var(--series-${(i % 8) + 1})` } }),
    ),
  );
  const rows = members.map((one, i) =>
    h(
      "tr",
      {},
      h(
        "th",
        { scope: "row" },
        h("span", { class: "swatch", "aria-hidden": "true", style: { background: `var(--series-${(i % 8) + 1})` } }),
        one.kind,
      ),
      h("td", { class: "number" }, figure(one.weight)),
      h("td", { class: "number" }, figure(one.explained.probability)),
      h("td", { class: "number" }, figure(one.weight * one.explained.probability)),
      h("td", { class: "number" }, `${(100 * one.share).toFixed(1)} %`),
    ),
  );
  const names = ["member", "weight", "its probability", "weight × probability", "share"];
  const table = h(
    "table",
    {},
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        names.map((name, i) => h("th", { scope: "col", class: i ? "number" : null }, name)),
      ),
    ),
    h(
      "tbody",
      {},
      rows,
      h(
        "tr",
        { class: "sum" },
        h("th", { scope: "row" }, "together"),
        h("td", {}),
        h("td", {}),
        h("td", { class: "number" }, figure(p)),
        h("td", { class: "number" }, "100 %"),
      ),
    ),
  );
  return h(
    "div",
    { class: "why-parts" },
    h(
      "section",
      {},
      h("h3", {}, "A weighted sum"),
      bar,
      h("div", { class: "scroll", role: "region", "aria-label": "Members of the mixture", tabindex: "0" }, table),
    ),
    members.map((one, i) =>
      h(
        "section",
        { class: "why-member" },
        h(
          "h3",
          { class: "member" },
          h("span", { class: "swatch", "aria-hidden": "true", style: { background: `var(--series-${(i % 8) + 1})` } }),
          `${one.kind} by itself: ${figure(one.explained.probability)}`,
        ),
        drawExplained(one.explained, token),
      ),
    ),
  );
}

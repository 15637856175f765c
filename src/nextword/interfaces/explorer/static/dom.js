// Elements and numbers. What a model or a user wrote becomes a text node, never markup.

const SVG = "http://www.w3.org/2000/svg";

function build(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "style") for (const [key, to] of Object.entries(value)) node.style.setProperty(key, to);
    else if (name === "dataset") Object.assign(node.dataset, value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") node[name] = value;
    else node.setAttribute(name === "className" ? "class" : name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element: h("button", { type: "button", onclick: go, style: { "--share": 0.3 } }, "Go", " on"). */
export function h(tag, props, ...children) {
  return build(document.createElement(tag), props, children);
}

/** An SVG element, as `h`. */
export function s(tag, props, ...children) {
  return build(document.createElementNS(SVG, tag), props, children);
}

/** A token as it is shown: the beginning and the end of a sentence, and what is unknown, are names, not words. */
export function word(token) {
  const special = { "<s>": "START", "</s>": "STOP", "<unk>": "unknown" }[token];
  if (special) return h("span", { class: "special", title: token }, special);
  return h("span", { class: "word" }, visible(token));
}

/** A token with its blanks made visible. */
export function visible(token) {
  return token === "▁" || token === " " ? "␣" : token.replaceAll("▁▁", "▁");
}

/** A token in plain words, for labels that are read aloud. */
export function spoken(token) {
  return { "<s>": "start", "</s>": "stop", "<unk>": "unknown word", "▁": "space", " ": "space" }[token] ?? token;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** A probability in as few digits as tell it apart: 0.312, 0.00012, 3·10⁻⁷. digits: of one that is so small. */
export function probability(p, digits = 1) {
  if (p === null || p === undefined) return "–";
  if (p === 0 || p >= 0.001) return p.toFixed(3);
  if (p >= 0.00001) return p.toFixed(5);
  const [digit, exponent] = p.toExponential(digits - 1).split("e-");
  return `${digit}·10⁻${[...exponent].map((one) => RAISED[one]).join("")}`;
}

/** Bits with one decimal; what is infinite comes as null. */
export function bits(value) {
  return value === null || value === undefined ? "∞" : value.toFixed(1);
}

/** A count with thin spaces between thousands. */
export function count(value) {
  return Math.round(value)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** `function` once nothing has called it for `wait` milliseconds. */
export function debounce(callback, wait) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => callback(...values), wait);
  };
}

/** A colour between the two ends of the heat scale, for a number of bits; see --heat in the style. */
export function heat(value, full = 16) {
  return value === null || value === undefined ? 1 : Math.max(0, Math.min(1, value / full));
}

/** Names without what all of them begin with, such as "word-", which only takes room. */
export function shortNames(names) {
  let common = names[0]?.lastIndexOf("-") + 1 || 0;
  while (common > 0 && !names.every((name) => name.startsWith(names[0].slice(0, common)) && name.length > common)) {
    common = names[0].lastIndexOf("-", common - 2) + 1;
  }
  return names.map((name) => (names.length > 1 ? name.slice(common) : name));
}

// A text as one writes it: what is complete, what is half typed, and how a word is added or taken back.

/** A text cut into what is complete and the word that is half typed; a mark such as a full stop is never half typed. */
export function cut(text) {
  const prefix = text.match(/\S*$/)[0];
  if (!/[\p{L}\p{N}]/u.test(prefix)) return { base: text, prefix: "" };
  return { base: text.slice(0, text.length - prefix.length), prefix };
}

/** The text with a token forced: after a blank, in place of the half typed word where tokens are words. */
export function forced(text, one) {
  if (one.insert !== undefined) return text + one.insert;
  if (one.word === "</s>") return `${text.trimEnd()}\n`;
  const { base, prefix } = cut(text);
  const before = prefix || !base || /\s$/.test(base) ? base : `${base} `;
  return `${before}${one.word} `;
}

/** The text without its last word, or its last line's end. */
export function shorter(text) {
  if (/\n\s*$/.test(text)) return text.replace(/\n\s*$/, " ");
  return text.replace(/\S+\s*$/, "");
}

/** Words and line ends. */
export function split(text) {
  return text.match(/\n|[^\s]+/g) ?? [];
}

/** The text of words and line ends, ready for the next word. */
export function join(words) {
  return words
    .map((one) => (one === "\n" ? "\n" : `${one} `))
    .join("")
    .replaceAll(" \n", "\n");
}

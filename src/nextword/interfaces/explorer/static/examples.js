// What a view offers where nothing is typed yet: beginnings in the models' own words.

import { stream } from "./api.js";

const found = new Map();

/** A few different texts of about `length` tokens that a model is likely to begin with. */
export async function beginnings(model, { count = 4, length = 4, end = false, signal } = {}) {
  const key = JSON.stringify([model.name, count, length, end]);
  if (!found.has(key)) found.set(key, await write(model, count, length, end, signal));
  return found.get(key);
}

async function write(model, count, length, end, signal) {
  const spelt = { character: 6, byte: 6, piece: 1.5 }[model.unit] ?? 1;
  const texts = Array(8).fill("");
  const wish = {
    model: model.name,
    samples: 8,
    max_tokens: Math.round(length * spelt),
    top_k: 8,
    temperature: 0.8,
    seed: 7,
  };
  for await (const event of stream("/explore/generate", wish, { signal })) {
    for (const { sample, at, text } of event.tokens ?? []) texts[sample] = texts[sample].slice(0, at) + text;
  }
  const whole = texts.map((text) => (end || model.unit === "word" ? text : text.replace(/\s+\S*$/, "")).trim());
  const tidy = end ? whole : whole.map((text) => text.match(/^[\p{L}’' ]*/u)[0].trim());
  const good = tidy.filter((text) => /\p{L}{2}/u.test(text) && !text.includes("<unk>") && text.includes(" "));
  return [...new Set(good)].sort((a, b) => b.length - a.length).slice(0, count);
}

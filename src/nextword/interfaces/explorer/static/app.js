// The page: which view is open, and what it is given. The address says it all, so that a link opens it again.

import * as api from "./api.js";
import { h, s } from "./dom.js";

const VIEWS = [
  ["next", "Next word"],
  ["surprisal", "Surprisal"],
  ["why", "Why"],
  ["state", "State"],
  ["embeddings", "Embeddings"],
  ["generation", "Generation"],
  ["compare", "Compare"],
];
const SHARED = ["text", "models"]; // what goes along from one view to another

const main = document.getElementById("main");
const live = document.getElementById("live");
let models = [];
let open = null; // { id, handle } of the view that is shown
let opening = 0;

/** The address taken apart: #/next?text=… → { id, params }. */
function read() {
  const [, path = "", query = ""] = location.hash.match(/^#\/([^?]*)\??(.*)$/) ?? [];
  const id = VIEWS.some(([known]) => known === path) ? path : VIEWS[0][0];
  return { id, params: Object.fromEntries(new URLSearchParams(query)) };
}

function address(id, params) {
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const query = new URLSearchParams(kept.map(([name, value]) => [name, String(value)])).toString();
  return `#/${id}${query ? `?${query}` : ""}`;
}

/** Write a view's address; text and models stay as they are unless `params` says otherwise. */
function go(id, params, { replace = false } = {}) {
  if (id !== read().id) return; // a late answer of a view that is no longer open
  const shared = Object.fromEntries(Object.entries(read().params).filter(([name]) => SHARED.includes(name)));
  const next = address(id, { ...shared, ...params });
  if (next !== location.hash) history[replace ? "replaceState" : "pushState"](null, "", next);
  navigate();
}

async function navigate() {
  const { id, params } = read();
  drawNavigation(id, params);
  if (open?.id === id) {
    open.handle?.update?.(params);
    return;
  }
  const turn = ++opening;
  const first = open === null;
  open?.handle?.unmount?.();
  open = { id, handle: null };
  const root = h("section", { class: `view view-${id}`, "aria-labelledby": "title" });
  try {
    const { view } = await import(`./views/${id}.js`);
    if (view.stylesheet) await stylesheet(`/static/views/${id}.css`);
    if (turn !== opening) return;
    document.title = `${view.title} – nextword`;
    const title = h("h1", { id: "title", tabindex: "-1" }, view.title);
    main.replaceChildren(h("div", { class: "heading" }, title, view.lead && h("p", { class: "lead" }, view.lead)), root);
    open.handle = view.mount(root, context(id)) ?? {};
    open.handle.update?.(read().params);
    if (!first) title.focus();
  } catch (error) {
    if (turn !== opening) return;
    main.replaceChildren(root);
    fail(root, error);
  }
}

function context(id) {
  return {
    models, h, s, fail, announce,
    post: api.post, get: api.get, stream: api.stream,
    go: (params, options) => go(id, params, options),
    address,
    get params() {
      return read().params;
    },
  };
}

function stylesheet(href) {
  if (document.querySelector(`link[href="${href}"]`)) return Promise.resolve();
  return new Promise((resolve) => {
    document.head.append(h("link", { rel: "stylesheet", href, onload: resolve, onerror: resolve }));
  });
}

function drawNavigation(current, params) {
  const shared = Object.fromEntries(Object.entries(params).filter(([name]) => SHARED.includes(name)));
  const items = VIEWS.map(([id, label]) =>
    h("li", {}, h("a", { href: address(id, shared), "aria-current": id === current ? "page" : null }, label)),
  );
  document.getElementById("views").replaceChildren(...items);
}

/** Say what went wrong beside `where`; without an error, take back what was said there. */
function fail(where, error) {
  const said = where.nextElementSibling?.matches("p.error[data-said]") ? where.nextElementSibling : null;
  if (!error || error.name === "AbortError") {
    if (!error) said?.remove();
    return;
  }
  const words = error.message || String(error);
  if (said) {
    if (said.textContent !== words) said.textContent = words;
    return;
  }
  where.after(h("p", { class: "error", role: "alert", "data-said": true }, words));
}

let announcing;
function announce(text) {
  clearTimeout(announcing);
  announcing = setTimeout(() => (live.textContent = text), 400);
}

/** A form in place of the view until the key is given; resolves with it. */
function askForKey(message) {
  return new Promise((resolve) => {
    const field = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false" });
    const form = h("form", { class: "key", "aria-label": "Key of the server" },
      h("label", { for: "key" }, message), h("div", { class: "row" }, field, h("button", { type: "submit" }, "Open")),
      h("p", { class: "note" }, "It is kept until this tab is closed."));
    const dialog = h("dialog", { "aria-label": "Key of the server" }, form);
    const close = (key) => {
      dialog.remove();
      resolve(key);
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value) close(field.value);
    });
    dialog.addEventListener("cancel", () => close(null));
    document.body.append(dialog);
    dialog.showModal();
  });
}

function drawTheme() {
  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const draw = () => {
    button.textContent = current() === "dark" ? "Light" : "Dark";
    button.setAttribute("aria-label", `Use ${current() === "dark" ? "light" : "dark"} colours`);
  };
  button.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try {
      localStorage.setItem("nextword-theme", next);
    } catch {
      // Not remembered, then.
    }
    draw();
  });
  dark.addEventListener("change", draw);
  draw();
}

async function begin() {
  drawTheme();
  drawNavigation(read().id, read().params);
  api.onKeyWanted(askForKey);
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the hash is the view's
    main.focus();
  });
  try {
    models = await api.get("/explore/models");
  } catch (error) {
    const root = h("section", {});
    main.replaceChildren(root);
    fail(root, error);
    return;
  }
  const many = models.length === 1 ? "One model" : `${models.length} models`;
  document.getElementById("served").textContent = `${many}. What you type goes to this server and nowhere else.`;
  window.addEventListener("hashchange", () => api.busy(navigate));
  await navigate();
}

api.busy(begin);

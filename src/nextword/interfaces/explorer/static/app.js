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

const PAUSE = 120; // milliseconds between two changes of the address: browsers allow no more than 200 in ten seconds

const main = document.getElementById("main");
const live = document.getElementById("live");
let models = [];
let place = read(); // { id, params } of what is shown; the address follows a moment later
let writing = null;
let open = null; // { id, handle } of the view that is shown
let opening = 0;

/** The address taken apart: #/next?text=… → { id, params }. */
function read() {
  const [, path = "", query = ""] = location.hash.match(/^#\/([^?]*)\??(.*)$/) ?? [];
  const id = VIEWS.some(([known]) => known === path) ? path : VIEWS[0][0];
  return { id, params: Object.fromEntries(new URLSearchParams(query)) };
}

function address(id, params) {
  const query = new URLSearchParams(clean(params)).toString();
  return `#/${id}${query ? `?${query}` : ""}`;
}

function clean(params) {
  const kept = Object.entries(params).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return Object.fromEntries(kept.map(([name, value]) => [name, String(value)]));
}

function shared(params) {
  return Object.fromEntries(Object.entries(params).filter(([name]) => SHARED.includes(name)));
}

/** Show a view with other params, which its address then says; text and models stay unless `params` has them. */
function go(id, params, { replace = false } = {}) {
  if (id !== place.id) return; // a late answer of a view that is no longer open
  const next = { id, params: clean({ ...shared(place.params), ...params }) };
  if (!replace && address(id, next.params) !== address(id, place.params)) {
    writeNow();
    history.pushState(null, "", address(id, next.params));
  }
  place = next;
  if (replace) writeSoon();
  navigate();
}

function writeSoon() {
  if (writing) return;
  api.busy(
    () =>
      new Promise((written) => {
        writing = { timer: setTimeout(writeNow, PAUSE), written };
      }),
  );
}

function writeNow({ drop = false } = {}) {
  if (!writing) return;
  clearTimeout(writing.timer);
  if (!drop) history.replaceState(null, "", address(place.id, place.params));
  writing.written();
  writing = null;
}

async function navigate() {
  const { id, params } = place;
  drawNavigation(id, params);
  if (open?.id === id) {
    tellUnknown(params);
    open.handle?.update?.(params);
    return;
  }
  const turn = ++opening;
  const first = open === null;
  open?.handle?.unmount?.();
  open = { id, handle: null };
  const root = h("section", { class: `view view-${id}`, "aria-labelledby": "title" });
  try {
    const { view } = await import(`./views/${id}.js`).catch(() => {
      throw new Error(api.SILENT);
    });
    if (view.stylesheet) await stylesheet(`/static/views/${id}.css`);
    if (turn !== opening) return;
    document.title = `${view.title} – nextword`;
    const title = h("h1", { id: "title", tabindex: "-1" }, view.title);
    main.replaceChildren(
      h("div", { class: "heading" }, title, view.lead && h("p", { class: "lead" }, view.lead)),
      root,
    );
    tellUnknown(place.params);
    open.handle = view.mount(root, context(id)) ?? {};
    open.handle.update?.(place.params);
    if (!first) title.focus();
  } catch (error) {
    if (turn !== opening) return;
    main.replaceChildren(root);
    fail(root, error);
  }
}

/** Say below the heading which models an address names that are not here: others stand in for them. */
function tellUnknown(params) {
  const named = [params.model, ...(params.models ?? "").split(",")].filter(Boolean);
  const unknown = [...new Set(named)].filter((name) => !models.some((model) => model.name === name));
  const words = `This server has no ${unknown.join(", no ")}; others are shown.`;
  fail(main.querySelector(".heading"), unknown.length ? new Error(words) : null);
}

function context(id) {
  return {
    models,
    h,
    s,
    fail,
    announce,
    post: api.post,
    get: api.get,
    stream: api.stream,
    go: (params, options) => go(id, params, options),
    address,
    get params() {
      return place.params;
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
  const list = document.getElementById("views");
  if (!list.children.length)
    list.append(...VIEWS.map(([id, label]) => h("li", {}, h("a", { "data-view": id }, label))));
  for (const link of list.querySelectorAll("a")) {
    link.href = address(link.dataset.view, shared(params));
    if (link.dataset.view === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
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
    const form = h(
      "form",
      { class: "key", "aria-label": "Key of the server" },
      h("label", { for: "key" }, message),
      h("div", { class: "row" }, field, h("button", { type: "submit" }, "Open")),
      h("p", { class: "note" }, "It is kept until this tab is closed."),
    );
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
  drawNavigation(place.id, place.params);
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
  const follow = () => {
    writeNow({ drop: true });
    place = read();
    api.busy(navigate);
  };
  window.addEventListener("hashchange", follow);
  await navigate();
}

api.busy(begin);

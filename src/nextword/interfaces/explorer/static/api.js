// Talking to the server that the page came from. Errors carry the server's own words.

export const SILENT = "The server does not answer. Is “nextword serve” still running?";
const KEY = "nextword-key";
let askForKey = async () => null;
let asking = null; // the answer that all refused requests wait for
let pending = 0;

export class ApiError extends Error {
  constructor(message, status = 0, param = null) {
    super(message);
    Object.assign(this, { name: "ApiError", status, param });
  }
}

/** `ask(message)` resolves with a key, or null if none is given; called when the server wants one. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

/** While requests are on their way the main part is marked busy. */
function count(change) {
  pending += change;
  document.getElementById("main").setAttribute("aria-busy", pending > 0);
}

export async function get(path, { signal } = {}) {
  return busy(async () => (await send(path, { method: "GET", signal })).json());
}

export async function post(path, body, { signal } = {}) {
  return busy(async () => (await send(path, { method: "POST", body: JSON.stringify(body), signal })).json());
}

/** The server-sent events of a POST, one parsed `data` after another: for await (const event of stream(…)). */
export async function* stream(path, body, { signal } = {}) {
  const response = await busy(() => send(path, { method: "POST", body: JSON.stringify(body), signal }));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const events = (waiting + value).split("\n\n");
      waiting = events.pop();
      for (const event of events) {
        const data = event
          .split("\n")
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trim())
          .join("\n");
        if (data && data !== "[DONE]") yield JSON.parse(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function send(path, options) {
  for (;;) {
    const response = await attempt(path, options);
    if (response.ok) return response;
    const error = await told(response);
    if (response.status !== 401) throw error;
    const words = stored() ? "The server refused this key." : "This server asks for its key.";
    asking ??= askForKey(words).finally(() => (asking = null));
    const key = await asking;
    if (!key) throw error;
    sessionStorage.setItem(KEY, key);
  }
}

/** `work()`, with the page marked busy until it is done. */
export async function busy(work) {
  count(1);
  try {
    return await work();
  } finally {
    setTimeout(() => count(-1)); // what is drawn from the answer comes first
  }
}

async function attempt(path, options) {
  const headers = { "Content-Type": "application/json" };
  if (stored()) headers.Authorization = `Bearer ${stored()}`;
  try {
    return await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(SILENT);
  }
}

async function told(response) {
  const body = await response.json().catch(() => ({}));
  const message = body.error?.message ?? (typeof body.detail === "string" ? body.detail : null);
  const words = message ?? `The server answered ${response.status}.`;
  if (response.status !== 429) return new ApiError(words, response.status, body.error?.param);
  const wait = response.headers.get("Retry-After");
  return new ApiError(`The server is busy: ${words}${wait ? ` (try again in ${wait} s)` : ""}`, 429);
}

function stored() {
  return sessionStorage.getItem(KEY);
}

// Words on a plane that can be moved and zoomed, drawn on a canvas; labels only where they do not touch.

import { h, visible } from "../dom.js";

const FONT = 13;
const PAD = 3; // pixels kept free around a label
const STEP = 1.5; // zoom of a press
const DEEPEST = 80;
const NEAR = 14; // pixels within which a pointer finds a point

/** A map; `show` gives it words, `highlight` what lies near which. choose(word) is called with what is clicked. */
export function wordMap({ choose, label }) {
  const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": label, class: "map-canvas" });
  const press = (name, words, act) => h("button", { type: "button", class: "quiet", "aria-label": words, title: words, onclick: act }, name);
  const node = h("div", { class: "map" }, canvas,
    h("div", { class: "map-buttons" }, press("+", "Zoom in", () => zoom(STEP)), press("−", "Zoom out", () => zoom(1 / STEP)), press("⤢", "Show all", reset)));
  let points = []; // { word, x, y }, in the map's own numbers
  let places = new Map();
  let near = null; // { word, ranks: Map(word → rank) }
  let hovered = null;
  let view = { x: 0, y: 0, scale: 1 };
  let colours = null;
  let waiting = 0;

  const size = () => ({ width: canvas.clientWidth, height: canvas.clientHeight });
  const soon = () => (waiting ||= requestAnimationFrame(() => {
    waiting = 0;
    draw();
  }));

  /** All points in the frame, both axes to the same scale. */
  function reset() {
    const { width, height } = size();
    if (!points.length || !width) return;
    const reach = (values) => [Math.min(...values), Math.max(...values)];
    const [left, right] = reach(points.map((point) => point.x));
    const [low, high] = reach(points.map((point) => point.y));
    const scale = Math.min((width - 90) / (right - left || 1), (height - 50) / (high - low || 1));
    view = { x: (left + right) / 2, y: (low + high) / 2, scale, whole: scale };
    soon();
  }

  function screen(point) {
    const { width, height } = size();
    return [width / 2 + (point.x - view.x) * view.scale, height / 2 - (point.y - view.y) * view.scale];
  }

  /** Zoom about a place on the screen, its middle if none is given. */
  function zoom(times, at) {
    const { width, height } = size();
    const [px, py] = at ?? [width / 2, height / 2];
    const scale = Math.min(Math.max(view.scale * times, (view.whole ?? 1) / 2), (view.whole ?? 1) * DEEPEST);
    view.x += (px - width / 2) * (1 / view.scale - 1 / scale);
    view.y -= (py - height / 2) * (1 / view.scale - 1 / scale);
    view.scale = scale;
    soon();
  }

  function move(dx, dy) {
    view.x -= dx / view.scale;
    view.y += dy / view.scale;
    soon();
  }

  function draw() {
    const { width, height } = size();
    const sharp = window.devicePixelRatio || 1;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
      canvas.width = Math.round(width * sharp);
      canvas.height = Math.round(height * sharp);
    }
    colours ??= read();
    const pen = canvas.getContext("2d");
    pen.setTransform(sharp, 0, 0, sharp, 0, 0);
    pen.clearRect(0, 0, width, height);
    const shown = points.map((point) => [point, ...screen(point)]).filter(([, x, y]) => x > -60 && x < width + 60 && y > -20 && y < height + 20);
    cross(pen, width, height);
    spokes(pen, shown);
    for (const [point, x, y] of shown) {
      const marked = isMarked(point.word);
      pen.fillStyle = marked ? colours.accent : colours.muted;
      pen.globalAlpha = marked ? 1 : near ? 0.28 : 0.45;
      pen.beginPath();
      pen.arc(x, y, point.word === near?.word ? 4.5 : marked ? 3 : 1.8, 0, 2 * Math.PI);
      pen.fill();
    }
    pen.globalAlpha = 1;
    labels(pen, shown, width, height);
  }

  /** The axes through the mean of all vectors. */
  function cross(pen, width, height) {
    const [x, y] = screen({ x: 0, y: 0 });
    pen.strokeStyle = colours.line;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(Math.round(x) + 0.5, 0);
    pen.lineTo(Math.round(x) + 0.5, height);
    pen.moveTo(0, Math.round(y) + 0.5);
    pen.lineTo(width, Math.round(y) + 0.5);
    pen.stroke();
  }

  /** From the word to each of its neighbours. */
  function spokes(pen, shown) {
    const centre = near && places.get(near.word);
    if (!centre) return;
    const [cx, cy] = screen(centre);
    pen.strokeStyle = colours.accent;
    pen.globalAlpha = 0.3;
    pen.beginPath();
    for (const [point, x, y] of shown) if (near.ranks.has(point.word)) {
      pen.moveTo(cx, cy);
      pen.lineTo(x, y);
    }
    pen.stroke();
    pen.globalAlpha = 1;
  }

  /** Labels in order of importance: the word, its neighbours, the most frequent; one that would touch another waits for a closer look. */
  function labels(pen, shown, width, height) {
    const taken = [];
    const rank = ([point]) => (point.word === hovered ? -2 : point.word === near?.word ? -1 : near?.ranks.get(point.word) ?? 1000 + point.rank);
    pen.textBaseline = "middle";
    for (const [point, x, y] of [...shown].sort((a, b) => rank(a) - rank(b))) {
      const marked = isMarked(point.word);
      const strong = point.word === hovered || point.word === near?.word;
      pen.font = `${strong ? "600 " : ""}${strong ? FONT + 2 : FONT}px ${colours.serif}`;
      const text = visible(point.word);
      const wide = pen.measureText(text).width;
      const high = strong ? FONT + 4 : FONT + 1;
      const spot = spots(x, y, wide, high).find((box) => box.left > 2 && box.right < width - 2 && box.top > 1 && box.bottom < height - 1 && !taken.some((other) => touch(box, other)));
      if (!spot) continue;
      taken.push(spot);
      pen.lineWidth = 3;
      pen.strokeStyle = colours.paper;
      pen.lineJoin = "round";
      pen.strokeText(text, spot.left, (spot.top + spot.bottom) / 2);
      pen.fillStyle = marked || strong ? colours.accent : near ? colours.muted : colours.ink;
      pen.fillText(text, spot.left, (spot.top + spot.bottom) / 2);
    }
  }

  function isMarked(word) {
    return word === near?.word || word === hovered || Boolean(near?.ranks.has(word));
  }

  function read() {
    const style = getComputedStyle(node);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), muted: of("--muted"), accent: of("--accent"), paper: of("--raised"), line: of("--line"), serif: of("--serif") };
  }

  function found(event) {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let distance = NEAR;
    for (const point of points) {
      const [x, y] = screen(point);
      const away = Math.hypot(x - px, y - py);
      if (away < distance) [best, distance] = [point.word, away];
    }
    return best;
  }

  function hover(word) {
    if (word === hovered) return;
    hovered = word;
    soon();
  }

  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, y: event.clientY, moved: 0 };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!drag) {
      const word = found(event);
      canvas.classList.toggle("pointing", word !== null);
      hover(word);
      return;
    }
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    Object.assign(drag, { x: event.clientX, y: event.clientY, moved: drag.moved + Math.hypot(dx, dy) });
    move(dx, dy);
  });
  canvas.addEventListener("pointerup", (event) => {
    const word = drag && drag.moved < 4 ? found(event) : null;
    drag = null;
    if (word !== null) choose(word);
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("pointerleave", () => hover(null));
  canvas.addEventListener("dblclick", (event) => zoom(STEP * STEP, [event.offsetX, event.offsetY]));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return; // the page scrolls, unless the map is being used
    event.preventDefault();
    zoom(1.0018 ** -event.deltaY, [event.offsetX, event.offsetY]);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const act = {
      "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: reset,
      ArrowLeft: () => move(40, 0), ArrowRight: () => move(-40, 0), ArrowUp: () => move(0, 40), ArrowDown: () => move(0, -40),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  const recolour = () => {
    colours = null;
    soon();
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", recolour);
  const themes = new MutationObserver(recolour);
  themes.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const observer = new ResizeObserver(() => (view.whole ? soon() : reset()));
  observer.observe(canvas);

  return {
    node,
    hover,
    shows: (word) => places.has(word),
    show({ words, x, y }) {
      points = words.map((word, rank) => ({ word, rank, x: x[rank], y: y[rank] }));
      places = new Map(points.map((point) => [point.word, point]));
      reset();
    },
    highlight(answer) {
      near = answer && { word: answer.word, ranks: new Map(answer.neighbours.map(({ word }, rank) => [word, rank])) };
      soon();
    },
    release() {
      observer.disconnect();
      themes.disconnect();
      scheme.removeEventListener("change", recolour);
      cancelAnimationFrame(waiting);
    },
  };
}

/** Where a label may stand: right, left, above, below its point. */
function spots(x, y, wide, high) {
  const box = (left, middle) => ({ left, right: left + wide, top: middle - high / 2, bottom: middle + high / 2 });
  return [box(x + 6, y), box(x - 6 - wide, y), box(x - wide / 2, y - high / 2 - 5), box(x - wide / 2, y + high / 2 + 5)];
}

function touch(a, b) {
  return a.left < b.right + PAD && b.left < a.right + PAD && a.top < b.bottom + 1 && b.top < a.bottom + 1;
}

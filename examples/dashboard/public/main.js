// The page of the dashboard: a list of symbols, what is plotted of them, and
// the figures of what arrives. Ticks come packed, see feed.h.

import { SPAN_MS, draw } from "./plot.js";

const $ = (id) => document.getElementById(id);
const TICK_BYTES = 20;

const socket = io();
const symbols = []; // { code, opening, color, points, button, price }
const chosen = new Set([0, 4, 10]);
const seen = { frames: 0, bytes: 0, ticks: 0, merged: 0 };
let stepMs = 20;
let clock = null; // of the server's newest tick, and when it came
let paused = false;

function say(state, text) {
  $("state").dataset.state = state;
  $("state").textContent = text;
}

/*
 * What arrives
 */

function readTick(view, at) {
  return {
    symbol: view.getUint16(at, true),
    merged: view.getUint16(at + 2, true),
    at: view.getUint32(at + 4, true) * stepMs,
    last: view.getFloat32(at + 8, true),
    low: view.getFloat32(at + 12, true),
    high: view.getFloat32(at + 16, true),
  };
}

function take(tick) {
  const symbol = symbols[tick.symbol];
  if (!symbol) return;
  const percent = (price) => (price / symbol.opening - 1) * 100;
  symbol.points.push({
    at: tick.at, last: percent(tick.last),
    low: percent(tick.low), high: percent(tick.high),
  });
  while (symbol.points[0].at < tick.at - SPAN_MS - 1000) symbol.points.shift();
  symbol.price.textContent = tick.last.toFixed(2);
  symbol.price.dataset.way = tick.last >= symbol.opening ? "up" : "down";
}

socket.on("ticks", (bytes) => {
  const view = new DataView(bytes);
  seen.frames++;
  seen.bytes += bytes.byteLength;
  for (let at = 0; at + TICK_BYTES <= bytes.byteLength; at += TICK_BYTES) {
    const tick = readTick(view, at);
    seen.ticks++;
    seen.merged += tick.merged;
    clock = { at: tick.at, came: performance.now() };
    take(tick);
  }
});

socket.on("load", ({ clients, skipped }) => {
  $("clients").textContent = clients;
  $("skipped").textContent = skipped;
});

/*
 * What is asked for
 */

function watch() {
  socket.emit("watch", paused ? [] : [...chosen]);
}

function setRate() {
  $("rate-is").textContent = $("rate").value;
  socket.emit("rate", Number($("rate").value), (rate) => {
    $("rate-is").textContent = rate;
  });
}

function show(index) {
  const { button, color } = symbols[index];
  const isChosen = chosen.has(index);
  button.setAttribute("aria-pressed", isChosen);
  const dot = button.querySelector(".dot");
  dot.style.background = isChosen ? color : "";
  dot.style.borderColor = isChosen ? color : "";
}

function toggle(index) {
  if (!chosen.delete(index)) chosen.add(index);
  symbols[index].points.length = 0;
  show(index);
  watch();
}

function addSymbol({ code, name, opening }, index) {
  const button = document.createElement("button");
  const parts = ["dot", "code", "name", "price"].map((part) => {
    const span = document.createElement("span");
    span.className = part;
    button.append(span);
    return span;
  });
  const item = document.createElement("li");

  parts[1].textContent = code;
  parts[2].textContent = name;
  parts[3].textContent = opening.toFixed(2);
  button.type = "button";
  button.dataset.symbol = code;
  button.addEventListener("click", () => toggle(index));
  item.append(button);
  $("symbols").append(item);
  symbols[index] = {
    code, opening, button, price: parts[3], points: [],
    color: `hsl(${(index * 137) % 360} 65% 50%)`,
  };
  show(index);
}

socket.on("connect", () => {
  socket.emit("market", ({ step_ms: ms, symbols: list }) => {
    stepMs = ms;
    if (symbols.length === 0) list.forEach(addSymbol);
    for (const symbol of symbols) symbol.points.length = 0;
    say("connected", "connected");
    watch();
    setRate();
  });
});
socket.on("disconnect", () => say("offline", "offline, trying again"));
socket.io.on("error", () => say("offline", "offline, trying again"));

$("rate").addEventListener("input", setRate);
$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused)
    for (const symbol of symbols) symbol.points.length = 0;
  watch();
});

/*
 * What is shown
 */

setInterval(() => {
  $("frames").textContent = seen.frames;
  $("bytes").textContent = seen.bytes;
  $("merged").textContent =
    seen.ticks > 0 ? (seen.merged / seen.ticks).toFixed(1) : "0";
  $("transport").textContent = socket.io.engine?.transport.name ?? "none";
  Object.assign(seen, { frames: 0, bytes: 0, ticks: 0, merged: 0 });
}, 1000);

// The right edge goes on between ticks, so that lines glide.
function frame() {
  if (clock && !paused) {
    const now = clock.at + Math.min(performance.now() - clock.came, 1000);
    draw($("plot"),
      symbols.filter((_, index) => chosen.has(index)), now);
  }
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);

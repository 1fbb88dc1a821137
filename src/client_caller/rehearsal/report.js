// Draws the figures in #data. It measures nothing: every number on the page is in report.json.
"use strict";

const call = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const peaks = Object.fromEntries(
  Object.entries(call.peaks).map(([who, text]) => [who, Uint8Array.from(atob(text), (c) => c.charCodeAt(0))]));
const STAGES = [
  ["noticed_s", "end of speech noticed", "caller"], ["words_s", "words ready", "good"],
  ["first_token_s", "first token", "draft"], ["first_audio_s", "first audio", "agent"],
  ["released_s", "released", "muted"], ["voice_to_voice_s", "voice to voice", "wait"]];

const milliseconds = (s) => (s === null ? "–" : String(Math.round(s * 1000)).replace("-", "−"));
const clock = (s, digits = 1) => {
  const tenths = Math.max(0, s).toFixed(digits);
  return `${Math.floor(tenths / 60)}:${(tenths % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0")}`;
};
const make = (tag, content = "", className = "") => {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...[content].flat());
  return node;
};
const draw = (tag, attributes, content = "") => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(content);
  return node;
};

// ---- headline -------------------------------------------------------------------------------------------------------
function showHeadline() {
  const { turns, answered, voice_to_voice_p50_s: p50, voice_to_voice_p95_s: p95, cut_offs, barge_ins, silenced,
    barge_in_silence_p50_s: silence, barge_in_silence_max_s: longest } = call.headline;
  const figure = (name, value, unit, note, bad = false) => {
    const number = make("div", value, "value");
    if (unit) number.append(make("small", unit));
    return make("div", [make("div", name, "name"), number, make("div", note, "note")], bad ? "figure bad" : "figure");
  };
  const unit = (s) => (s === null ? "" : "ms");
  element("headline").append(
    figure("Voice to voice, p50", milliseconds(p50), unit(p50), "at the caller’s ear"),
    figure("p95", milliseconds(p95), unit(p95), answered < 20 ? "the slowest answer of this call" : "at the caller’s ear"),
    figure("Turns answered", String(answered), `of ${turns}`, "after the caller had ended", answered < turns),
    figure("Cut-offs", String(cut_offs), "", "agent spoke into a pause", cut_offs > 0),
    figure("Silent after barge-in", milliseconds(silence), unit(silence),
      silenced < barge_ins ? `${barge_ins - silenced} of ${barge_ins} barge-ins ignored`
        : barge_ins > 1 ? `p50 of ${barge_ins}; longest ${milliseconds(longest)} ms`
        : barge_ins ? "one barge-in" : "nobody barged in", silenced < barge_ins));
  if (answered) element("headline").append(strip());
}

// Every answer as a dot on one axis, with the percentiles: the distribution that the two big numbers stand for.
function strip() {
  const waits = call.turns.flatMap((t, i) => (t.voice_to_voice_s === null ? [] : [[t.voice_to_voice_s, i + 1]]));
  const end = Math.max(1, Math.ceil(Math.max(...waits.map(([s]) => s)) * 2) / 2);
  const x = (s) => 8 + (Math.max(0, s) / end) * 1040;
  const svg = draw("svg", { viewBox: "0 0 1056 58", role: "img", "aria-label": "Voice to voice of every turn" });
  svg.append(draw("line", { x1: x(0), x2: x(end), y1: 36, y2: 36, stroke: "var(--rule)" }));
  for (let s = 0; s <= end + 1e-9; s += end > 3 ? 0.5 : 0.25) {
    svg.append(draw("line", { x1: x(s), x2: x(s), y1: 32, y2: 40, stroke: "var(--rule)" }));
    svg.append(draw("text", { x: x(s), y: 54, "text-anchor": s === 0 ? "start" : s > end - 1e-9 ? "end" : "middle" },
      s === 0 ? "0" : `${Math.round(s * 1000)} ms`));
  }
  let last = -99;
  for (const [s, number] of waits.sort((a, b) => a[0] - b[0])) {
    const dot = draw("circle", { cx: x(s), cy: 36, r: 5.5, fill: "var(--agent)", "fill-opacity": 0.8, stroke: "var(--paper)" });
    dot.append(draw("title", {}, `turn ${number}: ${milliseconds(s)} ms`));
    svg.append(dot);
    if (x(s) - last > 13) svg.append(draw("text", { x: x(s), y: 22, "text-anchor": "middle" }, String(number)));
    last = x(s) - last > 13 ? x(s) : last;
  }
  return make("div", svg, "strip");
}

// ---- waveforms ------------------------------------------------------------------------------------------------------
const loudest = Math.max(1, ...["caller", "agent"].map((who) => peaks[who].reduce((a, b) => Math.max(a, b), 0)));
const LANE = { caller: [30, 112], agent: [188, 112], drafts: 146, waits: 172, foot: 308 };
const view = { from: 0, to: Math.min(call.duration_s, 20), at: 0, hover: null };
let colour = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  colour = Object.fromEntries(["ink", "muted", "rule", "faint", "panel", "caller", "agent", "wait", "draft", "alarm"]
    .map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

function prepare(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = `11.5px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "middle";
  return [pen, width, height];
}

function waveform(pen, who, top, height, from, to, width) {
  const values = peaks[who], middle = top + height / 2, perPixel = ((to - from) / width) * call.peaks_hz;
  pen.fillStyle = colour[who];
  for (let column = 0; column < width; column++) {
    const first = Math.floor(from * call.peaks_hz + column * perPixel);
    let peak = 0;
    for (let i = first; i < Math.max(first + 1, first + perPixel); i++) peak = Math.max(peak, values[i] || 0);
    const half = Math.max(0.5, (peak / loudest) ** 0.65 * height * 0.49);  // lets soft sounds be seen beside loud ones
    pen.fillRect(column, middle - half, 1, half * 2);
  }
}

function ruler(pen, x, width) {
  const step = [0.1, 0.25, 0.5, 1, 2, 5, 10, 15, 30, 60, 120].find((s) => x(s) - x(0) >= 70) || 300;
  pen.strokeStyle = colour.faint;
  pen.fillStyle = colour.muted;
  for (let s = Math.ceil(view.from / step) * step; s <= view.to; s += step) {
    pen.beginPath(); pen.moveTo(x(s), 22); pen.lineTo(x(s), LANE.foot); pen.stroke();
    if (x(s) < width - 40) pen.fillText(clock(s, step < 1 ? 2 : 0), x(s) + 5, 12);
  }
}

// Text that stays readable on a waveform.
function label(pen, text, x, y) {
  pen.strokeStyle = colour.panel;
  pen.lineWidth = 4;
  pen.lineJoin = "round";
  pen.strokeText(text, x, y);
  pen.fillText(text, x, y);
  pen.lineWidth = 1;
}

function turnTint(pen, x, turn) {
  const [top, height] = LANE.caller;
  pen.globalAlpha = 0.1;
  pen.fillStyle = colour.caller;
  pen.fillRect(x(turn.started_at), top, x(turn.speech_ended_at) - x(turn.started_at), height);
  pen.globalAlpha = 1;
}

function turnNumber(pen, x, turn, number) {
  pen.fillStyle = turn.cut_off ? colour.alarm : colour.caller;
  label(pen, turn.cut_off ? `${number} cut off` : String(number), x(turn.started_at) + 6, LANE.caller[0] + 10);
}

function waitBracket(pen, x, turn) {
  if (turn.voice_to_voice_s === null) return;
  const [left, right] = [x(turn.speech_ended_at), x(turn.speech_ended_at + turn.voice_to_voice_s)];
  pen.strokeStyle = pen.fillStyle = colour.wait;
  pen.lineWidth = 1.5;
  pen.beginPath();
  pen.moveTo(left, LANE.waits - 6); pen.lineTo(left, LANE.waits); pen.lineTo(right, LANE.waits); pen.lineTo(right, LANE.waits - 6);
  pen.stroke();
  pen.lineWidth = 1;
  const label = `${milliseconds(turn.voice_to_voice_s)} ms`;
  if (right - left > 20) pen.fillText(label, right + 6, LANE.waits - 2);
}

function mark(pen, x, { at, until, kind }, width) {
  const left = x(at), right = x(until ?? at), [top, height] = LANE.caller;
  pen.strokeStyle = pen.fillStyle = kind === "pause" ? colour.caller : kind.startsWith("draft") ? colour.draft : colour.alarm;
  pen.lineWidth = 1.5;
  pen.beginPath();
  if (kind === "pause") {
    pen.setLineDash([2, 3]);
    pen.moveTo(left, top + height - 6); pen.lineTo(right, top + height - 6);
  } else if (kind.startsWith("draft")) {
    pen.setLineDash(kind === "draft voiced" ? [] : [3, 2]);
    pen.roundRect(left, LANE.drafts, Math.max(3, right - left), 9, 3);
    if (kind === "draft voiced") pen.fill();
  } else {
    pen.setLineDash(kind === "failure" ? [4, 3] : []);
    pen.moveTo(left, top); pen.lineTo(left, LANE.foot);
    pen.stroke();
    label(pen, kind, left < width - 70 ? left + 6 : left - 56, LANE.foot - 8);
    pen.beginPath();
  }
  pen.stroke();
  pen.setLineDash([]);
  pen.lineWidth = 1;
}

function drawLanes() {
  const [pen, width, height] = prepare(element("lanes"));
  const x = (s) => ((s - view.from) / (view.to - view.from)) * width;
  ruler(pen, x, width);
  call.turns.forEach((turn) => turnTint(pen, x, turn));
  for (const who of ["caller", "agent"]) {
    waveform(pen, who, ...LANE[who], view.from, view.to, width);
    label(pen, who, 14, LANE[who][0] + LANE[who][1] - 8);
  }
  call.turns.forEach((turn) => waitBracket(pen, x, turn));
  call.marks.forEach((each) => mark(pen, x, each, width));
  call.turns.forEach((turn, i) => turnNumber(pen, x, turn, i + 1));
  pen.fillStyle = colour.ink;
  pen.fillRect(x(view.at) - 0.75, 20, 1.5, height - 20);
  if (view.hover !== null) { pen.globalAlpha = 0.35; pen.fillRect(x(view.hover), 20, 1, height - 20); pen.globalAlpha = 1; }
}

function drawOverview() {
  const [pen, width, height] = prepare(element("overview"));
  const x = (s) => (s / call.duration_s) * width;
  pen.fillStyle = colour.faint;
  pen.fillRect(x(view.from), 0, x(view.to) - x(view.from), height);
  waveform(pen, "caller", 3, 20, 0, call.duration_s, width);
  waveform(pen, "agent", 23, 20, 0, call.duration_s, width);
  pen.strokeStyle = colour.muted;
  pen.strokeRect(x(view.from) + 0.5, 0.5, x(view.to) - x(view.from) - 1, height - 1);
  pen.fillStyle = colour.ink;
  pen.fillRect(x(view.at) - 0.75, 0, 1.5, height);
}

function refresh() {
  drawLanes();
  drawOverview();
  element("clock").textContent = clock(view.at, 2);
  element("readout").textContent = view.hover === null
    ? `${call.audio ? "Click to place the cursor, space to play; d" : "D"}rag or scroll sideways to move, Ctrl and wheel to zoom.`
    : [clock(view.hover, 2), ...under(view.hover)].join("  ·  ");
}

// What there is to say about one instant.
function under(at) {
  const near = (view.to - view.from) / 150;
  const within = (from, to) => at >= from - (to === from ? near : 0) && at <= to + (to === from ? near : 0);
  return [
    ...call.turns.flatMap((t, i) => [
      within(t.started_at, t.speech_ended_at) ? `turn ${i + 1}: “${t.caller_text}”` : "",
      t.voice_to_voice_s !== null && within(t.speech_ended_at, t.speech_ended_at + t.voice_to_voice_s)
        ? `turn ${i + 1}: ${milliseconds(t.voice_to_voice_s)} ms voice to voice` : ""]),
    ...call.marks.map((m) => (within(m.at, m.until ?? m.at)
      ? m.label + (m.until === null ? "" : ` (${milliseconds(m.until - m.at)} ms)`) : "")),
  ].filter(Boolean);
}

// ---- moving about ---------------------------------------------------------------------------------------------------
function look(from, span) {
  span = Math.min(call.duration_s, Math.max(0.5, span));
  view.from = Math.min(Math.max(0, from), call.duration_s - span);
  view.to = view.from + span;
  refresh();
}

function zoom(factor, around = (view.from + view.to) / 2) {
  const span = (view.to - view.from) * factor;
  look(around - ((around - view.from) / (view.to - view.from)) * span, span);
}

function seek(at, follow = true) {
  view.at = Math.min(Math.max(0, at), call.duration_s);
  element("audio").currentTime = view.at;
  const span = view.to - view.from;
  if (follow && (view.at < view.from || view.at > view.to)) look(view.at - span / 8, span);
  refresh();
}

function listenToCanvas() {
  const lanes = element("lanes"), overview = element("overview");
  const timeAt = (event) => view.from + (event.offsetX / lanes.clientWidth) * (view.to - view.from);
  let drag = null;
  lanes.addEventListener("pointerdown", (event) => {
    drag = { x: event.offsetX, from: view.from, moved: false };
    lanes.setPointerCapture(event.pointerId);
  });
  lanes.addEventListener("pointermove", (event) => {
    view.hover = timeAt(event);
    const moved = drag ? event.offsetX - drag.x : 0;
    if (drag && (drag.moved ||= Math.abs(moved) > 4)) {
      look(drag.from - (moved / lanes.clientWidth) * (view.to - view.from), view.to - view.from);
    } else refresh();
  });
  lanes.addEventListener("pointerup", (event) => { if (drag && !drag.moved) seek(timeAt(event)); drag = null; });
  lanes.addEventListener("pointerleave", () => { view.hover = null; refresh(); });
  lanes.addEventListener("wheel", (event) => {
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 200), timeAt(event));
    else if (sideways) look(view.from + (sideways / lanes.clientWidth) * (view.to - view.from), view.to - view.from);
    else return;
    event.preventDefault();
  }, { passive: false });
  const centre = (event) => {
    if (!event.buttons) return;
    const span = view.to - view.from;
    look((event.offsetX / overview.clientWidth) * call.duration_s - span / 2, span);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); centre(event); });
  overview.addEventListener("pointermove", centre);
}

function listenToControls() {
  const audio = element("audio"), play = element("play");
  if (call.audio) audio.src = `data:audio/wav;base64,${call.audio}`;
  play.disabled = !call.audio;
  const toggle = () => (audio.paused ? audio.play() : audio.pause());
  const follow = () => {
    view.at = audio.currentTime;
    const span = view.to - view.from;
    if (view.at > view.to - span / 10 || view.at < view.from) look(view.at - span / 10, span);
    else refresh();
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("play", () => { play.textContent = "❚❚"; follow(); });
  audio.addEventListener("pause", () => { play.textContent = "▶"; });
  play.addEventListener("click", toggle);
  element("in").addEventListener("click", () => zoom(0.5));
  element("out").addEventListener("click", () => zoom(2));
  element("fit").addEventListener("click", () => look(0, call.duration_s));
  document.addEventListener("keydown", (event) => {
    if (event.target.tagName === "BUTTON") return;
    const step = { ArrowLeft: -0.5, ArrowRight: 0.5 }[event.key];
    if (event.key === " " && call.audio) toggle(); else if (step) seek(view.at + step); else return;
    event.preventDefault();
  });
}

// ---- table and text -------------------------------------------------------------------------------------------------
function showTurns() {
  const stages = call.turns.flatMap((turn) => STAGES.map(([field]) => turn[field])).filter((s) => s !== null);
  const low = Math.min(0, ...stages), high = Math.max(0.5, ...stages);
  const x = (s) => 10 + ((s - low) / (high - low)) * 290;
  const heads = STAGES.map(([, name, tone]) => make("th", [name, make("i", "", `dot ${tone}`)]));
  const head = make("tr", [make("th"), make("th", "turn", "said"), ...heads, make("th", axis(x, low, high), "path")]);
  const body = call.turns.map((turn, i) => {
    const kind = make("span", turn.cut_off ? [`${turn.kind} · `, make("b", "cut off", "flag")] : turn.kind, "kind");
    const row = make("tr", [make("td", String(i + 1)), make("td", [make("span", turn.caller_text), kind], "said")]);
    for (const [field] of STAGES) {
      const className = turn[field] === null ? "none" : field === "voice_to_voice_s" ? "total" : "";
      row.append(make("td", milliseconds(turn[field]), className));
    }
    row.append(make("td", path(turn, x), "path"));
    row.children[1].title = turn.caller_text;
    row.addEventListener("click", () => seek(turn.started_at));
    return row;
  });
  element("turns").append(make("thead", head), make("tbody", body));
}

function axis(x, low, high) {
  const svg = draw("svg", { viewBox: "0 0 320 18" });
  const step = high - low > 3 ? 1 : high - low > 1.2 ? 0.5 : 0.25;
  for (let s = Math.ceil(low / step) * step; s <= high; s += step) {
    svg.append(draw("text", { x: x(s), y: 14, "text-anchor": "middle", class: "tick" }, milliseconds(s)));
  }
  return svg;
}

// One turn's way from the last sound to the answer: a dot for each stage, in the order and at the place it happened.
function path(turn, x) {
  const svg = draw("svg", { viewBox: "0 0 320 30", role: "img", "aria-label": "Stages of this turn" });
  svg.append(draw("line", { x1: x(0), x2: x(0), y1: 2, y2: 28, stroke: "var(--muted)" }));
  const wait = turn.voice_to_voice_s;
  if (wait !== null) {
    svg.append(draw("line", { x1: x(0), x2: x(wait), y1: 15, y2: 15, stroke: "var(--wait)", "stroke-width": 2 }));
  }
  for (const [field, name, tone] of STAGES) {
    if (turn[field] === null) continue;
    const last = field === "voice_to_voice_s";
    const dot = last
      ? draw("rect", { x: x(wait) - 2, y: 6, width: 4, height: 18, rx: 1.5, fill: "var(--wait)" })
      : draw("circle", { cx: x(turn[field]), cy: 15, r: 4.5, fill: `var(--${tone})`, stroke: "var(--paper)", "stroke-width": 1.5 });
    dot.append(draw("title", {}, `${name}: ${milliseconds(turn[field])} ms`));
    svg.append(dot);
  }
  return svg;
}

function showConversation() {
  const plain = (text) => text.toLowerCase().replace(/[^\p{L}\p{N} ]/gu, "").replace(/\s+/g, " ").trim();
  for (const { at, speaker, text, cut, understood } of call.conversation) {
    const said = make("div", text || (cut ? "" : "–"), "said");
    if (cut) said.append(text ? " " : "", make("del", cut), make("span", "struck out: said, but never heard", "aside"));
    if (understood && plain(understood) !== plain(text)) said.append(make("span", `understood as “${understood}”`, "aside"));
    const row = make("li", [make("span", clock(at), "when"), make("span", speaker, "who"), said], speaker);
    row.addEventListener("click", () => seek(at));
    element("script").append(row);
  }
}

function showSurroundings() {
  const started = new Date(call.started);
  const when = Number.isNaN(started.getTime()) ? call.started
    : started.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" }) + " UTC";
  element("meta").textContent = [when, `${Math.round(call.duration_s)} s`, call.machine].filter(Boolean).join("  ·  ");
  const notes = call.audio ? call.notes : [...call.notes, "The call is too long to carry its sound in this page; listen to its recording."];
  element("notes").append(...notes.map((note) => make("li", note)));
}

readColours();
showSurroundings();
showHeadline();
showTurns();
showConversation();
listenToCanvas();
listenToControls();
refresh();
addEventListener("resize", refresh);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); refresh(); });

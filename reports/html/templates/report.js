"use strict";
// Adds sorting, filtering, listening, and links to clips and cells (in the URL fragment). The tables and plots need no
// script. All text is inserted as text nodes, so nothing in the data can become markup.

const data = JSON.parse(document.getElementById("data").textContent);
const clips = new Map(data.clips.map((clip) => [clip.id, clip]));
const values = new Map(data.values.map((value) => [value.name, value]));

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// Sorting: a click on a column's head sorts by this column, and a second click reverses the order. Rows without a
// number come last.

function sortBy(head) {
  const table = head.closest("table");
  const column = [...head.parentElement.children].indexOf(head);
  const down = head.getAttribute("aria-sort") === "descending" || (!head.hasAttribute("aria-sort") && head.dataset.first === "ascending");
  const rows = [...table.tBodies[0].rows];
  const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const numeric = rows.some((row) => row.cells[column].dataset.sort !== undefined);
  rows.sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (!numeric) return down ? x.localeCompare(y) : y.localeCompare(x);
    if (x === "" || y === "") return (x === "") - (y === "");
    return down ? x - y : y - x;
  });
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll("th button.sort")) button.addEventListener("click", () => sortBy(button.closest("th")));

// Filtering.

const systemFilter = document.getElementById("system-filter");
const conditionFilter = document.getElementById("condition-filter");

function filter() {
  const text = systemFilter.value.trim().toLowerCase();
  for (const section of document.querySelectorAll("[data-condition]")) {
    section.hidden = conditionFilter.value !== "" && section.dataset.condition !== conditionFilter.value;
  }
  for (const row of document.querySelectorAll("tr[data-system]")) {
    row.hidden = !row.dataset.system.toLowerCase().includes(text);
  }
}

systemFilter.addEventListener("input", filter);
conditionFilter.addEventListener("change", filter);
filter(); // a browser restores the fields of the filters after a reload

// A cell's clips, the worst first.

function shown(number, value) {
  return number === null || number === undefined ? "–" : number.toFixed(value.decimals);
}

function showCell(condition, system, name) {
  const value = values.get(name);
  const panel = document.getElementById("cell");
  if (!value) return;
  const known = data.clips.filter((clip) => clip.condition === condition && clip.scores[system]?.[name] !== undefined);
  const worse = value.direction === "higher" ? 1 : -1;
  known.sort((a, b) => worse * (a.scores[system][name] - b.scores[system][name]));
  const items = known.map((clip) => make("li", {}, clipLink(clip, `${clip.name}: ${shown(clip.scores[system][name], value)}`, system)));
  panel.replaceChildren(
    make("h3", { tabindex: "-1" }, `${system}, ${value.label}, ${condition}: ${known.length} clips, the worst first`),
    make("ol", { class: "lists" }, ...items),
  );
  panel.hidden = false;
  panel.querySelector("h3").focus({ preventScroll: true });
  panel.scrollIntoView({ block: "nearest" });
}

function clipLink(clip, text, system) {
  return make("a", { href: "#" + new URLSearchParams({ clip: clip.id, system }) }, text);
}

// Listening: one version plays at a time. Switching versions keeps the position, and whether the sound is playing.

const player = document.getElementById("player");
const slider = document.getElementById("position");
let current = null; // { clip, system, audios, position }; switching versions keeps the position (seconds), loaded or not
const END = 0.2; // seconds before the end that count as the end: Chromium cannot seek nearer to the end of some MP3s
let dragging = false; // whether the user is moving the position slider

function volume(clip, system) {
  const matched = document.getElementById("matched").checked;
  return matched ? 1 : clip.sounds[system].volume;
}

function openClip(id, system) {
  const clip = clips.get(id);
  if (!clip) return;
  if (blind) endBlind();
  const names = Object.keys(clip.sounds ?? clip.scores);
  if (current?.clip.id !== id) {
    stop();
    const audios = new Map(Object.entries(clip.sounds ?? {}).map(([name, sound]) => [name, loaded(name, sound)]));
    current = { clip, system: null, audios, position: 0 };
    describe(`${clip.condition}: ${clip.name}`, [clip.text && `“${clip.text}”`, clip.facts].filter(Boolean).join(" · "));
    document.getElementById("clip-fault").textContent = clip.sounds ? "" : "No sounds of this clip were kept in this report; write the report with a larger --clips.";
    document.getElementById("listening").hidden = !clip.sounds;
    showVersions([...audios.keys()].map((name) => [name, name]));
    document.getElementById("clip-scores").replaceChildren(scoreTable(clip, names));
  }
  player.hidden = false;
  if (clip.sounds) choose(names.includes(system) ? system : names[0]);
}

function describe(title, text) {
  document.getElementById("clip-title").textContent = title;
  document.getElementById("clip-text").textContent = text;
}

function showVersions(labels) {
  document.getElementById("versions").replaceChildren(
    ...labels.map(([label, name], index) => make("button", { type: "button", "data-system": blind ? label : name, onclick: () => choose(name), title: index < 9 ? `key ${index + 1}` : null }, label)),
  );
}

function loaded(name, sound) {
  const element = new Audio(sound.file);
  element.preload = "auto";
  const ifSelected = (act) => () => element === audio() && act();
  element.addEventListener("loadedmetadata", ifSelected(() => seek(current.position)));
  for (const event of ["timeupdate", "ended", "pause", "play"]) element.addEventListener(event, ifSelected(() => {
    if (element.readyState > 0 && !element.seeking) current.position = element.currentTime;
    showTransport();
  }));
  element.addEventListener("error", ifSelected(() => fault(`${sound.file} cannot be played: keep the folder sounds beside index.html.`)));
  return element;
}

function fault(text) {
  document.getElementById("clip-fault").textContent = text;
}

function scoreTable(clip, names) {
  const columns = data.values.filter((value) => names.some((name) => clip.scores[name]?.[value.name] !== undefined));
  const head = make("tr", {}, make("th", { scope: "col" }, "system"), ...columns.map((value) => make("th", { scope: "col" }, value.label)));
  const rows = names.map((name) => make("tr", {}, make("th", { scope: "row" }, name), ...columns.map((value) => make("td", {}, shown(clip.scores[name]?.[value.name], value)))));
  return make("table", {}, make("caption", { class: "soft" }, "scores of this clip"), make("thead", {}, head), make("tbody", {}, ...rows));
}

function audio() {
  return current?.audios.get(current.system);
}

function choose(system) {
  const before = audio();
  const playing = before && !before.paused;
  if (before?.readyState > 0 && !before.seeking) current.position = before.currentTime;
  before?.pause();
  current.system = system;
  const now = audio();
  fault(now.error ? "This sound cannot be played: keep the folder sounds beside index.html." : "");
  now.volume = volume(current.clip, system);
  seek(current.position);
  if (playing) play(now);
  const label = blind ? blind.labels.find(([, name]) => name === system)[0] : system;
  for (const button of document.querySelectorAll("#versions button")) button.setAttribute("aria-pressed", button.dataset.system === label);
  if (!blind) {
    showSights(system, current.clip.sounds[system]);
    history.replaceState(null, "", "#" + new URLSearchParams({ clip: current.clip.id, system }));
  }
  showTransport();
}

function showSights(system, sound) {
  show("waveform", sound.waveform, `waveform of ${system}`);
  show("spectrogram", sound.spectrogram, `spectrogram of ${system}, up to ${sound.khz} kHz`);
  kilohertz("khz", sound.khz);
  ticks("seconds", [0, 1, 2, 3, 4].map((part) => `${(sound.seconds * part / 4).toFixed(2)} s`));
  document.getElementById("apart").hidden = !sound.difference;
  if (sound.difference) {
    show("difference", sound.difference, `levels of ${system} minus those of ${data.clean}, up to ${sound.differenceKhz} kHz`);
    kilohertz("difference-khz", sound.differenceKhz);
  }
}

function show(id, file, words) {
  Object.assign(document.getElementById(id), { src: file, alt: words });
}

function kilohertz(axis, top) {
  ticks(axis, [4, 3, 2, 1, 0].map((part) => `${+(top * part / 4).toFixed(2)} kHz`));
}

function ticks(axis, texts) {
  document.getElementById(axis).replaceChildren(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
}

function play(sound) {
  if (current.position > current.clip.sounds[current.system].seconds - 1.5 * END) seek(0);
  // Switching versions aborts a pending play(); every other error is shown.
  sound.play().catch((error) => error.name === "AbortError" || (sound === audio() && fault(`This sound cannot be played: ${error.message}`)));
}

function seek(position) {
  current.position = position;
  const sound = audio();
  if (sound.readyState > 0) sound.currentTime = Math.max(0, Math.min(position, sound.duration - END));
  showTransport();
}

function toggle() {
  const sound = audio();
  if (sound.paused) play(sound);
  else sound.pause();
  showTransport();
}

function stop() {
  if (current) for (const sound of current.audios.values()) sound.pause();
}

function showTransport() {
  document.getElementById("play").textContent = audio().paused ? "Play" : "Pause";
  slider.max = current.clip.sounds[current.system].seconds;
  if (!dragging) slider.value = current.position;
  document.getElementById("time").textContent = `${current.position.toFixed(1)} s`;
}

document.getElementById("play").addEventListener("click", toggle);
slider.addEventListener("input", (event) => seek(Number(event.target.value)));
slider.addEventListener("pointerdown", () => (dragging = true));
for (const event of ["pointerup", "pointercancel", "blur"]) slider.addEventListener(event, () => (dragging = false));
document.getElementById("matched").addEventListener("change", () => audio() && (audio().volume = volume(current.clip, current.system)));
document.addEventListener("keydown", (event) => {
  if (!audio() || player.hidden || event.target.closest("input[type=search], select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const names = blind ? blind.labels.map(([, name]) => name) : [...current.audios.keys()];
  const better = { a: "A", b: "B", 0: "none" };
  if (event.repeat) return; // a key that is held down acts once
  if (/^[1-9]$/.test(event.key) && names[event.key - 1]) choose(names[event.key - 1]);
  else if (event.key === "p") toggle();
  else if (blind && event.key in better) answer(better[event.key]);
});

// Blind comparison: two systems' versions of a clip as A and B. The systems' names appear only after the comparison.

let blind = null; // { left: comparisons to come, now: the current one, labels: [[label, system]], since: its start }
const answers = []; // the answers to all comparisons since the page was opened

function shuffled(list) {
  const drawn = crypto.getRandomValues(new Uint32Array(list.length));
  return list.map((item, index) => [drawn[index], item]).sort(([a], [b]) => a - b).map(([, item]) => item);
}

function comparisons(first, second) {
  const allPairs = [];
  for (const clip of data.clips.filter((clip) => clip.sounds)) {
    const names = Object.keys(clip.sounds).filter((name) => name !== data.clean);
    names.forEach((a, index) => names.slice(index + 1).forEach((b) => {
      if ([first, second].every((name) => !name || [a, b].includes(name)) && !(first && first === second)) allPairs.push({ clip, pair: shuffled([a, b]) });
    }));
  }
  return shuffled(allPairs);
}

function startBlind() {
  const chosen = ["blind-first", "blind-second"].map((id) => document.getElementById(id).value);
  const left = comparisons(...chosen);
  if (!left.length) {
    document.getElementById("blind-result").replaceChildren("No clip has sounds of two different systems that match this choice; choose other systems.");
    return;
  }
  document.getElementById("blind-result").replaceChildren();
  blind = { left };
  history.replaceState(null, "", location.pathname + location.search); // the URL fragment names a system, which must stay hidden
  nextComparison();
  player.scrollIntoView({ block: "nearest" });
}

function nextComparison() {
  stop();
  const now = blind.left.pop();
  if (!now) return endBlind();
  const { clip, pair: [a, b] } = now;
  Object.assign(blind, { now, labels: [["A", a], ["B", b], ...(data.clean in clip.sounds ? [["clean", data.clean]] : [])], since: Date.now() });
  const audios = new Map(blind.labels.map(([, name]) => [name, loaded(name, clip.sounds[name])]));
  current = { clip, system: null, audios, position: 0 };
  describe(`Comparison ${answers.length + 1}`, clip.text && `“${clip.text}”`);
  fault("");
  showVersions(blind.labels);
  showHidden(true);
  player.hidden = document.getElementById("listening").hidden = false;
  choose(a);
}

function showHidden(hidden) {
  if (hidden) { // the scores and pictures of an earlier clip name systems
    document.getElementById("clip-scores").replaceChildren();
    for (const id of ["waveform", "spectrogram", "difference"]) {
      document.getElementById(id).removeAttribute("src");
      document.getElementById(id).alt = "";
    }
  }
  document.getElementById("answers").hidden = !hidden;
  document.getElementById("sights").hidden = document.getElementById("clip-scores").hidden = hidden;
}

function answer(better) {
  const { clip, pair: [a, b] } = blind.now;
  answers.push({ condition: clip.condition, clip: clip.name, a, b, better: { A: a, B: b, none: "" }[better], seconds: ((Date.now() - blind.since) / 1000).toFixed(1) });
  nextComparison();
}

function endBlind() {
  blind = null;
  stop();
  current = null;
  player.hidden = true;
  showHidden(false);
  const counts = new Map();
  for (const { a, b, better } of answers) {
    const pair = [a, b].sort();
    const key = JSON.stringify(pair);
    const known = counts.get(key) ?? [...pair, 0, 0, 0];
    known[better === "" ? 4 : 2 + pair.indexOf(better)] += 1;
    counts.set(key, known);
  }
  const cells = (tag, texts) => make("tr", {}, ...texts.map((text) => make(tag, tag === "th" ? { scope: "col" } : {}, String(text))));
  const table = make("table", {}, make("thead", {}, cells("th", ["first", "second", "first is better", "second is better", "no difference"])), make("tbody", {}, ...[...counts.values()].map((row) => cells("td", row))));
  const columns = ["condition", "clip", "a", "b", "better", "seconds"];
  const quoted = (text) => `"${String(text).replaceAll('"', '""')}"`;
  const csv = [columns.join(","), ...answers.map((one) => columns.map((name) => quoted(one[name])).join(","))].join("\n") + "\n";
  const save = make("a", { download: "blind-comparison.csv", href: "data:text/csv;charset=utf-8," + encodeURIComponent(csv) }, "Save the answers as CSV");
  document.getElementById("blind-result").replaceChildren(...(answers.length ? [make("div", { class: "scroll" }, table), save] : ["No answer was given."]));
  document.getElementById("blind").scrollIntoView({ block: "nearest" });
}

document.getElementById("blind-start").addEventListener("click", startBlind);
document.getElementById("blind-end").addEventListener("click", endBlind);
for (const button of document.querySelectorAll("[data-better]")) button.addEventListener("click", () => answer(button.dataset.better));

// Deep links: #clip=CONDITION/ID&system=NAME, #condition=…&system=…&value=…

function follow() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  if (wanted.has("clip")) {
    openClip(wanted.get("clip"), wanted.get("system"));
    player.scrollIntoView({ block: "nearest" });
  } else if (wanted.has("value")) showCell(wanted.get("condition"), wanted.get("system"), wanted.get("value"));
}

window.addEventListener("hashchange", follow);
for (const button of document.querySelectorAll("button.cell")) {
  button.addEventListener("click", () => (location.hash = new URLSearchParams({ condition: button.dataset.condition, system: button.dataset.system, value: button.dataset.value })));
}
follow();

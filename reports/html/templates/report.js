"use strict";
// Enhances a page that is complete without it: sorting, filtering, listening, links to clips and cells (in the hash).
// Every text goes through textContent, so nothing in the data can become markup.

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

// Sorting: a click on a column's head, a second one turns it round. Rows without a number come last.

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
filter(); // browsers keep what was typed over a reload

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

// Listening: one version at a time; a switch keeps the position and whether it plays.

const player = document.getElementById("player");
const slider = document.getElementById("position");
let current = null; // { clip, system, audios, position }: the position in seconds is kept over switches, loaded or not
const END = 0.2; // seconds before the end that count as the end: Chromium cannot send every MP3 nearer to it
let dragging = false; // the position is being moved

function volume(clip, system) {
  const matched = document.getElementById("matched").checked;
  return matched ? 1 : clip.sounds[system].volume;
}

function openClip(id, system) {
  const clip = clips.get(id);
  if (!clip) return;
  const names = Object.keys(clip.sounds ?? clip.scores);
  if (current?.clip.id !== id) {
    stop();
    const audios = new Map(Object.entries(clip.sounds ?? {}).map(([name, sound]) => [name, loaded(name, sound)]));
    current = { clip, system: null, audios, position: 0 };
    document.getElementById("clip-title").textContent = `${clip.condition}: ${clip.name}`;
    document.getElementById("clip-text").textContent = [clip.text && `“${clip.text}”`, clip.facts].filter(Boolean).join(" · ");
    document.getElementById("clip-fault").textContent = clip.sounds ? "" : "No sounds of this clip were kept; --clips keeps more.";
    document.getElementById("listening").hidden = !clip.sounds;
    document.getElementById("versions").replaceChildren(
      ...[...audios.keys()].map((name, place) => make("button", { type: "button", "data-system": name, onclick: () => choose(name), title: place < 9 ? `key ${place + 1}` : null }, name)),
    );
    document.getElementById("clip-scores").replaceChildren(scoreTable(clip, names));
  }
  player.hidden = false;
  if (clip.sounds) choose(names.includes(system) ? system : names[0]);
}

function loaded(name, sound) {
  const made = new Audio(sound.file);
  made.preload = "auto";
  const heard = (act) => () => made === audio() && act();
  made.addEventListener("loadedmetadata", heard(() => seek(current.position)));
  for (const event of ["timeupdate", "ended", "pause", "play"]) made.addEventListener(event, heard(() => {
    if (made.readyState > 0 && !made.seeking) current.position = made.currentTime;
    showTransport();
  }));
  made.addEventListener("error", heard(() => fault(`${sound.file} cannot be played: keep the folder sounds beside index.html.`)));
  return made;
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
  for (const button of document.querySelectorAll("#versions button")) button.setAttribute("aria-pressed", button.dataset.system === system);
  const sound = current.clip.sounds[system];
  const picture = document.getElementById("spectrogram");
  picture.src = sound.spectrogram;
  picture.alt = `spectrogram of ${system}, up to ${sound.khz} kHz`;
  ticks("khz", [4, 3, 2, 1, 0].map((part) => `${+(sound.khz * part / 4).toFixed(2)} kHz`));
  ticks("seconds", [0, 1, 2, 3, 4].map((part) => `${(sound.seconds * part / 4).toFixed(2)} s`));
  history.replaceState(null, "", "#" + new URLSearchParams({ clip: current.clip.id, system }));
  showTransport();
}

function ticks(axis, texts) {
  document.getElementById(axis).replaceChildren(...texts.map((text) => Object.assign(document.createElement("span"), { textContent: text })));
}

function play(sound) {
  if (current.position > current.clip.sounds[current.system].seconds - 1.5 * END) seek(0);
  // A switch interrupts a start; anything else is told.
  sound.play().catch((error) => error.name === "AbortError" || (sound === audio() && fault(`It cannot be played: ${error.message}`)));
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
  const names = [...current.audios.keys()];
  if (/^[1-9]$/.test(event.key) && names[event.key - 1]) choose(names[event.key - 1]);
  else if (event.key === "p") toggle();
});

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

"use strict";
// One trial at a time: all versions are decoded first and start together; switching changes only their gains, so that
// there is no gap. An answer counts once the server has acknowledged it.

const kind = document.body.dataset.kind;
const base = location.pathname.replace(/\/$/, "");
const at = (id) => document.getElementById(id);
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const FADE_S = 0.01;

let context = null; // created on a key press or a click, as browsers require
let trial = null; // { number, buffers, gains, sources, reference, rated, selected, playing, began, plays, shown }
let sending = false;

function say(text, bad = false) {
  at("status").textContent = text;
  at("status").classList.toggle("bad", bad);
}

function show(section) {
  for (const name of ["intro", "trial", "end"]) at(name).hidden = name !== section;
}

async function fetched(path, options) {
  const response = await fetch(`${base}/${path}`, options);
  if (!response.ok) {
    throw Object.assign(new Error(`${response.status}: ${await response.text()}`), { status: response.status });
  }
  return response;
}

async function begin() {
  context ??= new AudioContext();
  await context.resume();
  await load();
}

async function load() {
  stop();
  trial = null;
  say("Loading the sounds …");
  at("next").disabled = true;
  const state = await (await fetched("state")).json();
  progress(state);
  if (state.answered >= state.trials) return finish();
  const buffers = await Promise.all(
    Array.from({ length: state.versions }, async (_, version) =>
      context.decodeAudioData(await (await fetched(`sound/${state.answered}/${version}`)).arrayBuffer())
    )
  );
  trial = {
    number: state.answered, buffers, reference: state.reference && state.versions > 1, rated: state.rated,
    selected: 0, playing: false, plays: buffers.map(() => 0), shown: performance.now(), sources: [], gains: [],
  };
  draw();
  show("trial");
  at("next").disabled = false;
  at("question").focus();
  say("");
}

function progress(state) {
  at("progress").max = state.trials;
  at("progress").value = state.answered;
  at("progress-text").textContent = `${state.answered} of ${state.trials} answered`;
}

function finish() {
  show("end");
  say("");
  at("end-title").focus();
}

function name(version) {
  if (trial.reference && version === 0) return "Reference";
  return LETTERS[version - (trial.reference ? 1 : 0)];
}

function draw() {
  at("versions").replaceChildren(
    ...trial.buffers.map((_, version) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name(version);
      button.addEventListener("click", () => { select(version); if (!trial.playing) play(); });
      return button;
    })
  );
  at("versions").hidden = trial.buffers.length === 1;
  for (const radio of document.querySelectorAll("input[name=answer]")) radio.checked = false;
  if (kind === "mushra") sliders();
  select(0);
  position();
}

function sliders() {
  at("sliders").replaceChildren(
    ...Array.from({ length: trial.rated }, (_, index) => {
      const label = document.createElement("label");
      const letter = document.createElement("span");
      const input = document.createElement("input");
      const output = document.createElement("output");
      letter.textContent = LETTERS[index];
      Object.assign(input, { type: "range", min: 0, max: 100, step: 1, value: 50 });
      input.setAttribute("aria-label", `Rating of ${LETTERS[index]}`);
      output.textContent = "–";
      input.addEventListener("input", () => rate(index, Number(input.value)));
      input.addEventListener("focus", () => select(index + 1));
      label.append(letter, input, output);
      return label;
    })
  );
  trial.ratings = Array(trial.rated).fill(null);
}

function rate(index, value) {
  trial.ratings[index] = Math.max(0, Math.min(100, value));
  const label = at("sliders").children[index];
  label.querySelector("input").value = trial.ratings[index];
  label.querySelector("output").textContent = trial.ratings[index];
}

function select(version) {
  trial.selected = version;
  [...at("versions").children].forEach((button, other) => button.setAttribute("aria-pressed", other === version));
  if (trial.playing) {
    trial.plays[version] += 1;
    trial.gains.forEach((gain, other) => gain.gain.setTargetAtTime(other === version ? 1 : 0, context.currentTime, FADE_S));
  }
}

function play() {
  trial.gains = trial.buffers.map((_, version) => {
    const gain = context.createGain();
    gain.gain.value = version === trial.selected ? 1 : 0;
    gain.connect(context.destination);
    return gain;
  });
  const start = context.currentTime + 0.05;
  trial.sources = trial.buffers.map((buffer, version) => {
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(trial.gains[version]);
    source.start(start);
    return source;
  });
  trial.began = start;
  trial.playing = true;
  trial.plays[trial.selected] += 1;
  at("play").textContent = "Stop";
  at("play").setAttribute("aria-pressed", "true");
  requestAnimationFrame(position);
}

function stop() {
  if (!trial?.playing) return;
  for (const source of trial.sources) source.stop();
  trial.playing = false;
  at("play").textContent = "Play";
  at("play").setAttribute("aria-pressed", "false");
}

function position() {
  if (!trial) return;
  const longest = Math.max(...trial.buffers.map((buffer) => buffer.duration));
  at("position").max = longest;
  at("position").value = trial.playing ? Math.min(longest, context.currentTime - trial.began) : 0;
  if (!trial?.playing) return;
  if (context.currentTime - trial.began > longest) stop();
  requestAnimationFrame(position);
}

function ratings() {
  if (kind === "mushra") {
    const open = trial.ratings.indexOf(null);
    if (open >= 0) throw new Error(`Rate version ${LETTERS[open]} too.`);
    return trial.ratings;
  }
  const chosen = document.querySelector("input[name=answer]:checked");
  if (!chosen) throw new Error("Choose an answer first.");
  return [Number(chosen.value)];
}

function unheard() {
  return trial.plays.findIndex((count) => count === 0);
}

async function next() {
  if (sending || !trial) return;
  let answered;
  try {
    answered = ratings();
    if (unheard() >= 0) throw new Error(trial.buffers.length > 1 ? `Listen to ${name(unheard())} too.` : "Listen first.");
  } catch (error) {
    say(error.message, true);
    return;
  }
  sending = true;
  stop();
  const seconds = (performance.now() - trial.shown) / 1000;
  const body = JSON.stringify({ trial: trial.number, ratings: answered, seconds, plays: trial.plays });
  try {
    await fetched("rating", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  } catch (error) {
    sending = false;
    if (error.status === 409) return load().catch(unloaded); // answered in another tab
    say(`The answer was not saved: ${error.message}. Press Next to try again.`, true);
    return;
  }
  sending = false;
  load().catch(unloaded);
}

function unloaded(error) {
  say(`The answer is saved, but the next sounds cannot be loaded: ${error.message}. Reload the page to continue.`, true);
}

function answer(number) {
  const radio = document.querySelectorAll("input[name=answer]")[number - 1];
  if (radio) { radio.checked = true; radio.focus(); say(""); }
}

function key(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
  if (!at("intro").hidden) {
    if (event.key === "Enter" && event.target === document.body) { event.preventDefault(); started(); }
    return;
  }
  if (at("trial").hidden || !trial) return;
  const slider = event.target.type === "range";
  if (event.key === " " && event.target.tagName !== "BUTTON") { event.preventDefault(); trial.playing ? stop() : play(); }
  else if (event.key === "Enter" && event.target.tagName !== "BUTTON") { event.preventDefault(); next(); }
  else if (/^[1-5]$/.test(event.key) && kind !== "mushra") answer(Number(event.key));
  else if (["ArrowLeft", "ArrowRight"].includes(event.key) && trial.buffers.length > 1) {
    event.preventDefault();
    const count = trial.buffers.length;
    select((trial.selected + (event.key === "ArrowRight" ? 1 : count - 1)) % count);
    const index = trial.selected - 1;
    if (slider && index >= 0) at("sliders").children[index].querySelector("input").focus();
  } else if (kind === "mushra" && ["ArrowUp", "ArrowDown"].includes(event.key) && trial.selected > 0) {
    event.preventDefault();
    const index = trial.selected - 1;
    rate(index, (trial.ratings[index] ?? 50) + (event.key === "ArrowUp" ? 5 : -5));
  }
}

function started() {
  begin().catch((error) => say(`The test cannot start: ${error.message}`, true));
}

at("start").addEventListener("click", started);
at("play").addEventListener("click", () => (trial.playing ? stop() : play()));
at("next").addEventListener("click", next);
document.addEventListener("keydown", key);
fetched("state").then((response) => response.json()).then((state) => {
  progress(state);
  if (state.answered >= state.trials) finish();
  else if (state.answered > 0) at("start").textContent = "Go on";
  at("start").focus();
}).catch((error) => say(error.message, true));

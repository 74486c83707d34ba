// The page works without this file. With it, the page stays up to date by itself, counts down, and answers without
// a reload. What arrives is the same HTML that the server would show, laid over what is there, so that focus,
// scroll and opened details stay.

const live = document.getElementById("live");
const announce = document.getElementById("announce");
const offline = document.getElementById("offline");

const SILENT_MS = 40_000; // the server says something every 15 s
const RETRY_MS = 10_000;
const PAUSE_MS = 500; // at most two refreshes a second

// --- laying new HTML over old -------------------------------------------------------------------------------------

function overlay(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  if (old.isEqualNode(fresh)) return;
  for (const { name } of [...old.attributes]) {
    const opened = old.nodeName === "DETAILS" && name === "open"; // the reader's, not the server's
    if (!opened && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  overlayChildren(old, fresh);
}

function overlayChildren(old, fresh) {
  const named = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const known = wanted.id ? named.get(wanted.id) : null;
    if (known) {
      // Step over what is gone, rather than move what stays: a node that is moved loses its focus.
      while (place && place !== known && !stays(place, fresh)) place = discard(place);
      if (place === known) place = place.nextSibling;
      else old.insertBefore(known, place);
      overlay(known, wanted);
    } else if (place && !place.id && !wanted.id && place.nodeName === wanted.nodeName) {
      const here = place;
      place = place.nextSibling;
      overlay(here, wanted);
    } else {
      old.insertBefore(wanted, place);
    }
  }
  while (place) place = discard(place);
}

const stays = (node, fresh) => node.id && [...fresh.children].some((child) => child.id === node.id);

function discard(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// Where the focus is, and what is left of that place when it goes away (a button that has done its work).

function here() {
  const active = document.activeElement;
  return live.contains(active) ? [active, active.closest("li"), active.closest("main, section, header")] : [];
}

function stay(places) {
  if (places[0]?.isConnected) return;
  places.find((place) => place?.isConnected)?.focus({ preventScroll: true });
}

// --- counting down, by the guard's clock: it says how much is left, we only subtract what has passed since ---------

const ends = new WeakMap();

function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor(whole / 60) % 60)} min`;
}

function setTimers(asked) {
  for (const timer of live.querySelectorAll("[data-left]")) {
    ends.set(timer, asked + Number(timer.dataset.left) * 1000);
  }
}

function tick() {
  for (const timer of live.querySelectorAll("[data-left]")) {
    const text = span((ends.get(timer) - performance.now()) / 1000);
    if (timer.textContent !== text) timer.textContent = text;
  }
}

// --- staying up to date -------------------------------------------------------------------------------------------

let told = new Set();
let heard = performance.now();
let asOf = document.getElementById("top").dataset.now;
let shown = -PAUSE_MS;
let running = null;
let wanted = false;

function tellNew(aloud) {
  const cards = [...live.querySelectorAll("[data-incident]")];
  const fresh = aloud ? cards.filter((card) => !told.has(card.id)) : [];
  told = new Set(cards.map((card) => card.id));
  if (fresh.length === 0) return;
  announce.textContent = `New: ${fresh.map((card) => card.dataset.incident).join(". ")}`;
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const card of fresh) card.animate([{ background: "var(--amber-wash)" }, {}], { duration: 1600, easing: "ease-out" });
}

function refresh() {
  wanted = true;
  running ??= catchUp().finally(() => (running = null));
  return running;
}

async function catchUp() {
  try {
    while (wanted) {
      wanted = false;
      const pause = shown + PAUSE_MS - performance.now();
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
      await show();
    }
  } catch {
    lost();
  }
}

async function show() {
  const asked = performance.now();
  const response = await fetch("/fragment", { headers: { accept: "text/html" } });
  if (!response.ok) throw new Error(`status ${response.status}`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const places = here();
  overlayChildren(live, page.body);
  stay(places);
  const top = document.getElementById("top").dataset;
  document.title = top.title;
  asOf = top.now;
  shown = performance.now();
  setTimers(asked);
  tick();
  tellNew(true);
  contact();
}

function contact() {
  heard = performance.now();
  if (!offline.classList.contains("refused")) offline.hidden = true;
}

function lost() {
  offline.classList.remove("refused");
  offline.textContent = `No contact with the guard. What you see is from ${asOf}.`;
  offline.hidden = false;
}

function listen() {
  const stream = new EventSource("/events");
  stream.addEventListener("changed", refresh);
  stream.addEventListener("alive", () => {
    if (offline.hidden) contact();
    else refresh();
  });
  stream.addEventListener("error", () => {
    if (stream.readyState !== EventSource.CLOSED) return; // it tries again by itself
    setTimeout(listen, RETRY_MS);
  });
}

// --- answering without a reload -----------------------------------------------------------------------------------

async function post(form, button) {
  if (form.ariaBusy) return;
  form.ariaBusy = "true"; // and not disabled: a disabled button loses the focus
  try {
    const body = new URLSearchParams(new FormData(form, button));
    const headers = { accept: "text/plain" };
    const address = form.getAttribute("action"); // form.action may be a field of that name
    const response = await fetch(address, { method: "POST", body, headers, redirect: "manual" });
    if (response.type === "opaqueredirect") done(form);
    else refused(await response.text());
    for (const code of form.querySelectorAll("[name=code]")) code.value = "";
    await refresh();
  } catch {
    lost();
  } finally {
    form.ariaBusy = null;
  }
}

function done(form) {
  form.reset();
  const folded = form.closest("details:has(> form), #modes");
  if (!folded) return;
  const inside = folded.contains(document.activeElement);
  folded.open = false;
  if (inside) folded.querySelector("summary").focus();
}

function refused(words) {
  offline.classList.add("refused");
  offline.textContent = words;
  offline.hidden = false;
  setTimeout(() => {
    offline.classList.remove("refused");
    contact();
  }, 8000);
}

live.addEventListener("submit", (event) => {
  event.preventDefault();
  post(event.target, event.submitter);
});

setTimers(performance.now());
tellNew(false);
listen();
setInterval(() => {
  tick();
  if (performance.now() - heard > SILENT_MS) lost();
}, 1000);
document.addEventListener("visibilitychange", () => document.hidden || refresh());

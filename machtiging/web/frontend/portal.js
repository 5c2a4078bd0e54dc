// Small improvements. Every page works without this file. It sends nothing, except "stay logged in" when somebody asks.
// All sentences come from the page, which has them in the language of the reader.
"use strict";

// --- The reading aid: choices stay on this device. They are put on <html> before the first paint.
const CHOICES = "leeshulp";
const SIZES = ["", "m-large", "m-larger"];
const root = document.documentElement;

function readChoices() {
  try {
    const found = JSON.parse(localStorage.getItem(CHOICES)) ?? {};
    return { size: SIZES.includes(found.size) ? found.size : "", calm: found.calm === true, dyslexia: found.dyslexia === true };
  } catch {
    return { size: "", calm: false, dyslexia: false };
  }
}

function applyChoices(choices) {
  for (const size of SIZES.slice(1)) root.classList.toggle(size, choices.size === size);
  root.classList.toggle("m-calm", choices.calm);
  root.classList.toggle("m-dyslexia", choices.dyslexia);
  for (const button of document.querySelectorAll("[data-aid-size]"))
    button.setAttribute("aria-pressed", String(button.dataset.aidSize === choices.size));
  for (const button of document.querySelectorAll("[data-aid-choice]"))
    button.setAttribute("aria-pressed", String(choices[button.dataset.aidChoice]));
}

function changeChoices(change) {
  const choices = { ...readChoices(), ...change };
  try {
    localStorage.setItem(CHOICES, JSON.stringify(choices));
  } catch {
    // This browser keeps nothing. The choice holds for this page.
  }
  applyChoices(choices);
}

applyChoices(readChoices());
addEventListener("storage", (event) => event.key === CHOICES && applyChoices(readChoices()));

// --- Reading aloud: one sentence at a time, so that a pause works in every browser.
const BLOCKS = "h1,h2,h3,h4,h5,h6,p,li,dt,dd,th,td,caption,label,legend,summary,button,figcaption,pre,div,section";
const SKIPPED = "script,style,template,svg,select,textarea,noscript,[aria-hidden=true]";

function splitSentences(text, lang) {
  if (!Intl.Segmenter) return [[0, text.length]];
  const parts = [...new Intl.Segmenter(lang, { granularity: "sentence" }).segment(text)];
  return parts.map(({ index, segment }) => [index, index + segment.trimEnd().length]);
}

function collectSentences(place) {
  const walker = document.createTreeWalker(place, NodeFilter.SHOW_TEXT);
  const blocks = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (!node.data.trim() || parent.closest(SKIPPED) || !parent.getClientRects().length) continue;
    const block = parent.closest(BLOCKS) ?? place;
    const lang = parent.closest("[lang]")?.lang ?? root.lang;
    const last = blocks.at(-1);
    if (last?.block === block && last.lang === lang) last.nodes.push(node);
    else blocks.push({ block, lang, nodes: [node] });
  }
  return blocks.flatMap(sentencesOfBlock);
}

function sentencesOfBlock({ block, lang, nodes }) {
  const text = nodes.map((node) => node.data).join("");
  const locate = (offset, atEnd) => {
    for (const node of nodes) {
      if (offset < node.length || (atEnd && offset === node.length)) return [node, offset];
      offset -= node.length;
    }
    return [nodes.at(-1), nodes.at(-1).length];
  };
  return splitSentences(text, lang).flatMap(([from, to]) => {
    const spoken = text.slice(from, to).replace(/\s+/g, " ").trim();
    if (!spoken) return [];
    const range = document.createRange();
    range.setStart(...locate(from, false));
    range.setEnd(...locate(to, true));
    return [{ spoken, range, block, lang }];
  });
}

function markSentence(sentence) {
  for (const one of document.querySelectorAll(".m-speaking")) one.classList.remove("m-speaking");
  if (globalThis.Highlight && CSS.highlights) {
    if (sentence) CSS.highlights.set("m-speaking", new Highlight(sentence.range));
    else CSS.highlights.delete("m-speaking");
  } else sentence?.block.classList.add("m-speaking");
  sentence?.range.startContainer.parentElement.scrollIntoView({ block: "nearest" });
}

// The list of voices can come a moment later.
function findVoices() {
  const voices = speechSynthesis.getVoices();
  if (voices.length) return Promise.resolve(voices);
  return new Promise((resolve) => {
    const answer = () => resolve(speechSynthesis.getVoices());
    speechSynthesis.addEventListener?.("voiceschanged", answer, { once: true });
    setTimeout(answer, 1000);
  });
}

function makeReader(aid) {
  const [read, pause, stop] = ["read", "pause", "stop"].map((name) => aid.querySelector(`[data-aid-${name}]`));
  const status = aid.querySelector("[data-aid-status]");
  let sentences = [];
  let position = 0;
  let turn = 0; // what an earlier turn still reports, is ignored

  function showState(state) {
    read.setAttribute("aria-pressed", String(state !== "off"));
    pause.setAttribute("aria-pressed", String(state === "paused"));
    pause.hidden = stop.hidden = state === "off";
  }

  function finish() {
    turn += 1;
    globalThis.speechSynthesis?.cancel();
    if (pause.contains(document.activeElement) || stop.contains(document.activeElement)) read.focus();
    markSentence(null);
    showState("off");
  }

  function speak(voices) {
    const mine = ++turn;
    const next = () => {
      if (mine !== turn) return;
      const sentence = sentences[position];
      if (!sentence) return finish();
      const language = sentence.lang.slice(0, 2).toLowerCase();
      const utterance = new SpeechSynthesisUtterance(sentence.spoken);
      utterance.lang = sentence.lang;
      utterance.voice = voices.find((voice) => voice.lang.toLowerCase().startsWith(language)) ?? null;
      utterance.onend = utterance.onerror = () => {
        if (mine !== turn) return;
        position += 1;
        next();
      };
      markSentence(sentence);
      speechSynthesis.speak(utterance);
    };
    next();
  }

  async function begin() {
    const voices = globalThis.speechSynthesis ? await findVoices() : [];
    const language = root.lang.slice(0, 2).toLowerCase();
    if (!voices.some((voice) => voice.lang.toLowerCase().startsWith(language))) {
      status.textContent = status.dataset.noVoice;
      return;
    }
    status.textContent = "";
    sentences = collectSentences(document.getElementById("inhoud") ?? document.querySelector("main") ?? document.body);
    position = 0;
    showState("on");
    speak(voices);
  }

  read.addEventListener("click", () => (pause.hidden ? begin() : finish()));
  stop.addEventListener("click", finish);
  pause.addEventListener("click", async () => {
    if (pause.getAttribute("aria-pressed") === "true") {
      showState("on");
      speak(await findVoices());
    } else {
      turn += 1;
      speechSynthesis.cancel();
      showState("paused");
    }
  });
  addEventListener("pagehide", () => globalThis.speechSynthesis?.cancel());
}

// The control is in a template, so that without script there is no button that does nothing.
function insertAid() {
  const template = document.getElementById("leeshulp-knop");
  if (!template) return;
  const aid = template.content.firstElementChild.cloneNode(true);
  template.replaceWith(aid);
  aid.addEventListener("click", (event) => {
    const { aidSize, aidChoice } = event.target.closest("button")?.dataset ?? {};
    if (aidSize !== undefined) changeChoices({ size: aidSize });
    if (aidChoice) changeChoices({ [aidChoice]: !readChoices()[aidChoice] });
  });
  aid.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !aid.open) return;
    aid.open = false;
    aid.querySelector("summary").focus();
  });
  applyChoices(readChoices());
  makeReader(aid);
}

// --- The end of the session: a warning in time, and extension by one press (WCAG 2.2.1).
const WARN_SECONDS = 125;

function watchSession() {
  const place = document.getElementById("ingelogd-tot");
  if (!place) return;
  const form = place.querySelector("form");
  const sentence = place.querySelector("[data-session-sentence]");
  const others = globalThis.BroadcastChannel ? new BroadcastChannel("ingelogd-tot") : null;
  let end = Date.now() + Number(place.dataset.seconds) * 1000;
  let warning = null;
  let state = "";

  function show(name) {
    if (name === state) return;
    const hadFocus = warning?.contains(document.activeElement);
    state = name;
    warning?.remove();
    warning = null;
    if (!name) {
      if (hadFocus) document.getElementById("inhoud")?.focus({ preventScroll: true });
      return;
    }
    warning = document.getElementById(`sessie-${name}`).content.firstElementChild.cloneNode(true);
    warning.querySelector("button")?.addEventListener("click", extend);
    document.body.append(warning);
  }

  function look() {
    const left = (end - Date.now()) / 1000;
    if (left <= 0) show("voorbij");
    else if (left <= WARN_SECONDS) show(form ? "bijna" : "uiterlijk");
    else show("");
  }

  function learn({ until, text }) {
    if (until <= end) return;
    end = until;
    sentence.textContent = text;
    look();
  }

  async function extend(event) {
    event.preventDefault();
    try {
      const body = new URLSearchParams(new FormData(form));
      const answer = await fetch(form.action, { method: "POST", body, headers: { Accept: "application/json" } });
      if (answer.status === 401) end = 0;
      else if (!answer.ok) throw new Error(answer.statusText);
      else {
        const told = await answer.json();
        const news = { until: Date.now() + told.seconds * 1000, text: told.sentence };
        learn(news);
        others?.postMessage(news);
        state = "?"; // show it anew, also when nothing was gained
      }
      look();
    } catch {
      form.submit(); // in a window of its own, which says what is wrong
    }
  }

  form?.addEventListener("submit", extend);
  form?.querySelector("[data-new-window]")?.remove();
  others?.addEventListener("message", (event) => learn(event.data));
  others?.postMessage({ until: end, text: sentence.textContent });
  setInterval(look, 2000);
  document.addEventListener("visibilitychange", look);
  look();
}

function start() {
  insertAid();
  watchSession();
  showPrintButtons();
  fillScannedCode();
  // After a rejected form, go to the summary of what is wrong.
  document.getElementById("fouten")?.focus();
}

// --- Print buttons do something only with a script.
function showPrintButtons() {
  for (const button of document.querySelectorAll("[data-print]")) {
    button.hidden = false;
    button.addEventListener("click", () => print());
  }
}

// --- The code of a scanned QR code stands in the fragment, which browsers send to no server.
// While the helper logs in elsewhere, it waits in the storage of this tab.
const WAITING_CODE = "scanned-code";

function fillScannedCode() {
  const [, code] = location.hash.match(/^#([0-9A-Za-z]{4}-[0-9A-Za-z]{4}-[0-9A-Za-z]{2})$/) ?? [];
  const field = document.querySelector("input#code");
  try {
    if (code) sessionStorage.setItem(WAITING_CODE, code);
    if (field && !field.value) field.value = sessionStorage.getItem(WAITING_CODE) ?? "";
    if (field) sessionStorage.removeItem(WAITING_CODE);
  } catch {
    if (field && code && !field.value) field.value = code; // without storage a code waits for nobody
  }
  if (code) history.replaceState(null, "", location.pathname + location.search);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();

"""What `page` runs inside the browser, as JavaScript."""

from typing import Final

WATCH_LIST: Final = """
window.listAt = 0;
const watching = new MutationObserver(() => {
  if (!document.querySelector(".chats .chat")) return;
  watching.disconnect();
  requestAnimationFrame(() => { window.listAt = performance.now(); });
});
watching.observe(document, { childList: true, subtree: true });
"""
"""Notes when the list of chats is drawn, in ms since the navigation."""

OPEN_CHAT: Final = """
async (name) => {
  const began = performance.now();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const named = (item) => item.querySelector(".chat-name")?.textContent.trim() === name;
  [...document.querySelectorAll(".chats .chat")].find(named).click();
  const log = () => document.querySelector("[role=log]");
  while (log()?.getAttribute("aria-label") !== name || !log().querySelector("[data-seq]")) {
    if (performance.now() - began > 60000) throw new Error(`${name} is not drawn`);
    await frame();
  }
  await frame();
  return performance.now() - began;
}
"""
"""Clicks a chat; answers the ms until its rows are drawn."""

SCROLL: Final = """
async (step) => {
  const box = document.querySelector("[role=log]");
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const places = () => {
    const { top, bottom } = box.getBoundingClientRect();
    const all = [...box.querySelectorAll("[data-seq]")].map((row) => [row.dataset.seq, row.getBoundingClientRect()]);
    return new Map(all.filter(([, place]) => place.bottom > top && place.top < bottom).map(([seq, place]) => [seq, place.top]));
  };
  if (step < 0) document.querySelector(".to-end")?.click();
  await frame();
  const seen = new Set();
  let moved = 0, rows = 0, frames = 0, still = 0, last = -1;
  while (still < 120) {
    const atEnd = box.dataset.end === "true";
    if (!(atEnd && step > 0)) box.scrollTop += step;
    const before = places();
    await frame();
    const after = places();
    // At the end the view follows what comes: there only what is not the end's own move counts.
    if (box.dataset.end !== "true") {
      for (const [seq, top] of after) if (before.has(seq)) moved = Math.max(moved, Math.abs(top - before.get(seq)));
    }
    const drawn = box.querySelectorAll("[data-seq]");
    for (const row of drawn) seen.add(row.dataset.seq);
    rows = Math.max(rows, drawn.length);
    frames += 1;
    const place = `${[...after.keys()].at(0)}`;
    still = place === last || (atEnd && step > 0) ? still + 1 : 0;
    last = place;
  }
  return { moved: Math.round(moved * 100) / 100, rows, frames, seen: seen.size };
}
"""
"""Scrolls by `step` pixels a frame (up: from the end) until nothing comes any more.

Answers the largest move of a row in view that was not the wheel's, and how many rows stood in the document.
"""

WATCH_FRAMES: Final = """
(text) => {
  window.floodSeen = new Set();
  window.floodFrames = [];
  document.querySelector(".to-end")?.click();
  let last = performance.now(), runs = true;
  const box = document.querySelector("[role=log]");
  const look = (now) => {
    window.floodFrames.push(now - last);
    last = now;
    for (const row of box.querySelectorAll("[data-seq] .text")) {
      if (row.textContent.startsWith(text)) window.floodSeen.add(row.textContent);
    }
    if (runs) requestAnimationFrame(look);
  };
  window.stopFlood = () => { runs = false; };
  requestAnimationFrame(look);
}
"""
"""Notes each frame's length, and each text that stood in the chat and begins with `text`."""

FRAMES: Final = """
() => {
  const sorted = window.floodFrames.sort((one, other) => one - other);
  const at = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] * 10) / 10;
  return { frame_p50_ms: at(0.5), frame_p99_ms: at(0.99), frames: sorted.length };
}
"""
"""The lengths of the frames that WATCH_FRAMES noted."""

COLLECT: Final = """
async () => {
  const box = document.querySelector("[role=log]");
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const key = () => box.querySelector("[data-seq]").dataset.seq;
  for (let still = 0, last = ""; still < 120; still = key() === last ? still + 1 : 0) {
    last = key();
    const before = window.floodSeen.size;
    box.scrollTop -= 900;
    await frame();
    if (window.floodSeen.size > before) still = 0;
    if (window.floodSeen.size && ![...box.querySelectorAll(".text")].some((text) => window.floodSeen.has(text.textContent))) break;
  }
  window.stopFlood();
  return window.floodSeen.size;
}
"""
"""Scrolls up to where the texts of WATCH_FRAMES begin, and ends it; answers how many different ones stood in the document."""

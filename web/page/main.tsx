/** The page's first script. */
import { render } from "preact";
import { resume } from "./state/session.ts";
import { App } from "./views/app.tsx";
import { fetchWords } from "./words/index.ts";
import "./style/index.css";
import "./state/notifications.ts"; // they listen from the start, not when a screen of theirs is opened
import "./state/profile.ts";
import "./state/push_start.ts";

const root = document.getElementById("app");
if (!root) throw new Error("index.html has no element for the page");

/** iOS does not resize the page for its keyboard: the visible height is told to the style. */
const viewport = globalThis.visualViewport;
viewport?.addEventListener("resize", () => {
  document.documentElement.style.setProperty("--visible-height", `${viewport.height}px`);
  scrollTo(0, 0);
});

/** A file that is dropped beside a chat must not take the page's place. */
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

resume(); // its socket opens while the words come
await fetchWords();
render(<App />, root);

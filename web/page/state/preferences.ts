/** The language and the look, as the person chose or as the browser says. */
import { effect, signal } from "@preact/signals";
import { storage } from "./storage.ts";

export type Language = "en" | "zh";
export type Look = "system" | "light" | "dark";

const LANGUAGE_KEY = "chatsrv.language";
const LOOK_KEY = "chatsrv.look";

function firstLanguage(): Language {
  const wanted = storage.get(LANGUAGE_KEY) ?? navigator.language;
  return wanted.startsWith("zh") ? "zh" : "en";
}

function firstLook(): Look {
  const wanted = storage.get(LOOK_KEY);
  return wanted === "light" || wanted === "dark" ? wanted : "system";
}

/** The background of the list's and the chat's head, as the style has it. */
const AROUND = { light: "#f7f7f7", dark: "#1b1b1b" };

export const language = signal<Language>(firstLanguage());
export const look = signal<Look>(firstLook());

effect(() => {
  document.documentElement.lang = language.value === "zh" ? "zh-CN" : "en";
});
effect(() => {
  document.documentElement.dataset["look"] = look.value;
  // What the browser draws around the page: by the system's look where the person chose none.
  for (const meta of document.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]")) {
    const own = meta.media.includes("dark") ? "dark" : "light";
    meta.content = AROUND[look.value === "system" ? own : look.value];
  }
});

export function setLanguage(wanted: Language): void {
  language.value = wanted;
  storage.set(LANGUAGE_KEY, wanted);
}

export function setLook(wanted: Look): void {
  look.value = wanted;
  storage.set(LOOK_KEY, wanted);
}

/** A name of a language that Intl takes: a browser may have one that it refuses. */
export function locale(): string {
  if (language.value === "zh") return "zh-CN";
  try {
    const [known = "en"] = Intl.getCanonicalLocales(navigator.language);
    return known.startsWith("en") ? known : "en";
  } catch {
    return "en";
  }
}

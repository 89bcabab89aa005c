/** The words in the language that is chosen, and dates, times and money in it. */
import { computed } from "@preact/signals";
import { language, locale } from "../state/preferences.ts";
import { en, type Words } from "./en.ts";
import { zh } from "./zh.ts";

export const words = computed<Words>(() => (language.value === "zh" ? zh : en));

/** What to say of an error: by its code, else the server's own sentence. */
export function errorText(code: string, sentence: string): string {
  return words.value.error[code] ?? sentence;
}

const formats = computed(() => ({
  time: new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }),
  day: new Intl.DateTimeFormat(locale(), { weekday: "long", month: "long", day: "numeric" }),
  short: new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }),
}));

export function timeText(at: number): string {
  return formats.value.time.format(at);
}

export function dayText(at: number): string {
  return formats.value.day.format(at);
}

/** The time of today, the day of everything before. */
export function briefTime(at: number): string {
  return new Date(at).toDateString() === new Date().toDateString() ? timeText(at) : formats.value.short.format(at);
}

export function moneyText(cents: number): string {
  return `¥${(cents / 100).toFixed(2)}`;
}

export function sizeText(bytes: number): string {
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : [bytes / 1e6, "MB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}″` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

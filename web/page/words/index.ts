/** The words in the language that is chosen, and dates, times and money in it. */
import { computed, effect } from "@preact/signals";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { Chunk } from "../state/chunk.ts";
import { NobodyCalled } from "../state/people.ts";
import { language, locale } from "../state/preferences.ts";
import { en, type Words } from "./en.ts";

const chinese = new Chunk(() => import("./zh.ts"));

/** English until another language is here, and where it cannot be fetched. */
export const words = computed<Words>(() => (language.value === "zh" && chinese.module.value?.zh) || en);

/** Fetch the language that is chosen, if it is not here; ends also where it cannot be fetched. */
export async function fetchWords(): Promise<void> {
  if (language.peek() === "zh") await chinese.fetch();
}
effect(() => {
  if (language.value === "zh") void chinese.fetch();
});

/** What to say of an error: by its code, else the server's own sentence. */
export function errorText(code: string, sentence: string): string {
  return words.value.error[code] ?? sentence;
}

/** What to say of whatever a command threw. */
export function failureText(error: unknown): string {
  if (error instanceof RefusedError) return errorText(error.code, error.message);
  if (error instanceof ConnectionLost) return errorText("network", error.message);
  if (error instanceof NobodyCalled) return words.value.nobodyCalled(error.message);
  return words.value.failed(String(error));
}

const formats = computed(() => ({
  time: new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" }),
  day: new Intl.DateTimeFormat(locale(), { weekday: "long", month: "long", day: "numeric" }),
  short: new Intl.DateTimeFormat(locale(), { month: "short", day: "numeric" }),
}));

/** The minute that was asked for last: in a flood many messages are of one, and each format costs a tenth of a millisecond. */
let lastMinute = { minute: -1, format: null as Intl.DateTimeFormat | null, text: "" };

export function timeText(at: number): string {
  const { time: format } = formats.value;
  const minute = Math.floor(at / 60_000);
  if (minute !== lastMinute.minute || format !== lastMinute.format) lastMinute = { minute, format, text: format.format(at) };
  return lastMinute.text;
}

/** The day that was asked for last: a chat asks for each of its rows at each drawing. */
let lastDay = { from: 0, to: 0, format: null as Intl.DateTimeFormat | null, text: "" };

export function dayText(at: number): string {
  const { day: format } = formats.value;
  if (at < lastDay.from || at >= lastDay.to || format !== lastDay.format) {
    const from = new Date(at).setHours(0, 0, 0, 0);
    const to = new Date(from).setDate(new Date(from).getDate() + 1);
    lastDay = { from, to, format, text: format.format(at) };
  }
  return lastDay.text;
}

/** The time of today, the day of everything before. */
export function briefTime(at: number): string {
  return new Date(at).toDateString() === new Date().toDateString() ? timeText(at) : formats.value.short.format(at);
}

export function moneyText(cents: number): string {
  return `¥${(cents / 100).toFixed(2)}`;
}

export function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [value, unit] = bytes < 1e6 ? [bytes / 1e3, "kB"] : bytes < 1e9 ? [bytes / 1e6, "MB"] : [bytes / 1e9, "GB"];
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${unit}`;
}

export function durationText(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds}″` : `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

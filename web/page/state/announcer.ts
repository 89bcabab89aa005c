/** What a screen reader hears of new messages: one polite line, at most once a second, summed. */
import { signal } from "@preact/signals";
import type { AnyEvent } from "../../client/sync.ts";
import { me } from "./session.ts";
import { timers } from "./timers.ts";

const GAP_MS = 1000;

export interface Announcement {
  /** How many messages, of whom, and the text if it is one. */
  count: number;
  senders: string[];
  text: string;
}

export const announcement = signal<Announcement | null>(null);
let waiting: { sender: string; text: string }[] = [];
let isPaused = false;

/** Speak the messages among new events of the chat that is open. */
export function announce(events: readonly AnyEvent[]): void {
  for (const event of events) {
    if (event.name === "Message" && event.body.sender_id !== me.value?.user_id) waiting.push({ sender: event.body.sender, text: event.body.text });
  }
  if (!isPaused) speak();
}

function speak(): void {
  if (!waiting.length) return;
  const said = waiting;
  waiting = [];
  announcement.value = { count: said.length, senders: [...new Set(said.map(({ sender }) => sender))].slice(0, 3), text: said.length === 1 ? said[0]!.text : "" };
  isPaused = true;
  timers.after(GAP_MS, () => {
    isPaused = false;
    speak();
  });
}

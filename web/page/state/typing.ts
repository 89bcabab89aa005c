/** Who is typing in which group: told to others at most every three seconds, and shown for five. */
import { signal } from "@preact/signals";
import type { Id, Person } from "../../client/protocol.gen.ts";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { personalListeners } from "./chats.ts";
import { connection, hooks, me } from "./session.ts";
import { timers } from "./timers.ts";

const TELL_EVERY_MS = 3000;
const SHOWN_MS = 5000;

export const typists = signal<ReadonlyMap<Id, readonly Person[]>>(new Map());

let toldAt = -Infinity;
let toldGroup: Id | null = null;
const expiry = new Map<Id, number>();

/** The person typed in a group. */
export function typed(groupId: Id): void {
  const now = performance.now();
  if (connection.state !== "online" || (toldGroup === groupId && now - toldAt < TELL_EVERY_MS)) return;
  toldAt = now;
  toldGroup = groupId;
  connection.request("Typing", { group_id: groupId }).catch((error: unknown) => {
    if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error; // a hint: the next one comes soon
  });
}

function show(groupId: Id, people: readonly Person[]): void {
  const next = new Map(typists.value);
  if (people.length) next.set(groupId, people);
  else next.delete(groupId);
  typists.value = next;
}

/** A message of theirs is there: they type no longer. */
export function stoppedTyping(groupId: Id, userId: Id): void {
  const people = typists.value.get(groupId);
  if (people) show(groupId, people.filter(({ user_id }) => user_id !== userId));
}

personalListeners.push((event) => {
  if (event.name !== "TypingNow") return;
  const { group_id } = event.body;
  show(group_id, event.body.people.filter(({ user_id }) => user_id !== me.value?.user_id));
  timers.cancel(expiry.get(group_id) ?? 0);
  expiry.set(group_id, timers.after(SHOWN_MS, () => show(group_id, [])));
});
hooks.forget.push(() => (typists.value = new Map()));

/** Who is typing in which group: told to others at most every three seconds, and shown for five. */
import { signal } from "@preact/signals";
import type { Id, Message, Person } from "../../client/protocol.gen.ts";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { personalListeners } from "./chats.ts";
import { connection, hooks, me } from "./session.ts";
import { timers } from "./timers.ts";

const TELL_EVERY_MS = 3000;
const SHOWN_MS = 5000;

/** The server tells of people who type up to a second later: who has just spoken is not shown then. */
const SPOKE_MS = 1500;

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

/** Who spoke last in a group, and when. */
const spoke = new Map<Id, { userId: Id; at: number }>();

hooks.frames.push((frames) => {
  for (const frame of frames) {
    if (frame.name !== "Message") continue;
    const { group_id, sender_id } = frame.body as unknown as Message;
    spoke.set(group_id, { userId: sender_id, at: performance.now() });
    const people = typists.peek().get(group_id);
    if (people) show(group_id, people.filter(({ user_id }) => user_id !== sender_id));
  }
});

personalListeners.push((event) => {
  if (event.name !== "TypingNow") return;
  const { group_id } = event.body;
  const last = spoke.get(group_id);
  const justSpoke = last && performance.now() - last.at < SPOKE_MS ? last.userId : null;
  show(group_id, event.body.people.filter(({ user_id }) => user_id !== me.value?.user_id && user_id !== justSpoke));
  timers.cancel(expiry.get(group_id) ?? 0);
  expiry.set(group_id, timers.after(SHOWN_MS, () => show(group_id, [])));
});
hooks.forget.push(() => {
  typists.value = new Map();
  spoke.clear();
});

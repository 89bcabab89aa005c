/** Who is there in the chat that is open. */
import { signal } from "@preact/signals";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { onPersonalEvent } from "./chats.ts";
import { fetchMembers } from "./members.ts";
import { connection, hooks, me } from "./session.ts";
import { timers } from "./timers.ts";

/** Groups are asked again this often: nobody is told of everybody who comes and goes in one. */
const ASK_EVERY_MS = 30_000;
const DIRECT = 2;

export interface PresenceOf {
  groupId: Id;
  /** How many are there, without those who hide. In a conversation of two, 1 says that the other is. */
  online: number;
  /** In a conversation of two: when the other was there last; 0: nobody knows. */
  seenAt: number;
}

export const presence = signal<PresenceOf | null>(null);
hooks.forget.push(() => (presence.value = null));

/** Keep `presence` to a chat until the function that this answers is called. */
export function watchPresence(group: Group): () => void {
  return group.kind === DIRECT ? watchOther(group.group_id) : watchGroup(group.group_id);
}

function watchGroup(group_id: Id): () => void {
  let timer = 0;
  let isOver = false;
  const ask = (): void => {
    timer = timers.after(ASK_EVERY_MS, ask);
    if (document.hidden || connection.state !== "online") return;
    connection.request("WhoIsHere", { group_id }).then(({ online }) => {
      if (!isOver) presence.value = { groupId: group_id, online, seenAt: 0 };
    }, ignoreLoss);
  };
  ask();
  const shown = (): void => {
    timers.cancel(timer);
    ask();
  };
  document.addEventListener("visibilitychange", shown);
  return () => {
    isOver = true;
    timers.cancel(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}

function watchOther(groupId: Id): () => void {
  let other: Id | null = null;
  let isOver = false;
  const show = (people: readonly { user_id: Id; online: boolean; seen_at: number }[]): void => {
    const found = people.find(({ user_id }) => user_id === other);
    if (found && !isOver) presence.value = { groupId, online: found.online ? 1 : 0, seenAt: found.seen_at };
  };
  const watch = async (): Promise<void> => {
    other ??= (await fetchMembers(groupId)).find(({ user_id }) => user_id !== me.value?.user_id)?.user_id ?? null;
    if (other && !isOver) show((await connection.request("WatchPresence", { people: [other] })).people);
  };
  const begin = (): void => void watch().catch(ignoreLoss);
  hooks.online.push(begin); // a new connection watches nobody
  const stop = onPersonalEvent((event) => {
    if (event.name === "PresenceChanged") show(event.body.people);
  });
  if (connection.state === "online") begin();
  return () => {
    isOver = true;
    hooks.online.splice(hooks.online.indexOf(begin), 1);
    stop();
    connection.request("WatchPresence", { people: [] }).catch(ignoreLoss);
  };
}

function ignoreLoss(error: unknown): void {
  if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
}

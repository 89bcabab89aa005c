/** Half-written messages, kept at each keystroke under the person and the chat. */
import { signal } from "@preact/signals";
import type { Id } from "../../client/protocol.gen.ts";
import { me } from "./session.ts";
import { storage } from "./storage.ts";

/** Counts changes, so that the list of chats shows them. */
export const draftVersion = signal(0);

const key = (groupId: Id): string => `chatsrv.draft.${me.peek()?.user_id ?? "0"}.${groupId}`;

export function draftOf(groupId: Id): string {
  return storage.get(key(groupId)) ?? "";
}

export function keepDraft(groupId: Id, text: string): void {
  if (text) storage.set(key(groupId), text);
  else storage.remove(key(groupId));
  draftVersion.value++;
}

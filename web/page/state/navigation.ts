/** Which screen is shown. On a phone a chat is a history entry, so that Back leaves it. */
import { effect, signal } from "@preact/signals";
import type { Id } from "../../client/protocol.gen.ts";
import { groups, openChat, openGroupId, sync } from "./chats.ts";
import { hooks } from "./session.ts";

export type Panel = "chats" | "me" | "new";

/** What stands where the list of chats is. */
export const panel = signal<Panel>("chats");

/** Whether the list of keys is shown. */
export const keysAreShown = signal(false);

/** A message to show in the chat that is open, or about to be. */
export const jumpTarget = signal<{ groupId: Id; seq: number } | null>(null);

interface Entry {
  chat: Id | null;
}

/** Whether we go back from a chat's entry: the browser tells of it later, when another chat may be open. */
let isGoingBack = false;

function isAtChat(): boolean {
  return Boolean((history.state as Entry | null)?.chat);
}

function keepEntry(groupId: Id): void {
  const entry: Entry = { chat: groupId };
  if (isAtChat()) history.replaceState(entry, "");
  else history.pushState(entry, "");
}

export function showChat(groupId: Id): void {
  if (!isGoingBack) keepEntry(groupId);
  openChat(groupId);
}

/** Open a chat at one of its messages. */
export function showMessage(groupId: Id, seq: number): void {
  jumpTarget.value = { groupId, seq };
  if (groupId !== openGroupId.value) showChat(groupId);
}

/** A chat that a notification named, until it is in the list. */
const awaited = signal<Id | null>(chatOfAddress());

function chatOfAddress(): Id | null {
  const found = /^#chat=(\d{1,20})$/.exec(location.hash)?.[1] as Id | undefined;
  if (!found) return null;
  history.replaceState(history.state, "", location.pathname);
  return found;
}

/** Open a chat as soon as it is in the list. */
export function openWhenKnown(groupId: Id): void {
  awaited.value = groupId;
}

effect(() => {
  const groupId = awaited.value;
  if (!groupId || !groups.value.some((group) => group.group_id === groupId)) return;
  awaited.value = null;
  panel.value = "chats";
  showChat(groupId);
});

export function leaveChat(): void {
  openChat(null);
  if (isGoingBack || !isAtChat()) return;
  isGoingBack = true;
  history.back();
}

addEventListener("popstate", ({ state }: PopStateEvent) => {
  if (isGoingBack) {
    isGoingBack = false;
    if (openGroupId.value) keepEntry(openGroupId.value);
    return;
  }
  const groupId = (state as Entry | null)?.chat;
  openChat(groupId && sync.groups.has(groupId) ? groupId : null);
});
hooks.forget.push(() => {
  panel.value = "chats";
  awaited.value = null;
});

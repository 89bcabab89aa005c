/** Which screen is shown. On a phone a chat is a history entry, so that Back leaves it. */
import { signal } from "@preact/signals";
import type { Id } from "../../client/protocol.gen.ts";
import { openChat, openGroupId } from "./chats.ts";
import { hooks } from "./session.ts";

export type Panel = "chats" | "me" | "new";

/** What stands where the list of chats is. */
export const panel = signal<Panel>("chats");

/** A message to show in the chat that is open, or about to be. */
export const jumpTarget = signal<{ groupId: Id; seq: number } | null>(null);

interface Entry {
  chat: Id | null;
}

export function showChat(groupId: Id): void {
  const entry: Entry = { chat: groupId };
  if (openGroupId.value) history.replaceState(entry, "");
  else history.pushState(entry, "");
  openChat(groupId);
}

/** Open a chat at one of its messages. */
export function showMessage(groupId: Id, seq: number): void {
  jumpTarget.value = { groupId, seq };
  if (groupId !== openGroupId.value) showChat(groupId);
}

export function leaveChat(): void {
  if ((history.state as Entry | null)?.chat) history.back();
  else openChat(null);
}

addEventListener("popstate", ({ state }: PopStateEvent) => openChat((state as Entry | null)?.chat ?? null));
hooks.forget.push(() => (panel.value = "chats"));

/** The list of chats, the one that is open, and the events that come for them. */
import { batch, computed, effect, signal } from "@preact/signals";
import type { Event, Frame } from "../../client/codec.ts";
import { DeliveredMarks } from "../../client/delivered.ts";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { Outbox, type OutboxEntry } from "../../client/outbox.ts";
import type { Group, Id, LoggedIn } from "../../client/protocol.gen.ts";
import { Sync, unreadIn } from "../../client/sync.ts";
import { announce } from "./announcer.ts";
import { Conversation, type KeptRows } from "./conversation.ts";
import { connection, hooks, me } from "./session.ts";
import { storage } from "./storage.ts";
import { timers } from "./timers.ts";

const MAX_CONVERSATIONS = 20;
const HIDDEN_FLUSH_MS = 200;
const OUTSIDE_MS = 200;

export const groups = signal<readonly Group[]>([]);
export const listIsLoaded = signal(false);
export const openGroupId = signal<Id | null>(null);
export const outboxEntries = signal<readonly OutboxEntry[]>([]);
/** Called with each event outside all sequences. */
export const personalListeners: ((event: Event) => void)[] = [];

/** Call `listener` with each such event until the function that this answers is called. */
export function onPersonalEvent(listener: (event: Event) => void): () => void {
  personalListeners.push(listener);
  return () => void personalListeners.splice(personalListeners.indexOf(listener), 1);
}

const conversations = new Map<Id, Conversation>();
let outbox: Outbox | null = null;

export const openGroup = computed(() => groups.value.find((group) => group.group_id === openGroupId.value) ?? null);

/** Unread messages in all chats that are not quiet. */
export const unreadTotal = computed(() => groups.value.reduce((sum, group) => sum + (group.quiet ? 0 : unreadOf(group)), 0));

/** The same for what stands outside of the page (its title, its icon), a little later: each change there is a message to another process. */
export const unreadOutside = signal(0);
let isCounting = false;
effect(() => {
  if (unreadTotal.value === unreadOutside.peek() || isCounting) return;
  isCounting = true;
  timers.after(OUTSIDE_MS, () => {
    isCounting = false;
    unreadOutside.value = unreadTotal.peek();
  });
});

effect(() => {
  const count = unreadOutside.value;
  document.title = count ? `(${count > 99 ? "99+" : count}) chatsrv` : "chatsrv";
});

export const unreadOf = unreadIn;

const delivered = new DeliveredMarks(connection, timers);

export const sync = new Sync(connection, {
  groupsChanged: (all) => {
    groups.value = [...all.values()].sort((a, b) => (b.last?.sent_at ?? 0) - (a.last?.sent_at ?? 0) || (a.group_id < b.group_id ? 1 : -1));
    listIsLoaded.value = true;
    delivered.note(all.values());
    for (const id of conversations.keys()) if (!all.has(id)) conversations.delete(id);
    if (openGroupId.value && !all.has(openGroupId.value)) openGroupId.value = null;
  },
  eventsArrived: (groupId, events) => {
    const conversation = conversations.get(groupId);
    conversation?.take(events);
    if (groupId === openGroupId.value) announce(events);
  },
  fellBehind: (groupId) => {
    conversations.get(groupId)?.fallBehind();
  },
  personalEvent: (event) => {
    for (const listener of [...personalListeners]) listener(event);
  },
}, timers);

/** Frames are taken once per drawing, so that a flood costs one rendering each. */
let queue: Frame[] = [];
let scheduled = false;

function flushFrames(): void {
  scheduled = false;
  const frames = queue;
  queue = [];
  if (!frames.length) return;
  batch(() => sync.take(frames));
  for (const hook of hooks.taken) hook(frames);
}

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  if (document.hidden) timers.after(HIDDEN_FLUSH_MS, flushFrames);
  else requestAnimationFrame(flushFrames);
}

document.addEventListener("visibilitychange", () => {
  flushFrames(); // what waited for a drawing that does not come now
  if (document.hidden) sync.readMarks.flush();
});

hooks.frames.push((frames) => {
  queue.push(...frames);
  schedule();
});

function flushOutbox(userId: Id): void {
  outbox ??= new Outbox(connection, storage, userId, (entries) => (outboxEntries.value = entries), (entry, seq) => {
    conversations.get(entry.groupId)?.stored(entry, seq);
  });
  outbox.flush();
}

export interface KeptChat extends KeptRows {
  groupId: Id;
}

/** The chats that are loaded, as the browser keeps them for where there is no network. */
export function chatsNow(): KeptChat[] {
  const loaded = [...conversations].filter(([, conversation]) => conversation.isLoaded.peek());
  return loaded.map(([groupId, conversation]) => ({ groupId, ...conversation.keepable() }));
}

/** Show what was kept, before the server could be asked. What is written waits in the outbox. */
export function restoreChats(who: LoggedIn, kept: readonly Group[], chats: readonly KeptChat[]): void {
  batch(() => {
    me.value = who;
    sync.groups = new Map(kept.map((group) => [group.group_id, group]));
    groups.value = kept;
    listIsLoaded.value = true;
    for (const { groupId, ...rows } of chats) if (sync.groups.has(groupId)) conversationOf(groupId).restore(rows);
  });
  flushOutbox(who.user_id);
}

hooks.online.push((who) => {
  flushOutbox(who.user_id);
  void sync.refresh().then(() => openGroupId.value && conversationOf(openGroupId.value));
});

hooks.forget.push(() => {
  queue = [];
  outbox = null;
  delivered.clear();
  sync.readMarks.clear();
  sync.groups = new Map();
  for (const id of conversations.keys()) sync.unfollow(id);
  conversations.clear();
  batch(() => {
    groups.value = [];
    listIsLoaded.value = false;
    openGroupId.value = null;
    outboxEntries.value = [];
  });
});

/** The conversation of a group, loaded if it was not; the least recently opened one is forgotten beyond 20. */
export function conversationOf(groupId: Id): Conversation {
  let conversation = conversations.get(groupId);
  if (!conversation) {
    conversation = new Conversation(groupId, me.value?.user_id ?? ("0" as Id), connection, sync);
    conversation.pendingOf = () => outboxEntries.peek().filter((entry) => entry.groupId === groupId);
    for (const id of conversations.keys()) {
      if (conversations.size < MAX_CONVERSATIONS) break;
      sync.unfollow(id);
      conversations.delete(id);
    }
  }
  conversations.delete(groupId);
  conversations.set(groupId, conversation);
  const group = sync.groups.get(groupId);
  if (group && (!conversation.isLoaded.peek() || conversation.isOld)) void conversation.loadNewest(group);
  return conversation;
}

/** Show a chat; null: none. Its divider is fixed now, and stays until the chat is left. */
export function openChat(groupId: Id | null): void {
  if (groupId === openGroupId.value) return;
  const left = openGroupId.value && conversations.get(openGroupId.value);
  if (left) left.leave();
  const group = groupId && sync.groups.get(groupId);
  if (group) conversationOf(group.group_id).enter(group);
  openGroupId.value = groupId;
}

/** Let a chat be quiet or not: on the server, whose event changes the list. */
export async function setQuiet(groupId: Id, quiet: boolean): Promise<void> {
  try {
    await connection.request("SetQuiet", { group_id: groupId, quiet });
  } catch (error) {
    if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error; // the button still says what holds
  }
}

export function sendText(groupId: Id, text: string, extra: OutboxEntry["extra"] = null): void {
  outbox?.add({ groupId, text, mediaId: null, extra });
}

/** Keep a message whose file is not up yet; answers its key in the outbox. */
export function sendFile(groupId: Id, fileName: string, caption: string, extra: OutboxEntry["extra"]): string {
  return outbox?.add({ groupId, text: caption, mediaId: null, fileName, extra }) ?? "";
}

export function expectFile(key: string, fileName: string): void {
  outbox?.expectFile(key, fileName);
}

export function fileIsUp(key: string, mediaId: Id): void {
  outbox?.fileIsUp(key, mediaId);
}

export function fileIsLost(key: string): void {
  outbox?.fileIsLost(key);
}

export function retryMessage(key: string): void {
  outbox?.retry(key);
}

export function discardMessage(key: string): void {
  outbox?.discard(key);
}

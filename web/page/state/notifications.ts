/** Notifications of messages while no tab of the page is looked at: one for each chat, closed when it was read anywhere. */
import { computed, effect, signal } from "@preact/signals";
import type { Frame } from "../../client/codec.ts";
import type { Id, Message } from "../../client/protocol.gen.ts";
import { groups, listIsLoaded, sync, unreadOutside } from "./chats.ts";
import { openWhenKnown } from "./navigation.ts";
import { serviceWorker } from "./service_worker.ts";
import { connectionState, hooks, me } from "./session.ts";
import { storage } from "./storage.ts";

const WANTED_KEY = "chatsrv.notifications";
const LOCK = "chatsrv.notifications";
const MAX_BODY = 120;

export type NotificationState = "unsupported" | "denied" | "off" | "on";

function stateNow(): NotificationState {
  if (!("Notification" in globalThis) || !("serviceWorker" in navigator)) return "unsupported";
  if (Notification.permission === "denied") return "denied";
  return Notification.permission === "granted" && storage.get(WANTED_KEY) === "1" ? "on" : "off";
}

export const notifications = signal<NotificationState>(stateNow());

/** Ask the browser for its permission, if it was not given: only from a click. */
export async function switchNotifications(on: boolean): Promise<void> {
  if (on && (await Notification.requestPermission()) === "granted") storage.set(WANTED_KEY, "1");
  else if (!on) storage.remove(WANTED_KEY);
  notifications.value = stateNow();
}

/** Whether this is the one tab that notifies: it holds a lock, which goes to another tab when this one is closed. */
let isNotifier = !("locks" in navigator);
if ("locks" in navigator) {
  void navigator.locks.request(LOCK, () => {
    isNotifier = true;
    return new Promise<void>(() => undefined);
  });
}

/** Whether somebody wants to hear of a message: not of one's own, and of a quiet chat only where it calls them. */
function isWanted({ group_id, sender_id, extra }: Message): boolean {
  const mine = me.peek()?.user_id;
  const group = sync.groups.get(group_id);
  if (!mine || !group || sender_id === mine) return false;
  return !group.quiet || (!!extra && (extra.mention_all || extra.mentions.includes(mine)));
}

function take(frames: readonly Frame[]): void {
  if (!isNotifier || notifications.peek() !== "on") return;
  for (const frame of frames) {
    if (frame.name !== "Message") continue;
    const message = frame.body as unknown as Message;
    const group = sync.groups.get(message.group_id);
    if (!group || group.read_seq >= message.seq || !isWanted(message)) continue;
    const text = Array.from(message.text).slice(0, MAX_BODY).join("");
    const title = group.kind === 2 ? message.sender : group.name;
    const body = group.kind === 2 ? text : `${message.sender}: ${text}`;
    const told = { kind: "notify", group: message.group_id, seq: message.seq, title, body };
    void serviceWorker().then((found) => found?.active?.postMessage(told));
  }
}

/** Close the notifications, by this page or by a push service, of what `isOver` says it of by group and place. */
async function close(isOver: (groupId: Id, seq: number) => boolean): Promise<void> {
  const registration = await (navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker?.getRegistration();
  for (const notification of (await registration?.getNotifications()) ?? []) {
    const { group, seq } = (notification.data ?? {}) as { group?: Id; seq?: number };
    if (!group || isOver(group, seq ?? 0)) notification.close();
  }
}

/** Groups that the list has had since it was loaded; one that it never had may be about to come. */
const listed = new Set<Id>();

/** Another text whenever something was read, here or on another device, or a group is gone. */
const places = computed(() => `${groups.value.length} ${groups.value.reduce((sum, group) => sum + group.read_seq, 0)}`);
effect(() => {
  void places.value;
  const isPermitted = "Notification" in globalThis && Notification.permission === "granted";
  if (!isPermitted || !listIsLoaded.value || connectionState.value !== "online") return;
  const isFirst = !listed.size;
  for (const { group_id } of groups.peek()) listed.add(group_id);
  // By places, not by counts: the service worker, or another tab, may know of a message that the list does not count yet.
  void close((groupId, seq) => (sync.groups.get(groupId)?.read_seq ?? (isFirst || listed.has(groupId) ? Infinity : 0)) >= seq);
});

interface Badged {
  setAppBadge?(count: number): Promise<void>;
  clearAppBadge?(): Promise<void>;
}
effect(() => {
  const count = unreadOutside.value;
  const { setAppBadge, clearAppBadge } = navigator as Badged;
  const told = count ? setAppBadge?.call(navigator, count) : clearAppBadge?.call(navigator);
  told?.catch(() => undefined); // the title says it too
});

hooks.taken.push(take);
hooks.forget.push(() => {
  listed.clear();
  void close(() => true);
});
(navigator as { serviceWorker?: ServiceWorkerContainer }).serviceWorker?.addEventListener("message", ({ data }: MessageEvent<{ open?: Id }>) => {
  if (data.open) openWhenKnown(data.open);
});

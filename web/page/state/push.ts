/** Notifications by the browser's push service, while no page is open: switched on for one device, by a button only. */
import { signal } from "@preact/signals";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { forgetHere, PUSH_KEY } from "./push_start.ts";
import { serviceWorker } from "./service_worker.ts";
import { connection, hooks } from "./session.ts";
import { storage } from "./storage.ts";

/** Where the service worker finds the words of the language that was chosen here. */
const WORDS = "chatsrv-words";

export type PushState = "asking" | "off_here" | "unsupported" | "denied" | "off" | "on";

/** `asking` until the server has answered; `off_here`: this server sends none. */
export const push = signal<PushState>("asking");
export const showsText = signal(false);
/** Why switching it on failed: a refusal of the server, or of the browser's push service. */
export const pushFailure = signal<RefusedError | "unreachable" | null>(null);

const isSupported = "PushManager" in globalThis && "Notification" in globalThis && "serviceWorker" in navigator;

/** Ask the server and the browser how things stand, and bring the server this device's subscription if it has another one. */
export async function lookAtPush(): Promise<void> {
  let shown;
  try {
    shown = await connection.request("ShowPush", {});
  } catch (error) {
    if (error instanceof RefusedError) push.value = "off_here";
    else if (!(error instanceof ConnectionLost)) throw error;
    return;
  }
  if (!isSupported) push.value = "unsupported";
  else if (Notification.permission === "denied") push.value = "denied";
  else if (!shown.subscribed && storage.get(PUSH_KEY) === null) push.value = "off";
  else {
    showsText.value = shown.subscribed ? shown.shows_text : storage.get(PUSH_KEY)?.startsWith("text ") ?? false;
    await subscribe(shown.key, shown.subscribed);
  }
}

/** Get a subscription of the browser and bring it to the server, unless it has that one. */
async function subscribe(key: Uint8Array, isKnown: boolean): Promise<void> {
  const registration = await serviceWorker();
  if (!registration || Notification.permission !== "granted") {
    push.value = "off";
    return;
  }
  let found: PushSubscription;
  try {
    found = await subscriptionWith(registration.pushManager, key);
  } catch {
    pushFailure.value = "unreachable"; // the browser says no more than that
    push.value = "off";
    return;
  }
  const kept = `${showsText.value ? "text" : "count"} ${found.endpoint}`;
  if (!isKnown || storage.get(PUSH_KEY) !== kept) {
    const [p256dh, auth] = [found.getKey("p256dh"), found.getKey("auth")];
    if (!p256dh || !auth) throw new Error("the browser's subscription has no keys");
    await connection.request("SubscribePush", { endpoint: found.endpoint, p256dh: new Uint8Array(p256dh), auth: new Uint8Array(auth), show_text: showsText.value });
    storage.set(PUSH_KEY, kept);
  }
  push.value = "on";
}

/** A subscription is bound to one server's key: one for another is of no use. */
async function subscriptionWith(manager: PushManager, key: Uint8Array): Promise<PushSubscription> {
  const found = await manager.getSubscription();
  const bound = found?.options.applicationServerKey;
  if (found && bound && String(new Uint8Array(bound)) === String(key)) return found;
  await found?.unsubscribe();
  return manager.subscribe({ userVisibleOnly: true, applicationServerKey: new Uint8Array(key) });
}

/** Switch it on or off, or choose what is shown. Permission is asked here, and nowhere else. */
export async function switchPush(on: boolean, withText: boolean): Promise<void> {
  pushFailure.value = null;
  try {
    if (on) {
      if ((await Notification.requestPermission()) !== "granted") return await lookAtPush();
      showsText.value = withText;
      await subscribe((await connection.request("ShowPush", {})).key, false);
    } else {
      await connection.request("UnsubscribePush", {});
      await forgetHere();
      push.value = "off";
    }
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    pushFailure.value = error;
    push.value = "off";
  }
}

/** Keep what the service worker says, in the language that was chosen here. */
export async function keepPushWords(said: object): Promise<void> {
  await (await caches.open(WORDS)).put("/push-words", new Response(JSON.stringify(said)));
}

hooks.forget.push(() => {
  push.value = "asking";
});

/** The last lists and chats, kept in the browser for where there is no network. Gone with the login. */
import { effect, signal } from "@preact/signals";
import type { Group, LoggedIn } from "../../client/protocol.gen.ts";
import { chatsNow, groups, type KeptChat, restoreChats } from "./chats.ts";
import { connectionState, hooks, me, mayBeLoggedIn } from "./session.ts";
import { timers } from "./timers.ts";

const DATABASE = "chatsrv";
const STORE = "snapshot";
const KEY = "last";
/** A change of a chat is kept this much later, so that a flood is written once. */
const DELAY_MS = 2000;
/** The form of what is kept; another one is not read. */
const FORM = 1;

interface Snapshot {
  form: typeof FORM;
  at: number;
  me: LoggedIn;
  groups: readonly Group[];
  chats: readonly KeptChat[];
}

/** When what is shown was kept, while it is not from the server; 0: it is. */
export const shownSince = signal(0);

let database: Promise<IDBDatabase | null> | null = null;

function open(): Promise<IDBDatabase | null> {
  database ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () => resolve(request.result);
      request.onerror = request.onblocked = () => resolve(null);
    } catch {
      resolve(null); // a private window
    }
  });
  return database;
}

/** Do something with the store; null where there is none, or where it is full. */
async function use<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
  const found = await open();
  if (!found) return null;
  return new Promise((resolve) => {
    try {
      const request = act(found.transaction(STORE, mode).objectStore(STORE));
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => resolve(null);
    } catch {
      resolve(null); // closed by the browser
    }
  });
}

let timer = 0;

function keep(): void {
  timers.cancel(timer);
  timer = 0;
  const who = me.peek();
  if (!who || shownSince.peek() || connectionState.peek() !== "online") return;
  const snapshot: Snapshot = { form: FORM, at: Date.now(), me: { ...who, token: new Uint8Array() }, groups: groups.peek(), chats: chatsNow() };
  void use("readwrite", (store) => store.put(snapshot, KEY));
}

effect(() => {
  if (groups.value.length && !timer) timer = timers.after(DELAY_MS, keep);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) keep();
});

/** The first connection failed: show what was there last, marked as old. */
effect(() => {
  if (connectionState.value === "waiting" && !me.peek() && mayBeLoggedIn()) void restore();
});

async function restore(): Promise<void> {
  const snapshot = (await use("readonly", (store) => store.get(KEY) as IDBRequest<Snapshot | undefined>)) ?? null;
  if (snapshot?.form !== FORM || me.peek() || connectionState.peek() === "logged_out") return;
  shownSince.value = snapshot.at;
  restoreChats(snapshot.me, snapshot.groups, snapshot.chats);
}

hooks.online.push(() => (shownSince.value = 0));
hooks.forget.push(() => {
  shownSince.value = 0;
  timers.cancel(timer);
  timer = 0;
  void use("readwrite", (store) => store.delete(KEY));
});

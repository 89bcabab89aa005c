/** The one connection of the page, and who is logged in on it. */
import { signal } from "@preact/signals";
import type { Frame } from "../../client/codec.ts";
import { Connection, type Credentials, type Socket, type SocketEvents, type State } from "../../client/connection.ts";
import { RefusedError } from "../../client/errors.ts";
import type { LoggedIn } from "../../client/protocol.gen.ts";
import { toHex } from "../../client/client_id.ts";
import { forgetPerson, storage } from "./storage.ts";
import { timers } from "./timers.ts";

/** Set while a cookie may be there, so that a first visit shows the login without asking the server. */
const LOGGED_IN_KEY = "chatsrv.logged_in";
/** Set from logging out until the server has taken the cookie away. */
const LOGOUT_KEY = "chatsrv.logging_out";
const LOGOUT_MS = 10_000;
/** Between two tries to tell the server of a logout: a server may be away while the network is there. */
const LOGOUT_AGAIN_MS = 3000;
const SUBPROTOCOL = "chatsrv.v1";

export const connectionState = signal<State>("logged_out");
export const me = signal<LoggedIn | null>(null);
/** Why the login was refused or the session ended: an error code and the server's sentence. */
export const loginRefusal = signal<{ code: string; message: string } | null>(null);
/** Whether the server has another page than the one that runs. */
export const pageIsStale = signal(false);
/** Whether the server refuses to speak with a page of this version. */
export const isMismatched = signal(false);
export const registrationOpen = signal(true);

/** What the parts of the state do when somebody is logged in, when frames come, and when all is to be forgotten. */
export const hooks = {
  online: [] as ((me: LoggedIn) => void)[],
  /** As they arrive: the list of chats does not know of them yet. */
  frames: [] as ((frames: Frame[]) => void)[],
  /** Once the list of chats knows of them. */
  taken: [] as ((frames: readonly Frame[]) => void)[],
  forget: [] as (() => void)[],
};

function dial(events: SocketEvents): Socket {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/chat`, SUBPROTOCOL);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => events.received(new Uint8Array(data));
  socket.onclose = () => events.closed();
  return socket;
}

/** Bring the token to the server, which makes a cookie of it that no script can read. */
async function tradeToken(token: Uint8Array): Promise<Credentials> {
  const response = await fetch("/session", { method: "POST", headers: { authorization: `Bearer ${toHex(token)}` } });
  if (response.status >= 400 && response.status < 500) {
    // Said at the form: else the password would be sent again and again, for a session each time.
    throw new RefusedError({ code: "no_cookie", message: `the server made no cookie: ${response.status}`, at: null, retry_after: 0 });
  }
  if (!response.ok) throw new Error(`the server made no cookie: ${response.status}`);
  storage.set(LOGGED_IN_KEY, "1");
  setLogoutWaits(false); // the old cookie is overwritten
  return { kind: "cookie" };
}

/** Whether the server still has to be told that somebody logged out here. */
export const logoutWaits = signal(storage.get(LOGOUT_KEY) !== null);
let ending: Promise<void> | null = null;
let logoutTimer = 0;

function setLogoutWaits(waits: boolean): void {
  if (waits) storage.set(LOGOUT_KEY, "1");
  else storage.remove(LOGOUT_KEY);
  logoutWaits.value = waits;
}

/** Take the cookie away on the server; without a network it is tried again every few seconds, and at the next load. */
function endSession(): Promise<void> {
  logoutWaits.value = storage.get(LOGOUT_KEY) !== null; // another tab may have told the server, or logged in
  if (!logoutWaits.value) return Promise.resolve();
  ending ??= fetch("/session", { method: "DELETE", signal: AbortSignal.timeout(LOGOUT_MS) })
    .then(
      (response) => (response.ok || response.status === 401) && setLogoutWaits(false),
      () => undefined, // no network: it waits
    )
    .then(() => {
      ending = null;
      timers.cancel(logoutTimer);
      if (logoutWaits.value) logoutTimer = timers.after(LOGOUT_AGAIN_MS, () => void endSession());
    });
  return ending;
}

let firstPage: string | null = null;

export const connection = new Connection({
  dial,
  timers,
  agent: "chatsrv page",
  device: deviceName(),
  listener: {
    stateChanged: (state) => {
      if (connection.welcome) {
        registrationOpen.value = connection.welcome.registration_open;
        comparePage(connection.welcome.page);
      }
      isMismatched.value = connection.mismatch !== null;
      if (state === "logged_out") endHere();
      connectionState.value = state;
    },
    isOther: ({ user_id }) => me.peek() !== null && me.peek()?.user_id !== user_id, // another tab logged out, and in
    gotToken: tradeToken,
    online: (who) => {
      me.value = who;
      for (const hook of hooks.online) hook(who);
    },
    received: (frames) => {
      for (const hook of hooks.frames) hook(frames);
    },
  },
});

/** A page that reads another digest than at its start is not the server's any more; a hidden one reloads by itself. */
function comparePage(digest: string): void {
  if (!digest || digest === "none") return;
  firstPage ??= digest;
  if (digest === firstPage) return;
  if (document.hidden) location.reload();
  else pageIsStale.value = true;
}

function endHere(): void {
  const { refusal } = connection;
  loginRefusal.value = refusal && (refusal.code !== "session_ended" || me.value) ? { code: refusal.code, message: refusal.message } : null;
  if (refusal?.code === "session_ended") storage.remove(LOGGED_IN_KEY);
  if (me.value && refusal) forgetPerson(me.value.user_id);
  me.value = null;
  for (const hook of hooks.forget) hook();
}

/** Whether a cookie of a session may be here. */
export function mayBeLoggedIn(): boolean {
  return storage.get(LOGGED_IN_KEY) !== null && !logoutWaits.peek();
}

/** Go on with the session of the cookie, if there may be one. */
export function resume(): void {
  if (logoutWaits.value) void endSession();
  else if (storage.get(LOGGED_IN_KEY)) connection.start({ kind: "cookie" });
}

export async function logIn(name: string, password: string, register: boolean): Promise<void> {
  await endSession(); // else it would end the new session
  connection.start({ kind: "password", name, password, register });
}

/** End the session, and forget here what it left: drafts, and what waited to be sent. */
export async function logOut(): Promise<void> {
  if (me.value) forgetPerson(me.value.user_id);
  storage.remove(LOGGED_IN_KEY);
  setLogoutWaits(true);
  connection.stop();
  await endSession();
}

function deviceName(): string {
  const system = /Android|iPhone|iPad|Windows|Mac OS X|Linux/.exec(navigator.userAgent)?.[0] ?? "";
  const browser = /Firefox|Edg|Chrome|Safari/.exec(navigator.userAgent)?.[0] ?? "Browser";
  return `${browser === "Edg" ? "Edge" : browser} ${system}`.trim();
}

addEventListener("online", () => {
  connection.retryNow();
  void endSession();
});
addEventListener("pageshow", () => connection.wake());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) connection.wake();
  else if (pageIsStale.value) location.reload();
});

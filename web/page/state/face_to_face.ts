/** Face to face: who waits under the same four digits, until when, and the group that comes of it. */
import { signal } from "@preact/signals";
import type { Event } from "../../client/codec.ts";
import type { Id, InLobby, Position, Waiting } from "../../client/protocol.gen.ts";
import { personalListeners, sync } from "./chats.ts";
import { connection, hooks } from "./session.ts";

export interface Lobby {
  code: string;
  /** On the server's clock, in ms. */
  expiresAt: number;
  people: readonly Waiting[];
}

/** Where I wait now; null: nowhere. */
export const lobby = signal<Lobby | null>(null);
/** Whether the three minutes ended before anybody entered. */
export const lobbyIsOver = signal(false);

function show({ code, expires_at, people }: InLobby): void {
  lobbyIsOver.value = false;
  lobby.value = { code, expiresAt: expires_at, people };
}

/** Wait under a code. Throws RefusedError: `position_needed` where the server takes no code without a position. */
export async function enterCode(code: string, position: Position | null): Promise<void> {
  show(await connection.request("EnterCode", { code, position }));
}

/** Enter the group of those who wait; answers its id. */
export async function enterGroup(): Promise<Id> {
  const { group_id } = await connection.change("EnterGroup", {});
  if (!sync.groups.has(group_id)) await sync.refresh();
  lobby.value = null;
  return group_id;
}

/** Wait no longer. */
export async function leaveLobby(): Promise<void> {
  if (!lobby.value) return;
  lobby.value = null;
  await connection.request("LeaveLobby", {});
}

function take(event: Event): void {
  const current = lobby.value;
  if (!current) return;
  if (event.name === "LobbyChanged" && event.body.code === current.code) {
    const { came, went } = event.body;
    const gone = new Set([...went, ...came.map(({ user_id }) => user_id)]);
    lobby.value = { ...current, people: [...current.people.filter(({ user_id }) => !gone.has(user_id)), ...came] };
  } else if (event.name === "LobbyClosed" && event.body.code === current.code) {
    lobbyIsOver.value = event.body.group_id === "0";
    lobby.value = null;
  }
}

personalListeners.push(take);
hooks.forget.push(() => (lobby.value = null));
hooks.online.push(() => {
  // What came and went while there was no connection.
  if (lobby.value) connection.request("ShowLobby", {}).then(show, () => (lobby.value = null));
});

/** My profile as others see it, and whom I let near: the same on all my devices. */
import { computed, signal } from "@preact/signals";
import { ignoreLoss } from "../../client/errors.ts";
import type { Id, MyProfile, SetProfile } from "../../client/protocol.gen.ts";
import { onPersonalEvent, personalListeners } from "./chats.ts";
import { connection, hooks } from "./session.ts";

/** null: it is not known yet. */
export const myProfile = signal<MyProfile | null>(null);

/** What others see beside my name; empty: nothing. */
export const nickname = computed(() => myProfile.value?.profile.nickname ?? "");

/** Change what is given, here and on all my devices. Throws RefusedError, ConnectionLost. */
export async function changeProfile(change: SetProfile): Promise<void> {
  myProfile.value = await connection.request("SetProfile", change);
}

/** Keep somebody away from me, or let them again. Throws RefusedError, ConnectionLost. */
export async function block(user_id: Id, on: boolean): Promise<void> {
  await connection.request("Block", { user_id, on });
}

/** Call `listener` when I block somebody on any device, until the function that this answers is called. */
export function onBlockChange(listener: () => void): () => void {
  return onPersonalEvent((event) => event.name === "BlockChanged" && listener());
}

personalListeners.push((event) => {
  if (event.name === "ProfileChanged") myProfile.value = event.body;
});
hooks.online.push(() => void changeProfile({}).catch(ignoreLoss)); // nothing changed: it tells what it is
hooks.forget.push(() => (myProfile.value = null));

/** Groups that others ask me to come into. The server's list is what counts: an event says only that there is one more. */
import { computed, signal } from "@preact/signals";
import { ignoreLoss, RefusedError } from "../../client/errors.ts";
import type { Id, Invitation } from "../../client/protocol.gen.ts";
import { groups, personalListeners, sync } from "./chats.ts";
import { showChat } from "./navigation.ts";
import { connection, hooks } from "./session.ts";

const listed = signal<readonly Invitation[]>([]);

/** What I have not answered, the latest first, without groups that I came into on another device. */
export const invitations = computed(() => {
  if (!listed.value.length) return listed.value;
  const mine = new Set(groups.value.map(({ group_id }) => group_id));
  return listed.value.filter(({ group_id }) => !mine.has(group_id));
});

async function load(): Promise<void> {
  listed.value = (await connection.request("ListInvitations", {})).invitations;
}

function drop(groupId: Id): void {
  listed.value = listed.value.filter(({ group_id }) => group_id !== groupId);
}

/** Come into the group, and show it. Throws RefusedError and ConnectionLost. */
export async function acceptInvitation(group_id: Id): Promise<void> {
  try {
    await connection.change("AcceptInvitation", { group_id });
  } catch (error) {
    if (error instanceof RefusedError) load().catch(ignoreLoss); // what does not count any more goes
    throw error;
  }
  drop(group_id);
  if (!sync.groups.has(group_id)) await sync.refresh();
  showChat(group_id);
}

/** Take it off the list. Throws RefusedError and ConnectionLost. */
export async function ignoreInvitation(group_id: Id): Promise<void> {
  await connection.request("IgnoreInvitation", { group_id });
  drop(group_id);
}

personalListeners.push((event) => {
  if (event.name !== "Invited") return;
  const { invitation } = event.body;
  listed.value = [invitation, ...listed.value.filter(({ group_id }) => group_id !== invitation.group_id)];
});
hooks.online.push(() => void load().catch(ignoreLoss));
hooks.forget.push(() => (listed.value = []));

/** An invite in the address's fragment, which no server and no log sees; it is used once somebody is logged in. */
import { signal } from "@preact/signals";
import type { Entered, Id } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { personalListeners, sync } from "./chats.ts";
import { showChat } from "./navigation.ts";
import { connection, hooks, me } from "./session.ts";

const PREFIX = "#invite=";

/** What came of the link: a request that waits for an admin, or why it was refused. */
export const inviteOutcome = signal<{ kind: "waiting" | "declined"; name: string } | { kind: "refused"; error: RefusedError } | null>(null);

/** Groups that I asked to be let into, by the names they had then. */
const waitingFor = new Map<Id, string>();
let code = takeCode();

function takeCode(): string {
  if (!location.hash.startsWith(PREFIX)) return "";
  const found = location.hash.slice(PREFIX.length);
  history.replaceState(history.state, "", location.pathname + location.search);
  return found;
}

export function inviteLink(invite: string): string {
  return `${location.origin}/${PREFIX}${invite}`;
}

async function join(invite: string): Promise<void> {
  let entered: Entered;
  try {
    entered = await connection.change("JoinGroup", { code: invite });
  } catch (error) {
    // Without an answer the code waits for the next connection.
    if (error instanceof RefusedError) inviteOutcome.value = { kind: "refused", error };
    else code = invite;
    return;
  }
  if (entered.waiting) {
    waitingFor.set(entered.group_id, entered.name);
    inviteOutcome.value = { kind: "waiting", name: entered.name };
    return;
  }
  if (!sync.groups.has(entered.group_id)) await sync.refresh();
  showChat(entered.group_id);
}

function useCode(): void {
  const invite = code;
  code = "";
  if (invite) void join(invite);
}

personalListeners.push((event) => {
  if (event.name !== "JoinDecided" || event.body.user_id !== me.value?.user_id) return;
  const { group_id, accepted } = event.body;
  if (!accepted) inviteOutcome.value = { kind: "declined", name: waitingFor.get(group_id) ?? "" };
  waitingFor.delete(group_id);
});
hooks.forget.push(() => {
  waitingFor.clear();
  inviteOutcome.value = null;
});
hooks.online.push(useCode);
addEventListener("hashchange", () => {
  code = takeCode() || code;
  if (connection.state === "online") useCode();
});

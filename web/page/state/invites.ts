/** An invite in the address's fragment, which no server and no log sees; it is used once somebody is logged in. */
import { signal } from "@preact/signals";
import type { Entered } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { sync } from "./chats.ts";
import { showChat } from "./navigation.ts";
import { connection, hooks } from "./session.ts";

const PREFIX = "#invite=";

/** What came of the link: a request that waits for an admin, or why it was refused. */
export const inviteOutcome = signal<{ kind: "waiting" } | { kind: "refused"; error: RefusedError } | null>(null);

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
    inviteOutcome.value = { kind: "waiting" };
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

hooks.online.push(useCode);
addEventListener("hashchange", () => {
  code = takeCode() || code;
  if (connection.state === "online") useCode();
});

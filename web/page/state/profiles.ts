/** How others show themselves: asked for in one go for all whom a drawing shows, and kept while the page is open. */
import { signal, type Signal } from "@preact/signals";
import { ignoreLoss } from "../../client/errors.ts";
import type { Id, Profile } from "../../client/protocol.gen.ts";
import { connection, hooks } from "./session.ts";
import { timers } from "./timers.ts";

/** People that one GetProfiles names. */
const MAX_ASKED = 100;
const MAX_KEPT = 2000;
/** One drawing asks for many, one after the other: they go out together. */
const GATHER_MS = 20;

const kept = new Map<Id, Signal<Profile | null>>();
let wanted = new Set<Id>();

/** Somebody's profile, which comes later if it is not here; null until then. */
export function profileOf(userId: Id): Signal<Profile | null> {
  let found = kept.get(userId);
  if (!found) {
    found = signal(null);
    kept.set(userId, found);
    for (const id of kept.keys()) {
      if (kept.size <= MAX_KEPT) break;
      kept.delete(id);
    }
    want(userId);
  }
  return found;
}

/** Ask again how somebody shows themselves: nobody is told of others' changes. */
export function refreshProfile(userId: Id): void {
  if (kept.has(userId)) want(userId);
  else profileOf(userId);
}

function want(userId: Id): void {
  if (!wanted.size) timers.after(GATHER_MS, () => void ask().catch(ignoreLoss));
  wanted.add(userId);
}

async function ask(): Promise<void> {
  const all = [...wanted];
  wanted = new Set();
  for (let from = 0; from < all.length; from += MAX_ASKED) {
    const { profiles } = await connection.request("GetProfiles", { people: all.slice(from, from + MAX_ASKED) });
    for (const profile of profiles) {
      const found = kept.get(profile.user_id);
      if (found) found.value = profile;
    }
  }
}

hooks.online.push(() => {
  for (const [userId, { value }] of kept) if (!value) want(userId); // those whose answer was lost
});
hooks.forget.push(() => {
  kept.clear();
  wanted.clear();
});

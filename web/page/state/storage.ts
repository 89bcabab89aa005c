/** What the browser keeps for this page: localStorage, or memory where there is none (private windows, a full disk). */
import type { Store } from "../../client/outbox.ts";

const memory = new Map<string, string>();

function local(): Storage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}

export const storage: Store = {
  keys: () => [...new Set([...memory.keys(), ...Object.keys(local() ?? {})])],
  get: (key) => memory.get(key) ?? local()?.getItem(key) ?? null,
  set: (key, value) => {
    try {
      const store = local();
      if (!store) throw new DOMException("no storage", "SecurityError");
      store.setItem(key, value);
      memory.delete(key);
    } catch {
      memory.set(key, value); // refused or full: kept until the tab is closed
    }
  },
  remove: (key) => {
    memory.delete(key);
    local()?.removeItem(key);
  },
};

/** Forget everything of one person: drafts and what waits to be sent. */
export function forgetPerson(userId: string): void {
  for (const key of storage.keys()) if (key.includes(`.${userId}.`)) storage.remove(key);
}

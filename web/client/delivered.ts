/** Tells the server how far this device has each group: at once, then every three seconds while messages keep coming. */
import type { Connection } from "./connection.ts";
import { ConnectionLost, RefusedError } from "./errors.ts";
import type { Group, Id } from "./protocol.gen.ts";
import type { Timers } from "./timers.ts";

const INTERVAL_MS = 3000;
/** So long what is due waits for the next event, with which it goes: by itself it wakes an idle server, which costs several times as much. */
const WAIT_FOR_EVENT_MS = 500;
/** Groups that one command may name. */
const MAX_MARKS = 200;

export class DeliveredMarks {
  private told = new Map<Id, number>();
  private waiting = new Map<Id, number>();
  private isPaused = false;

  constructor(
    private connection: Connection,
    private timers: Timers,
  ) {}

  /** Note how far the groups are here, and tell what the server does not know yet. */
  note(groups: Iterable<Group>): void {
    for (const { group_id, seq, delivered_seq, read_seq } of groups) {
      const known = Math.max(delivered_seq, read_seq, this.told.get(group_id) ?? 0); // reading implies having
      if (seq > known) this.waiting.set(group_id, seq);
      else this.waiting.delete(group_id);
    }
    if (!this.isPaused) this.tell();
  }

  /** Forget all: somebody else may log in. */
  clear(): void {
    this.told.clear();
    this.waiting.clear();
  }

  private tell(): void {
    const marks = [...this.waiting].slice(0, MAX_MARKS).map(([group_id, after]) => ({ group_id, after }));
    if (!marks.length) return;
    for (const { group_id, after } of marks) {
      this.waiting.delete(group_id);
      this.told.set(group_id, after);
    }
    this.connection.request("Delivered", { marks }).catch((error: unknown) => {
      if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
      for (const { group_id } of marks) this.told.delete(group_id); // the next list or event tells it again
    });
    this.isPaused = true;
    this.timers.after(INTERVAL_MS, () => {
      this.isPaused = false;
      this.timers.after(WAIT_FOR_EVENT_MS, () => {
        if (!this.isPaused) this.tell();
      });
    });
  }
}

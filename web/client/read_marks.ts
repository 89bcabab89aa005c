/** Tells the server how far the person has read: at once, and while more comes only every now and then, the latest place. */
import type { Connection } from "./connection.ts";
import { ignoreLoss } from "./errors.ts";
import type { Id } from "./protocol.gen.ts";
import type { Timers } from "./timers.ts";

/** Between two marks: a flood that is read as it comes would cost one for each drawing. */
const INTERVAL_MS = 300;

export class ReadMarks {
  private waiting = new Map<Id, number>();
  private isPaused = false;

  constructor(
    private connection: Connection,
    private timers: Timers,
  ) {}

  /** Note that everything up to a place is read. */
  note(groupId: Id, seq: number): void {
    this.waiting.set(groupId, seq);
    if (!this.isPaused) this.tell();
  }

  /** Tell what waits, now: the page may be about to go. */
  flush(): void {
    for (const [group_id, seq] of this.waiting) this.connection.request("MarkRead", { group_id, seq }).catch(ignoreLoss); // the next look at the chat marks it again
    this.waiting.clear();
  }

  /** Forget what waits: somebody else may log in. */
  clear(): void {
    this.waiting.clear();
  }

  private tell(): void {
    if (!this.waiting.size) return;
    this.flush();
    this.isPaused = true;
    this.timers.after(INTERVAL_MS, () => {
      this.isPaused = false;
      this.tell();
    });
  }
}

/** The commands that wait for their answer. */
import { type Event, type Frame, isEvent } from "./codec.ts";
import { RefusedError } from "./errors.ts";
import type { Refused } from "./protocol.gen.ts";

const MAX_REQUEST_ID = 0xffffffff;

/** A reply, and the events that came as parts of the answer. */
export interface Answer {
  reply: Frame["body"];
  events: Event[];
}

interface Pending {
  events: Event[];
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

export class PendingRequests {
  private pending = new Map<number, Pending>();
  private last = 0;

  get size(): number {
    return this.pending.size;
  }

  /** A request id that nobody waits under, and the promise of its answer. */
  open(): { requestId: number; answer: Promise<Answer> } {
    do this.last = this.last === MAX_REQUEST_ID ? 1 : this.last + 1;
    while (this.pending.has(this.last));
    const requestId = this.last;
    const answer = new Promise<Answer>((resolve, reject) => this.pending.set(requestId, { events: [], resolve, reject }));
    return { requestId, answer };
  }

  /** Take a frame with a request id; one that nobody asked for is dropped. */
  take(frame: Frame): void {
    const request = this.pending.get(frame.requestId);
    if (!request) return;
    if (isEvent(frame.number)) {
      if (frame.name) request.events.push(frame as unknown as Event);
      return;
    }
    this.pending.delete(frame.requestId);
    if (frame.name === "Refused") request.reject(new RefusedError(frame.body as unknown as Refused));
    else request.resolve({ reply: frame.body, events: request.events });
  }

  /** End every wait with an error. */
  fail(error: Error): void {
    const all = [...this.pending.values()];
    this.pending.clear();
    for (const request of all) request.reject(error);
  }
}

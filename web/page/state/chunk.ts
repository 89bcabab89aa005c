/** Parts of the script that are fetched when they are needed first, or when there is time for them. */
import { signal } from "@preact/signals";
import { hooks } from "./session.ts";

export class Chunk<M> {
  /** What it exports; null: it is not here yet. */
  readonly module = signal<M | null>(null);
  /** Whether the last try to fetch it failed: there is no network, or a newer server has other files. */
  readonly isMissing = signal(false);
  private isFetching = false;

  constructor(private load: () => Promise<M>) {
    hooks.online.push(() => this.isMissing.peek() && void this.fetch());
  }

  /** Fetch it, unless it is here or on its way; a failure is told by `isMissing`, and tried again with the next connection. */
  async fetch(): Promise<void> {
    if (this.module.peek() || this.isFetching) return;
    this.isFetching = true;
    this.isMissing.value = false;
    try {
      this.module.value = await this.load();
    } catch (error) {
      console.warn(error);
      this.isMissing.value = true;
    } finally {
      this.isFetching = false;
    }
  }
}

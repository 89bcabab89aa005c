/** One conversation: an unbroken range of its events as rows, from some place to the head. */
import { batch, signal } from "@preact/signals";
import type { Connection } from "../../client/connection.ts";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { OutboxEntry } from "../../client/outbox.ts";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { type AnyEvent, type Sync, unreadIn } from "../../client/sync.ts";
import { type Row, RowModel } from "./rows.ts";

const FIRST_PAGE = 60;
const PAGE = 200;
/** Rows that one turn of the page fetches at least, however many reactions and openings lie between. */
const WANTED_ROWS = 30;
/** Unread events up to which the divider is fetched at once. */
const MAX_UNREAD_EVENTS = 1000;
const MAX_ROWS = 2000;
const MAX_KEPT_ROWS = 60;

export interface KeptRows {
  rows: readonly Row[];
  last: number;
}

export class Conversation {
  rows = signal<readonly Row[]>([]);
  isLoaded = signal(false);
  /** Whether the oldest row is the first that one may read. */
  isComplete = signal(false);
  loadFailure = signal("");
  /** The place after which the divider stands; 0: there is none. */
  dividerAfter = signal(0);
  /** Messages that are stored, and whose event has not come yet; or whose event came, and whose answer has not. */
  settling = signal<readonly (OutboxEntry & { seq: number })[]>([]);
  hidden = signal<ReadonlySet<string>>(new Set());
  pendingOf: () => readonly OutboxEntry[] = () => [];

  /** Whether what is shown was kept from an earlier time, and is to be loaded anew. */
  isOld = false;

  private model: RowModel;
  private first = 0;
  private last = 0;
  private loading = false;

  constructor(
    readonly groupId: Id,
    private myId: Id,
    private connection: Connection,
    private sync: Sync,
  ) {
    this.model = new RowModel(myId);
  }

  /** The newest place that is known here. */
  get lastSeq(): number {
    return this.last;
  }

  enter(group: Group): void {
    this.dividerAfter.value = unreadIn(group) ? group.read_seq : 0;
  }

  leave(): void {
    this.dividerAfter.value = 0;
    // Rows that are on their way go before those that are first now.
    if (!this.loading && this.model.trim(MAX_ROWS)) {
      this.first = this.model.rows[0]!.seq;
      this.isComplete.value = false;
    }
    this.rows.value = this.model.rows;
  }

  /** What the browser keeps of it for where there is no network. */
  keepable(): KeptRows {
    return { rows: this.model.rows.slice(-MAX_KEPT_ROWS), last: this.last };
  }

  /** Show what was kept, until the server can be asked. */
  restore({ rows, last }: KeptRows): void {
    this.model.rows = [...rows];
    this.first = rows[0]?.seq ?? 0;
    this.last = last;
    this.isOld = true;
    batch(() => {
      this.rows.value = this.model.rows;
      this.isLoaded.value = true;
    });
  }

  /** Too much was missed to go on from here: load it anew, now or after what is being fetched, or with the next login. */
  fallBehind(): void {
    this.isOld = true;
    const group = this.sync.groups.get(this.groupId);
    if (group) void this.loadNewest(group);
  }

  /** Load the newest page, and what is unread before it; then follow what comes. */
  async loadNewest(group: Group): Promise<void> {
    if (this.loading) return;
    this.loading = true;
    this.loadFailure.value = "";
    try {
      const { reply, events } = await this.connection.requestPage("History", { group_id: this.groupId, newest: true, limit: FIRST_PAGE });
      this.model = new RowModel(this.myId);
      this.model.append(events);
      this.isOld = false;
      this.first = reply.first;
      this.last = reply.last || group.seq;
      let fetched = events.length;
      let complete = !reply.more;
      const unread = unreadIn(group) > 0;
      while (!complete && ((unread && this.first > group.read_seq && fetched < MAX_UNREAD_EVENTS) || this.model.rows.length < WANTED_ROWS)) {
        complete = await this.fetchBefore();
        fetched += PAGE;
      }
      batch(() => {
        this.isComplete.value = complete;
        this.rows.value = this.model.rows;
        this.isLoaded.value = true;
        this.settling.value = this.settling.value.filter((entry) => entry.seq > this.last);
      });
      this.sync.follow(this.groupId, this.last);
    } catch (error) {
      this.failed(error);
    } finally {
      this.loading = false;
    }
  }

  /** Fetch older rows. Answers whether there are some now; drawing them is the caller's, in one step with the window. */
  async fetchOlder(): Promise<boolean> {
    if (this.loading || this.isComplete.value || !this.isLoaded.value) return false;
    this.loading = true;
    try {
      const before = this.model.rows.length;
      let complete = false;
      while (!complete && this.model.rows.length < before + WANTED_ROWS) complete = await this.fetchBefore();
      this.isComplete.value = complete;
      return this.model.rows.length > before;
    } catch (error) {
      this.failed(error);
      return false;
    } finally {
      this.loading = false;
      if (this.isOld) this.fallBehind();
    }
  }

  /** Show what `fetchOlder` fetched. */
  publish(): void {
    this.rows.value = this.model.rows;
  }

  /** Load everything down to a place, as far as one may read. */
  async loadTo(seq: number): Promise<void> {
    while (this.first > seq && !this.isComplete.value && (await this.fetchOlder()));
    this.publish();
  }

  take(events: readonly AnyEvent[]): void {
    this.model.append(events);
    for (const event of events) {
      this.last = Math.max(this.last, (event.body as { seq: number }).seq);
      if (event.name === "Message" && event.body.sender_id === this.myId) this.hidePending(event.body.text, event.body.media?.id ?? null);
    }
    batch(() => {
      this.rows.value = this.model.rows;
      if (this.settling.value.length) this.settling.value = this.settling.value.filter((entry) => entry.seq > this.last);
    });
  }

  /** A message of mine is stored: show it as waiting until its event is here, so that nothing flickers. */
  stored(entry: OutboxEntry, seq: number): void {
    const hidden = new Set(this.hidden.value);
    hidden.delete(entry.key);
    batch(() => {
      if (seq > this.last) this.settling.value = [...this.settling.value, { ...entry, seq }];
      this.hidden.value = hidden;
    });
  }

  /** The event of a message came before its answer: do not show it twice meanwhile. */
  private hidePending(text: string, mediaId: Id | null): void {
    const entry = this.pendingOf().find((waiting) => !waiting.refusal && waiting.text === text && waiting.mediaId === mediaId && !this.hidden.value.has(waiting.key));
    if (entry) this.hidden.value = new Set([...this.hidden.value, entry.key]);
  }

  /** One page before the first; answers whether that is the beginning. */
  private async fetchBefore(): Promise<boolean> {
    const { reply, events } = await this.connection.requestPage("History", { group_id: this.groupId, before: this.first, newest: true, limit: PAGE });
    if (reply.first) this.first = reply.first;
    this.model.prepend(events);
    return !reply.more || !reply.first;
  }

  private failed(error: unknown): void {
    if (error instanceof RefusedError) this.loadFailure.value = error.message;
    else if (!(error instanceof ConnectionLost)) throw error; // the next login loads again
  }
}

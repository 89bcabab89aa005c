/** Messages that are not stored by the server yet: kept under one client id until they are, over reloads too. */
import { fromHex, makeClientId, toHex } from "./client_id.ts";
import type { Connection } from "./connection.ts";
import { LoggedOut, RefusedError } from "./errors.ts";
import type { Id, SendExtra } from "./protocol.gen.ts";

/** Where the outbox keeps its entries, each under a key of its own, so that two tabs do not overwrite each other. */
export interface Store {
  keys(): string[];
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

export interface OutboxEntry {
  /** The client id as hex: its first digits are the time, so that keys sort by it. */
  key: string;
  groupId: Id;
  text: string;
  /** The medium to send with `text` as its caption, or null. */
  mediaId: Id | null;
  extra: SendExtra | null;
  /** When it was written, on the server's clock. */
  at: number;
  /** Why it was refused, or null while it waits. */
  refusal: { code: string; message: string } | null;
}

/** Entries that one person may have waiting. */
export const MAX_ENTRIES = 200;

export class OutboxFull extends Error {
  override name = "OutboxFull";
}

export class Outbox {
  private entries: OutboxEntry[] = [];
  private sending = new Set<Id>();
  private prefix: string;

  constructor(
    private connection: Connection,
    private store: Store,
    userId: Id,
    private changed: (entries: readonly OutboxEntry[]) => void,
    private stored: (entry: OutboxEntry, seq: number) => void = () => {},
  ) {
    this.prefix = `chatsrv.outbox.${userId}.`;
    for (const key of store.keys().filter((name) => name.startsWith(this.prefix)).sort()) {
      const entry = parseEntry(store.get(key));
      if (entry) this.entries.push(entry);
    }
  }

  /** Send what waits: after every login. */
  flush(): void {
    this.changed(this.entries);
    for (const groupId of new Set(this.entries.map((entry) => entry.groupId))) void this.sendGroup(groupId);
  }

  /** Keep a message and send it as soon as possible. Throws OutboxFull. */
  add(message: Pick<OutboxEntry, "groupId" | "text" | "mediaId" | "extra">): void {
    if (this.entries.length >= MAX_ENTRIES) throw new OutboxFull(`${MAX_ENTRIES} messages wait already`);
    const at = this.connection.now();
    this.save({ ...message, key: toHex(makeClientId(at)), at, refusal: null });
    void this.sendGroup(message.groupId);
  }

  /** Send a refused message again, as a new one. */
  retry(key: string): void {
    const entry = this.entries.find((known) => known.key === key);
    if (!entry?.refusal) return;
    this.discard(key);
    this.add(entry);
  }

  /** Forget a message that was refused. */
  discard(key: string): void {
    this.store.remove(this.prefix + key);
    this.entries = this.entries.filter((entry) => entry.key !== key);
    this.changed(this.entries);
  }

  private save(entry: OutboxEntry): void {
    this.store.set(this.prefix + entry.key, JSON.stringify(entry));
    const known = this.entries.some(({ key }) => key === entry.key);
    this.entries = known ? this.entries.map((old) => (old.key === entry.key ? entry : old)) : [...this.entries, entry];
    this.changed(this.entries);
  }

  /** One message of a group at a time, so that they keep their order whatever happens to one. */
  private async sendGroup(groupId: Id): Promise<void> {
    if (this.sending.has(groupId)) return;
    this.sending.add(groupId);
    try {
      for (;;) {
        const entry = this.entries.find((waiting) => waiting.groupId === groupId && !waiting.refusal);
        if (!entry) return;
        await this.send(entry);
      }
    } catch (error) {
      if (!(error instanceof LoggedOut)) throw error;
    } finally {
      this.sending.delete(groupId);
    }
  }

  private async send(entry: OutboxEntry): Promise<void> {
    const id = fromHex(entry.key);
    const { groupId: group_id, extra, text, mediaId } = entry;
    try {
      const sent = mediaId
        ? await this.connection.change("SendMedia", { group_id, media_id: mediaId, caption: text, extra }, id)
        : await this.connection.change("Send", { group_id, text, extra }, id);
      this.stored(entry, sent.seq);
      this.discard(entry.key);
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      this.save({ ...entry, refusal: { code: error.code, message: error.message } });
    }
  }
}

function parseEntry(text: string | null): OutboxEntry | null {
  try {
    const entry = JSON.parse(text ?? "null") as OutboxEntry | null;
    return entry && /^[0-9a-f]{32}$/.test(entry.key) && typeof entry.text === "string" ? entry : null;
  } catch {
    return null;
  }
}

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
  /** The name of a file that has to be up before this can be sent, or null. Its bytes do not survive a reload. */
  fileName: string | null;
  extra: SendExtra | null;
  /** When it was written, on the server's clock. */
  at: number;
  /** Why it was refused, or null while it waits. */
  refusal: { code: string; message: string } | null;
}

/** The code of an entry whose file was not up when its page was closed: a refusal of our own, not of the server. */
export const FILE_LOST = "file_lost";

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
      // Not written to the store: another tab may still be uploading it.
      if (entry) this.entries.push(waitsForFile(entry) && !entry.refusal ? { ...entry, refusal: LOST } : entry);
    }
  }

  /** Send what waits: after every login. */
  flush(): void {
    this.changed(this.entries);
    for (const groupId of new Set(this.entries.map((entry) => entry.groupId))) void this.sendGroup(groupId);
  }

  /** Keep a message and send it as soon as possible, or once its file is up. Answers its key. Throws OutboxFull. */
  add(message: Pick<OutboxEntry, "groupId" | "text" | "mediaId" | "extra"> & { fileName?: string | null }): string {
    if (this.entries.length >= MAX_ENTRIES) throw new OutboxFull(`${MAX_ENTRIES} messages wait already`);
    const { groupId, text, mediaId, extra, fileName = null } = message;
    const at = this.connection.now();
    const key = toHex(makeClientId(at));
    this.save({ key, groupId, text, mediaId, fileName, extra, at, refusal: null });
    void this.sendGroup(groupId);
    return key;
  }

  /** The file of a message is being uploaded (again): it waits for it. */
  expectFile(key: string, fileName: string): void {
    const entry = this.entries.find((known) => known.key === key);
    if (entry && waitsForFile(entry)) this.save({ ...entry, fileName, refusal: null });
  }

  /** The file of a message is up: it can go. */
  fileIsUp(key: string, mediaId: Id): void {
    const entry = this.entries.find((known) => known.key === key);
    if (!entry || !waitsForFile(entry)) return;
    this.save({ ...entry, mediaId, refusal: null });
    void this.sendGroup(entry.groupId);
  }

  /** The file of a message will not come: its caption stays, with that fact. */
  fileIsLost(key: string): void {
    const entry = this.entries.find((known) => known.key === key);
    if (entry && waitsForFile(entry)) this.save({ ...entry, refusal: LOST });
  }

  /** Send a refused message again, as a new one. After `client_id_expired` the first may be stored: ask before. */
  retry(key: string): void {
    const entry = this.entries.find((known) => known.key === key);
    if (!entry?.refusal || waitsForFile(entry)) return;
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
        const entry = nextOf(this.entries, groupId);
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

const LOST = { code: FILE_LOST, message: "The file was not uploaded." };

export function waitsForFile(entry: OutboxEntry): boolean {
  return entry.fileName !== null && entry.mediaId === null;
}

/** The next message of a group: texts do not wait for files on their way up, files wait for those before them. */
function nextOf(entries: readonly OutboxEntry[], groupId: Id): OutboxEntry | undefined {
  let hasWaitingFile = false;
  for (const entry of entries) {
    if (entry.groupId !== groupId || entry.refusal) continue;
    if (waitsForFile(entry)) hasWaitingFile = true;
    else if (!entry.mediaId || !hasWaitingFile) return entry;
  }
  return undefined;
}

function parseEntry(text: string | null): OutboxEntry | null {
  try {
    const entry = JSON.parse(text ?? "null") as OutboxEntry | null;
    return entry && /^[0-9a-f]{32}$/.test(entry.key) && typeof entry.text === "string" ? { ...entry, fileName: entry.fileName ?? null } : null;
  } catch {
    return null;
  }
}

/** What a conversation shows: events to rows, in one table. Rows hold facts and no sentences, since the language can change. */
import type { AnyEvent, SequenceEvent } from "../../client/sync.ts";
import type { Id, MediaHead, Message, MessageExtra, PacketHead } from "../../client/protocol.gen.ts";

export type PacketState = "live" | "taken" | "exhausted" | "expired";

export interface Reaction {
  emoji: string;
  people: { id: Id; name: string }[];
}

interface RowBase {
  /** The event's place, which names the row. */
  seq: number;
  id: Id;
  at: number;
  senderId: Id;
  sender: string;
}

export interface MessageRow extends RowBase {
  kind: "message";
  text: string;
  extra: MessageExtra | null;
  media: MediaHead | null;
  /** What the message's kind is, as Message says. */
  messageKind: number;
  recalled: boolean;
  edited: boolean;
  editedSeq: number;
  reactions: Reaction[];
}

export interface PacketRow extends RowBase {
  kind: "packet";
  greeting: string;
  packet: PacketHead;
  state: PacketState;
}

export interface SystemRow extends RowBase {
  kind: "system";
  event: SequenceEvent;
}

export type Row = MessageRow | PacketRow | SystemRow;

const NO_EXTRA: MessageExtra = { reply_to: null, mentions: [], mention_all: false, forwarded: null, edited_seq: 0, edited_at: 0, recalled: false };

/** What the events of a group say about rows that stand elsewhere. */
export class RowModel {
  rows: Row[] = [];
  private packets = new Map<Id, PacketState>();
  private reactions = new Map<number, Map<string, { seq: number; on: boolean; id: Id; name: string; emoji: string }>>();

  constructor(private myId: Id) {}

  /** Take events that follow those there are. */
  append(events: readonly AnyEvent[]): void {
    const made: Row[] = [];
    for (const event of events) {
      this.note(event, made);
      const row = this.make(event);
      if (row) made.push(row);
    }
    this.rows = [...this.rows, ...made];
  }

  /** Take events that come before those there are. */
  prepend(events: readonly AnyEvent[]): void {
    const made: Row[] = [];
    for (const event of events) {
      this.note(event, made);
      const row = this.make(event);
      if (row) made.push(row);
    }
    this.rows = [...made, ...this.rows];
  }

  /** Keep the newest rows only; answers whether older ones went. */
  trim(most: number): boolean {
    if (this.rows.length <= most) return false;
    this.rows = this.rows.slice(-most);
    return true;
  }

  private make(event: AnyEvent): Row | null {
    if (!event.name || !("sent_at" in event.body)) return null;
    const { seq, id, sent_at: at, sender_id: senderId, sender } = (event as SequenceEvent).body;
    const base = { seq, id, at, senderId, sender };
    switch (event.name) {
      case "Message":
        return this.makeMessage(base, event.body);
      case "Edited":
      case "Recalled":
      case "Reacted":
      case "PacketExpired":
      case "NicknameChanged":
      case "RulesChanged":
        return null;
      default:
        return { ...base, kind: "system", event: event as SequenceEvent };
    }
  }

  private makeMessage(base: RowBase, message: Message): Row {
    if (message.packet) {
      const state = this.packets.get(message.packet.packet_id) ?? "live";
      return { ...base, kind: "packet", greeting: message.text, packet: message.packet, state };
    }
    const { extra, media, text, kind: messageKind } = message;
    const recalled = extra?.recalled ?? false;
    const edited = (extra?.edited_seq ?? 0) > 0;
    const reactions = this.reactionsOf(base.seq);
    return { ...base, kind: "message", text, extra, media, messageKind, recalled, edited, editedSeq: extra?.edited_seq ?? 0, reactions };
  }

  /** Keep what an event says about other rows, among `made` and among those there are. */
  private note(event: AnyEvent, made: Row[]): void {
    switch (event.name) {
      case "PacketOpened":
        if (event.body.sender_id === this.myId) this.setPacket(event.body.packet_id, "taken", made);
        return;
      case "PacketExhausted":
        return this.setPacket(event.body.packet_id, "exhausted", made);
      case "PacketExpired":
        return this.setPacket(event.body.packet_id, "expired", made);
      case "Reacted": {
        const { of, emoji, sender_id: id, sender: name, seq, on } = event.body;
        const marks = this.reactions.get(of) ?? new Map<string, { seq: number; on: boolean; id: Id; name: string; emoji: string }>();
        this.reactions.set(of, marks);
        const key = `${id} ${emoji}`;
        if ((marks.get(key)?.seq ?? 0) >= seq) return;
        marks.set(key, { seq, on, id, name, emoji });
        return this.amend(made, (row) => row.seq === of, (row) => (row.kind === "message" ? { ...row, reactions: this.reactionsOf(of) } : row));
      }
      case "Edited": {
        const { of, text, edited_seq, edited_at, mentions, mention_all } = event.body;
        this.amend(made, (row) => row.seq === of, (row) => {
          if (row.kind !== "message" || row.recalled || row.editedSeq > edited_seq) return row;
          const extra = { ...(row.extra ?? NO_EXTRA), edited_seq, edited_at, mentions, mention_all };
          return { ...row, text, extra, edited: true, editedSeq: edited_seq };
        });
        return this.amendQuotes(made, of, text, edited_seq);
      }
      case "Recalled": {
        const { of } = event.body;
        this.reactions.delete(of);
        this.amend(made, (row) => row.seq === of, (row) =>
          row.kind !== "message" ? row : { ...row, text: "", media: null, extra: null, recalled: true, reactions: [] },
        );
        return this.amendQuotes(made, of, "", Infinity);
      }
    }
  }

  /** Give quotes of a message the words of an edit, unless they were made after it. */
  private amendQuotes(made: Row[], of: number, excerpt: string, editedSeq: number): void {
    this.amend(made, (row) => row.kind === "message" && row.extra?.reply_to?.of === of, (row) => {
      if (row.kind !== "message" || !row.extra?.reply_to || row.extra.reply_to.edited_seq >= editedSeq) return row;
      return { ...row, extra: { ...row.extra, reply_to: { ...row.extra.reply_to, excerpt: Array.from(excerpt).slice(0, 200).join("") } } };
    });
  }

  private setPacket(packetId: Id, state: PacketState, made: Row[]): void {
    const before = this.packets.get(packetId);
    if (before === "exhausted" || before === "expired") return;
    this.packets.set(packetId, state);
    this.amend(made, (row) => row.kind === "packet" && row.packet.packet_id === packetId, (row) => (row.kind === "packet" ? { ...row, state } : row));
  }

  private reactionsOf(seq: number): Reaction[] {
    const by = new Map<string, Reaction>();
    for (const mark of this.reactions.get(seq)?.values() ?? []) {
      if (!mark.on) continue;
      const reaction = by.get(mark.emoji) ?? { emoji: mark.emoji, people: [] };
      by.set(mark.emoji, { ...reaction, people: [...reaction.people, { id: mark.id, name: mark.name }] });
    }
    return [...by.values()];
  }

  /** Rows are replaced, never changed: what draws them compares objects. */
  private amend(made: Row[], which: (row: Row) => boolean, change: (row: Row) => Row): void {
    for (const [at, row] of made.entries()) if (which(row)) made[at] = change(row);
    if (this.rows.some(which)) this.rows = this.rows.map((row) => (which(row) ? change(row) : row));
  }
}

/** The index of the first row at or above a place. */
export function indexOfSeq(rows: readonly Row[], seq: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle]!.seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a message calls somebody, by name or with everybody. */
export function calls(row: MessageRow, userId: Id): boolean {
  return row.senderId !== userId && !!row.extra && (row.extra.mention_all || row.extra.mentions.includes(userId));
}

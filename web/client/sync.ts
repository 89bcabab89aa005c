/** The groups of one person, and the events of those that are followed: in order, without gaps, once. */
import { type Event, type Frame, isSequenceEvent, type UnknownEvent } from "./codec.ts";
import type { Connection } from "./connection.ts";
import { ConnectionLost, isTransient, RefusedError } from "./errors.ts";
import type { Group, Id, Message } from "./protocol.gen.ts";
import { ReadMarks } from "./read_marks.ts";
import { OwnTimers, type Timers } from "./timers.ts";

export type SequenceEvent = Extract<Event, { body: { group_id: Id; seq: number; sent_at: number } }>;
export type AnyEvent = Event | UnknownEvent;

export interface Sink {
  /** The groups changed: what is in the map, which values are replaced and never changed. */
  groupsChanged(groups: ReadonlyMap<Id, Group>): void;
  /** The next events of a group that is followed. */
  eventsArrived(groupId: Id, events: AnyEvent[]): void;
  /** Too much was missed to fetch it all: load the newest page and follow again. */
  fellBehind(groupId: Id): void;
  /** An event outside every sequence. */
  personalEvent(event: Event): void;
}

/** Events that one gap may have before the group is loaded anew. */
const MAX_GAP = 1000;
/** Events held back above a gap, in each group. */
const MAX_HELD = 500;
const PAGE = 200;
const PREVIEW_CHARACTERS = 60;
/** The least pause before what a busy server refused is asked again. */
const RETRY_MS = 1000;
/** Events kept while the list of groups is fetched; if there were more, it is fetched once more. */
const MAX_MEANWHILE = 5000;

interface Follower {
  last: number;
  held: Map<number, AnyEvent>;
  filling: boolean;
}

export class Sync {
  groups = new Map<Id, Group>();
  /** What the server is told of `markRead`. */
  readonly readMarks: ReadMarks;
  private followers = new Map<Id, Follower>();
  /** The events that came since each fetch of the list under way began: its pages may be older than they are. */
  private meanwhile = new Set<Event[]>();

  constructor(
    private connection: Connection,
    private sink: Sink,
    private timers: Timers = new OwnTimers(),
  ) {
    this.readMarks = new ReadMarks(connection, timers);
  }

  /** Deliver every event of a group above `last` from now on. */
  follow(groupId: Id, last: number): void {
    this.followers.set(groupId, { last, held: new Map(), filling: false });
    const group = this.groups.get(groupId);
    if (group && group.seq > last) void this.fill(groupId);
  }

  unfollow(groupId: Id): void {
    this.followers.delete(groupId);
  }

  /** Fetch the list of groups, then what followed groups lack: after each login and each Lagging. */
  async refresh(): Promise<void> {
    const meanwhile: Event[] = [];
    this.meanwhile.add(meanwhile);
    try {
      const groups = new Map<Id, Group>();
      let after = "0" as Id;
      for (;;) {
        const reply = await this.connection.request("ListGroups", { since: 0, after });
        for (const group of reply.groups) if (group.role) groups.set(group.group_id, group);
        after = reply.groups.at(-1)?.group_id ?? after;
        if (!reply.more) break;
      }
      if (meanwhile.length > MAX_MEANWHILE) this.timers.after(RETRY_MS, () => void this.refresh());
      const before = this.groups;
      this.groups = groups;
      for (const event of meanwhile) this.changeList(event);
      // The server may not have what was read here yet: its mark is on its way, or was lost with a connection.
      for (const { group_id, read_seq } of before.values()) this.moveRead(group_id, read_seq);
    } catch (error) {
      return this.tryLater(error, () => void this.refresh());
    } finally {
      this.meanwhile.delete(meanwhile);
    }
    this.sink.groupsChanged(this.groups);
    for (const groupId of [...this.followers.keys()]) {
      if (!this.groups.has(groupId)) this.unfollow(groupId);
      else void this.fill(groupId);
    }
  }

  /** Take live frames, in the order they came. */
  take(frames: readonly Frame[]): void {
    let listChanged = false;
    const arrived = new Map<Id, AnyEvent[]>();
    for (const frame of frames) {
      const event = frame as unknown as AnyEvent;
      listChanged = this.changeList(event) || listChanged;
      for (const events of this.meanwhile) if (events.length <= MAX_MEANWHILE) events.push(event as Event);
      if (isSequenceEvent(frame.number)) {
        const { group_id } = (event as UnknownEvent).body;
        const next = this.inOrder(group_id, event);
        if (next.length) arrived.set(group_id, [...(arrived.get(group_id) ?? []), ...next]);
      } else if (frame.name) this.tell(event as Event);
    }
    if (listChanged) this.sink.groupsChanged(this.groups);
    for (const [groupId, events] of arrived) this.sink.eventsArrived(groupId, events);
  }

  /** Move the cursor: here at once, and on the server soon. */
  markRead(groupId: Id, seq: number): void {
    if (this.moveRead(groupId, seq)) this.sink.groupsChanged(this.groups);
  }

  /** Answers whether the cursor moved. */
  private moveRead(groupId: Id, seq: number): boolean {
    const group = this.groups.get(groupId);
    if (!group || group.read_seq >= seq) return false;
    this.replace(groupId, { read_seq: seq, read_ordinal: seq >= group.seq ? group.ordinal : group.read_ordinal, own_above: seq >= group.seq ? 0 : group.own_above, mentions: 0 });
    this.readMarks.note(groupId, seq);
    return true;
  }

  /** After a loss the next login asks again; what a busy server refused is asked again after a pause. */
  private tryLater(error: unknown, run: () => void): void {
    if (isTransient(error)) this.timers.after(Math.max(RETRY_MS, error.retryAfter), run);
    else if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
  }

  private replace(groupId: Id, change: Partial<Group>): void {
    const group = this.groups.get(groupId);
    if (group) this.groups.set(groupId, { ...group, ...change });
  }

  /** What an event of a group does to the list. */
  private advance(event: SequenceEvent): boolean {
    const { group_id, seq } = event.body;
    const group = this.groups.get(group_id);
    if (!group || seq <= group.seq) return false;
    const mine = event.body.sender_id === this.connection.me?.user_id;
    const change: Partial<Group> = { seq };
    if (event.name) change.ordinal = event.body.ordinal;
    if (event.name === "Message") {
      change.last = preview(event.body);
      if (mine) change.own_above = group.own_above + 1;
      else if (this.callsMe(event.body)) change.mentions = group.mentions + 1;
    } else if (event.name === "GroupRenamed") change.name = event.body.name;
    else if (event.name === "RulesChanged") change.rules = event.body.rules;
    else if (event.name === "AvatarSet") change.avatar = event.body.media_id;
    else if (event.name === "MembersAdded") change.members = group.members + event.body.members.length;
    else if (event.name === "MemberRemoved" || event.name === "UserBanned") change.members = Math.max(1, group.members - 1);
    else if (event.name === "RoleChanged" && event.body.member.user_id === this.connection.me?.user_id) change.role = event.body.role;
    else if (event.name === "OwnerChanged") {
      if (event.body.member.user_id === this.connection.me?.user_id) change.role = 3;
      else if (mine) change.role = 2;
    } else if (event.name === "MemberMuted" && event.body.member.user_id === this.connection.me?.user_id) change.muted_until = event.body.until;
    else if (event.name === "NicknameChanged" && mine) change.nickname = event.body.nickname;
    else if (event.name === "Recalled" && group.last?.seq === event.body.of) change.last = { ...group.last, text: "", recalled: true };
    else if (event.name === "Edited" && group.last?.seq === event.body.of) change.last = { ...group.last, text: cut(event.body.text) };
    this.replace(group_id, change);
    return true;
  }

  private callsMe(message: Message): boolean {
    const { extra } = message;
    return !!extra && (extra.mention_all || extra.mentions.includes(this.connection.me?.user_id ?? ("" as Id)));
  }

  /** Do to the list what an event does; answers whether it changed. An event that the list holds already changes nothing. */
  private changeList(event: AnyEvent): boolean {
    if (isSequenceEvent(event.number)) return this.advance(event as SequenceEvent);
    switch (event.name) {
      case "Added": {
        const { group } = event.body;
        if ((this.groups.get(group.group_id)?.seq ?? 0) > group.seq) return false;
        this.groups.set(group.group_id, group);
        return true;
      }
      case "Removed":
        return this.groups.delete(event.body.group_id);
      case "ReadMoved": {
        const { group_id, read_seq, read_ordinal, own_above } = event.body;
        const group = this.groups.get(group_id);
        if (!group || read_seq < group.read_seq) return false;
        this.replace(group_id, { read_seq, read_ordinal, own_above, mentions: read_seq >= group.seq ? 0 : group.mentions });
        return true;
      }
      case "QuietSet":
        this.replace(event.body.group_id, { quiet: event.body.quiet });
        return true;
      default:
        return false;
    }
  }

  /** Let others know of an event outside every sequence. */
  private tell(event: Event): void {
    if (event.name === "Lagging") void this.refresh();
    else if (event.name === "Removed") this.unfollow(event.body.group_id);
    this.sink.personalEvent(event);
  }

  /** The events of a group that are next in its sequence, now that this one came. */
  private inOrder(groupId: Id, event: AnyEvent): AnyEvent[] {
    const follower = this.followers.get(groupId);
    const { seq } = (event as UnknownEvent).body;
    if (!follower || seq <= follower.last) return [];
    if (seq > follower.last + 1 || follower.filling) {
      if (follower.held.size < MAX_HELD) follower.held.set(seq, event);
      void this.fill(groupId);
      return [];
    }
    follower.last = seq;
    return [event, ...this.release(follower)];
  }

  private release(follower: Follower): AnyEvent[] {
    const next: AnyEvent[] = [];
    for (let event = follower.held.get(follower.last + 1); event; event = follower.held.get(follower.last + 1)) {
      next.push(event);
      follower.last++;
    }
    for (const seq of follower.held.keys()) if (seq <= follower.last) follower.held.delete(seq);
    return next;
  }

  /** Fetch what is missing below the head of a group. */
  private async fill(groupId: Id): Promise<void> {
    const follower = this.followers.get(groupId);
    if (!follower || follower.filling) return;
    follower.filling = true;
    try {
      for (;;) {
        const head = Math.max(this.groups.get(groupId)?.seq ?? 0, ...follower.held.keys());
        if (head <= follower.last) return;
        if (head - follower.last > MAX_GAP) {
          this.unfollow(groupId);
          return this.sink.fellBehind(groupId);
        }
        const { reply, events } = await this.connection.requestPage("History", { group_id: groupId, after: follower.last, limit: PAGE });
        if (this.followers.get(groupId) !== follower) return;
        if (reply.last <= follower.last) return;
        const missed = events.filter((event) => (event as SequenceEvent).body.seq > follower.last);
        follower.last = reply.last;
        this.sink.eventsArrived(groupId, [...missed, ...this.release(follower)]);
      }
    } catch (error) {
      this.tryLater(error, () => void this.fill(groupId));
    } finally {
      follower.filling = false;
    }
  }
}

/** Messages above my cursor, without my own. */
export function unreadIn(group: Group): number {
  return Math.max(0, group.ordinal - group.read_ordinal - group.own_above);
}

function cut(text: string): string {
  return Array.from(text.slice(0, 2 * PREVIEW_CHARACTERS)).slice(0, PREVIEW_CHARACTERS).join("");
}

function preview(message: Message): NonNullable<Group["last"]> {
  const { seq, sender_id, sender, sent_at, kind, text } = message;
  return { seq, sender_id, sender, sent_at, kind, text: cut(text), recalled: message.extra?.recalled ?? false };
}

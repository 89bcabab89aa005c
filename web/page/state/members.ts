/** The members of groups: fetched when they are asked for, and again when a group's membership has changed. */
import { signal } from "@preact/signals";
import type { Group, Id, Member } from "../../client/protocol.gen.ts";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { connection, hooks } from "./session.ts";

/** Members that the list of names to mention goes through. */
const MAX_MENTIONABLE = 2000;
/** Fetches in a row of members who keep changing; what changes after the last is fetched when they are asked for again. */
const MAX_TRIES = 3;
/** Groups whose members are kept. */
const MAX_GROUPS = 20;

interface Known {
  members: readonly Member[];
  /** What the group said when they were fetched: another count means that they changed, though no event said so. */
  count: number;
  /** How many changes had been heard of when their fetch began. */
  changes: number;
}

const known = signal<ReadonlyMap<Id, Known>>(new Map());
const fetching = new Set<Id>();
const CHANGES = new Set(["MembersAdded", "MemberRemoved", "UserBanned", "NicknameChanged", "RoleChanged", "OwnerChanged", "MemberMuted"]);
const heard = signal<ReadonlyMap<Id, number>>(new Map());

/** How many changes of a group's members were heard of since the page was loaded. */
export function changesIn(groupId: Id): number {
  return heard.value.get(groupId) ?? 0;
}

hooks.taken.push((frames) => {
  const changed = frames.filter(({ name }) => CHANGES.has(name)).map(({ body }) => body["group_id"] as Id);
  if (!changed.length) return;
  const counts = new Map(heard.peek());
  for (const groupId of changed) counts.set(groupId, (counts.get(groupId) ?? 0) + 1);
  heard.value = counts;
});
hooks.forget.push(() => (known.value = new Map()));

/** All members of a group, by user id, up to `most`. Throws RefusedError and ConnectionLost. */
export async function fetchMembers(group_id: Id, most = Infinity): Promise<Member[]> {
  const all: Member[] = [];
  for (let more = true; more && all.length < most; ) {
    const page = await connection.request("ListMembers", { group_id, after: all.at(-1)?.user_id ?? ("0" as Id) });
    all.push(...page.members);
    more = page.more && page.members.length > 0;
  }
  return all;
}

/** Those whom a message can mention, as far as they are known here. */
export function mentionable(groupId: Id): readonly Member[] {
  return known.value.get(groupId)?.members ?? [];
}

/** Fetch those whom a message can mention, unless they are here. A loss of the connection is no failure: it is asked again. */
export async function learnMembers(group: Group): Promise<void> {
  const { group_id, members: count } = group;
  const now = known.value.get(group_id);
  if ((now?.count === count && now.changes === changesIn(group_id)) || fetching.has(group_id)) return;
  fetching.add(group_id);
  try {
    let members: Member[] = [];
    let changes = -1;
    for (let tries = 0; tries < MAX_TRIES && changes !== changesIn(group_id); tries++) {
      changes = changesIn(group_id);
      members = await fetchMembers(group_id, MAX_MENTIONABLE);
    }
    const others = [...known.value].filter(([id]) => id !== group_id).slice(1 - MAX_GROUPS);
    known.value = new Map([...others, [group_id, { members, count, changes }]]);
  } catch (error) {
    if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
  } finally {
    fetching.delete(group_id);
  }
}

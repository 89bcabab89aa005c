/** Whom the message that is being written mentions. */
import type { Group, Id, Member } from "../../client/protocol.gen.ts";
import { type Candidate, findMentions, nameKey } from "../../client/mentions.ts";
import { may } from "../../client/rights.ts";
import { mentionable } from "./members.ts";
import { me } from "./session.ts";
import { storage } from "./storage.ts";

const MAX_OFFERED = 8;

/** What can be chosen after a sign: a member, or null for everybody. */
export type Offer = Member | null;

const storageKey = (groupId: Id): string => `chatsrv.mentions.${me.peek()?.user_id ?? "0"}.${groupId}`;

/** Members whose name or nickname begins so, then those that contain it; everybody first, for whom the rules allow it. */
export function offersFor(group: Group, partial: string, everybody: string): Offer[] {
  const wanted = nameKey(partial);
  const others = mentionable(group.group_id).filter(({ user_id, disabled }) => user_id !== me.value?.user_id && !disabled);
  const keysOf = ({ name, nickname }: Member): string[] => [nameKey(name), nameKey(nickname)].filter(Boolean);
  const first = others.filter((member) => keysOf(member).some((key) => key.startsWith(wanted)));
  const then = wanted ? others.filter((member) => !first.includes(member) && keysOf(member).some((key) => key.includes(wanted))) : [];
  const all = may("MENTION_ALL", group) && nameKey(everybody).startsWith(wanted) ? [null] : [];
  return [...all, ...first, ...then].slice(0, MAX_OFFERED);
}

/** Keep whom the person chose with the draft: over a reload the members are not known at once. */
export function keepChosen(groupId: Id, { user_id, name, nickname }: Member): void {
  const kept = chosenIn(groupId).filter((one) => one.user_id !== user_id);
  storage.set(storageKey(groupId), JSON.stringify([...kept, { user_id, name, nickname }]));
}

export function forgetChosen(groupId: Id): void {
  storage.remove(storageKey(groupId));
}

function chosenIn(groupId: Id): Candidate[] {
  try {
    const kept = JSON.parse(storage.get(storageKey(groupId)) ?? "[]") as unknown;
    return Array.isArray(kept) ? kept.filter((one): one is Candidate => typeof (one as Candidate)?.name === "string" && typeof (one as Candidate).user_id === "string") : [];
  } catch {
    return [];
  }
}

/** Whom a text mentions: of those chosen and those known; everybody only where the rules allow it. */
export function mentionsIn(group: Group, text: string): { mentions: Id[]; mention_all: boolean } {
  const people = new Map<Id, Candidate>();
  for (const one of [...chosenIn(group.group_id), ...mentionable(group.group_id)]) people.set(one.user_id, one);
  const { mentions, all } = findMentions(text, [...people.values()]);
  return { mentions, mention_all: all && may("MENTION_ALL", group) };
}

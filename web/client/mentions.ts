/** Whom a text mentions: `@name` for a member, `@all` for everybody. The longest name that stands after the sign counts. */
import type { Id, Member } from "./protocol.gen.ts";

const EVERYBODY = new Set(["all", "everyone", "所有人", "全体成员", "全體成員", "全員", "みんな", "모두"]);
const SIGN = /(?<![@＠﹫])[@＠﹫](?=[^\s@＠﹫])/gu;
const WORD = /[\p{L}\p{N}\p{M}_]/u;
/** Scripts without spaces between words: a name may begin and end within what looks like one word. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const PARTIAL = /(?<![@＠﹫])[@＠﹫]([^\s@＠﹫]{0,64})$/u;

export type Candidate = Pick<Member, "user_id" | "name" | "nickname">;

/** How a name is compared: width, case and composition make no difference. */
export function nameKey(name: string): string {
  return name.normalize("NFKC").toLowerCase();
}

/** Whether a word goes on over this place, so that no name begins or ends there. */
function isInWord(text: string, place: number): boolean {
  const before = Array.from(text.slice(Math.max(0, place - 2), place)).at(-1) ?? "";
  const after = String.fromCodePoint(text.codePointAt(place) ?? 0x20);
  return WORD.test(before) && WORD.test(after) && !(UNSPACED.test(before) || UNSPACED.test(after));
}

/** Whether the sign at this place belongs to a word, as in a mail address. */
function isInAddress(text: string, sign: number): boolean {
  const before = Array.from(text.slice(Math.max(0, sign - 2), sign)).at(-1) ?? "";
  return WORD.test(before) && !UNSPACED.test(before);
}

/** The people whom a text mentions, in its order, and whether it mentions everybody. */
export function findMentions(text: string, people: readonly Candidate[]): { mentions: Id[]; all: boolean } {
  const known = new Map<string, readonly Id[] | "all">();
  for (const { user_id, nickname } of people) {
    const key = nameKey(nickname);
    const others = known.get(key);
    if (key) known.set(key, [...(Array.isArray(others) ? (others as Id[]) : []), user_id]);
  }
  for (const word of EVERYBODY) known.set(word, "all");
  for (const { user_id, name } of people) known.set(nameKey(name), [user_id]);
  const longest = Math.max(...[...known.keys()].map((key) => key.length));
  const found = new Set<Id>();
  let all = false;
  for (const { index } of text.matchAll(SIGN)) {
    if (isInAddress(text, index)) continue;
    for (let end = Math.min(text.length, index + 1 + 2 * longest); end > index + 1; end--) {
      if (isInWord(text, end)) continue;
      const who = known.get(nameKey(text.slice(index + 1, end)));
      if (!who) continue;
      if (who === "all") all = true;
      else for (const id of who) found.add(id);
      break;
    }
  }
  return { mentions: [...found], all };
}

/** What stands between the last sign and the end of `text`, while a name is being typed there; null: none is. */
export function partialMention(text: string): string | null {
  const match = PARTIAL.exec(text);
  return match && !isInAddress(text, match.index) ? (match[1] ?? "") : null;
}

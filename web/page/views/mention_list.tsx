/** The names that fit what is typed after an @: chosen by arrow keys and Enter, or by a click. */
import { useEffect, useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { partialMention } from "../../client/mentions.ts";
import { Avatar } from "../parts/avatar.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { learnMembers } from "../state/members.ts";
import { keepChosen, type Offer, offersFor } from "../state/mentions.ts";
import { words } from "../words/index.ts";

export const MENTION_LIST_ID = "mention-list";
export const optionId = (index: number): string => `${MENTION_LIST_ID}-${index}`;

export interface MentionPicker {
  offers: readonly Offer[];
  active: number;
  /** Look at the text before the caret again. */
  look(): void;
  /** Whether the key was for the list. */
  onKeyDown(event: KeyboardEvent): boolean;
  choose(offer: Offer): void;
}

/** `read` answers what stands before the caret; `write` puts a name in the place of what was typed of it. */
export function useMentions(group: Group, read: () => string, write: (typedLength: number, name: string) => void): MentionPicker {
  const [partial, setPartial] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  useEffect(() => setPartial(null), [group.group_id]);
  useEffect(() => {
    if (partial !== null) void learnMembers(group);
  }, [partial !== null, group.members]);
  const offers = partial === null ? [] : offersFor(group, partial, words.value.everybody);
  const choose = (offer: Offer): void => {
    write((partial ?? "").length, offer ? offer.name : words.value.everybody);
    if (offer) keepChosen(group.group_id, offer);
    setPartial(null);
  };
  return {
    offers,
    active: Math.min(active, offers.length - 1),
    look: () => {
      setPartial(partialMention(read()));
      setActive(0);
    },
    onKeyDown: (event) => {
      const { length } = offers;
      if (!length || event.isComposing) return false;
      const at = Math.min(active, length - 1);
      if (event.key === "ArrowDown") setActive((at + 1) % length);
      else if (event.key === "ArrowUp") setActive((at + length - 1) % length);
      else if (event.key === "Escape") setPartial(null);
      else if ((event.key === "Enter" || event.key === "Tab") && !event.shiftKey) choose(offers[at] ?? null);
      else return false;
      event.preventDefault();
      return true;
    },
    choose,
  };
}

export function MentionList({ picker: { offers, active, choose } }: { picker: MentionPicker }) {
  const { value: say } = words;
  if (!offers.length) return null;
  return (
    <ul class="mention-list" id={MENTION_LIST_ID} role="listbox" aria-label={say.mention}>
      {offers.map((offer, index) => (
        <li
          key={offer?.user_id ?? "all"}
          id={optionId(index)}
          role="option"
          aria-selected={index === active}
          onPointerDown={(event) => {
            event.preventDefault(); // the composer keeps the focus
            choose(offer);
          }}
        >
          {offer && <Avatar name={offer.name} id={offer.user_id} size="small" />}
          <bdi>{plain(offer?.name ?? say.everybody)}</bdi>
          {offer?.nickname && (
            <small class="dim">
              <bdi>{plain(offer.nickname)}</bdi>
            </small>
          )}
        </li>
      ))}
    </ul>
  );
}

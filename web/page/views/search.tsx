/** Search in one chat or in all: hits with their words, and a click jumps. */
import { useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { Group, Id, Message } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { groups } from "../state/chats.ts";
import { connection } from "../state/session.ts";
import { briefTime, errorText, words } from "../words/index.ts";

const PAGE = 30;
const EVERYWHERE = "0" as Id;
/** Characters before the first word found. */
const CONTEXT = 40;
const EXCERPT = 160;

/** A piece of a message around the first word that was looked for. */
function excerpt(text: string, query: string): string {
  const shown = plain(text);
  const word = query.trim().split(/\s+/)[0]?.toLocaleLowerCase() ?? "";
  const at = Math.max(0, shown.toLocaleLowerCase().indexOf(word) - CONTEXT);
  return `${at ? "…" : ""}${shown.slice(at, at + EXCERPT)}`;
}

interface Props {
  group: Group;
  onJump(groupId: Id, seq: number): void;
  onClose(): void;
}

export function SearchDialog({ group, onJump, onClose }: Props) {
  const { search: say, failed } = words.value;
  const [query, setQuery] = useState("");
  const [scope, setScope] = useState<Id>(group.group_id);
  const [hits, setHits] = useState<readonly Message[] | null>(null);
  const [last, setLast] = useState<Id | null>(null);
  const [note, setNote] = useState("");
  const find = async (before: Id): Promise<void> => {
    setNote("");
    try {
      const { reply, events } = await connection.requestPage("Search", { query, group_id: scope, before, limit: PAGE });
      const found = events.flatMap((event) => (event.name === "Message" ? [event.body] : []));
      setHits(before === EVERYWHERE ? found : [...(hits ?? []), ...found]);
      setLast(reply.more ? reply.last : null);
    } catch (error) {
      setNote(error instanceof RefusedError ? errorText(error.code, error.message) : failed(String(error)));
    }
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (query.trim()) void find(EVERYWHERE);
  };
  const nameOf = (groupId: Id): string => groups.value.find((known) => known.group_id === groupId)?.name ?? "";
  return (
    <Dialog label={say.title} onClose={onClose}>
      <form class="form" role="search" onSubmit={submit}>
        <input type="search" aria-label={say.words} placeholder={say.words} value={query} maxLength={200} onInput={({ currentTarget }) => setQuery(currentTarget.value)} autofocus />
        <label>
          {say.where}
          <select value={scope} onChange={({ currentTarget }) => setScope(currentTarget.value as Id)}>
            <option value={group.group_id}>{say.here}</option>
            <option value={EVERYWHERE}>{say.everywhere}</option>
          </select>
        </label>
        <button class="primary">{say.find}</button>
      </form>
      {note && <p class="error" role="alert">{note}</p>}
      <ul class="people hits" aria-label={say.hits}>
        {hits?.map(({ id, group_id, seq, sender, sent_at, text, media }) => (
          <li key={id}>
            <button type="button" class="hit" onClick={() => onJump(group_id, seq)}>
              <b dir="auto">
                {plain(sender)}
                {scope === EVERYWHERE && <> · {plain(nameOf(group_id))}</>} <time>{briefTime(sent_at)}</time>
              </b>
              <span dir="auto">{excerpt(text || media?.name || "", query)}</span>
            </button>
          </li>
        ))}
      </ul>
      {last && <button type="button" class="secondary" onClick={() => void find(last)}>{say.more}</button>}
      {hits && !hits.length && <p class="dim" role="status">{say.none}</p>}
    </Dialog>
  );
}

/** The groups that others put me into: leave as many of them as one likes at once. */
import { useEffect, useState } from "preact/hooks";
import { ignoreLoss } from "../../client/errors.ts";
import type { AddedGroup, Id } from "../../client/protocol.gen.ts";
import { plain } from "../parts/stranger_text.tsx";
import { connection, connectionState } from "../state/session.ts";
import { failureText, words } from "../words/index.ts";

/** Groups that one LeaveGroups names. */
const MAX_AT_ONCE = 50;

async function fetchAll(): Promise<AddedGroup[]> {
  const all: AddedGroup[] = [];
  for (let more = true; more; ) {
    const page = await connection.request("ListAddedGroups", { after: all.at(-1)?.group_id ?? ("0" as Id) });
    all.push(...page.groups);
    more = page.more && page.groups.length > 0;
  }
  return all;
}

export function AddedGroups() {
  const { privacy: say, group } = words.value;
  const [added, setAdded] = useState<readonly AddedGroup[]>([]);
  const [chosen, setChosen] = useState<ReadonlySet<Id>>(new Set());
  const [note, setNote] = useState("");
  const load = async (): Promise<void> => {
    setAdded(await fetchAll());
    setChosen(new Set());
  };
  useEffect(() => void load().catch(ignoreLoss), [connectionState.value]);
  const choose = (groupId: Id, isChosen: boolean): void => {
    const next = new Set(chosen);
    if (isChosen) next.add(groupId);
    else next.delete(groupId);
    setChosen(next);
  };
  const leave = async (): Promise<void> => {
    const wanted = [...chosen];
    const kept: Id[] = [];
    for (let from = 0; from < wanted.length; from += MAX_AT_ONCE) kept.push(...(await connection.request("LeaveGroups", { groups: wanted.slice(from, from + MAX_AT_ONCE) })).kept);
    await load();
    if (kept.length) setNote(say.kept(kept.length));
  };
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    setNote("");
    if (confirm(group.sure)) leave().catch((error: unknown) => setNote(failureText(error)));
  };
  return (
    <form class="form" aria-label={say.added} onSubmit={onSubmit}>
      <h3>{say.added}</h3>
      {!added.length && <small class="dim">{say.noneAdded}</small>}
      {note && <p class="error" role="alert">{note}</p>}
      {added.length > 0 && (
        <>
          <ul class="people" aria-label={say.added}>
            {added.map(({ group_id, name, by }) => (
              <li key={group_id}>
                <label class="switch">
                  <input type="checkbox" checked={chosen.has(group_id)} onChange={(event) => choose(group_id, event.currentTarget.checked)} />
                  <bdi>{plain(name)}</bdi>
                </label>
                <small class="dim">{say.addedBy(plain(by.name))}</small>
              </li>
            ))}
          </ul>
          <button class="secondary" disabled={!chosen.size}>{say.leave(chosen.size)}</button>
        </>
      )}
    </form>
  );
}

/** Whom I let near: whether others see that I am there, who may put me into groups, whom I block, and the ways out. */
import { useEffect, useState } from "preact/hooks";
import { ignoreLoss } from "../../client/errors.ts";
import type { Person } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { findPeople, NobodyCalled } from "../state/people.ts";
import { block, changeProfile, myProfile, onBlockChange } from "../state/profile.ts";
import { connection, connectionState } from "../state/session.ts";
import { failureText, words } from "../words/index.ts";
import { AddedGroups } from "./added_groups.tsx";

export function PrivacyDialog({ onClose }: { onClose(): void }) {
  const { privacy: say, name } = words.value;
  const [blocked, setBlocked] = useState<readonly Person[]>([]);
  const [note, setNote] = useState("");
  const { value: mine } = myProfile;
  const load = (): void => void connection.request("ListBlocked", {}).then(({ people }) => setBlocked(people), ignoreLoss);
  const run = (act: () => Promise<unknown>): void => {
    setNote("");
    act().catch((error: unknown) => setNote(failureText(error)));
  };
  useEffect(() => {
    load();
    return onBlockChange(load);
  }, [connectionState.value]);
  const blockByName = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const wanted = String(new FormData(form).get("person")).trim();
    run(async () => {
      const [user_id] = await findPeople([wanted]);
      if (!user_id) throw new NobodyCalled(wanted);
      await block(user_id, true);
      form.reset();
    });
  };
  return (
    <Dialog label={say.title} onClose={onClose}>
      <div class="form">
        {note && <p class="error" role="alert">{note}</p>}
        <label class="switch">
          <input type="checkbox" disabled={!mine} checked={mine?.hidden ?? false} onChange={(event) => run(() => changeProfile({ hidden: event.currentTarget.checked }))} />
          {say.hidden}
        </label>
        <small class="dim">{say.hiddenHint}</small>
        <label>
          {say.whoAdds}
          <select disabled={!mine} value={String(mine?.who_adds ?? 1)} onChange={(event) => run(() => changeProfile({ who_adds: Number(event.currentTarget.value) }))}>
            <option value="1">{say.everybody}</option>
            <option value="2">{say.known}</option>
            <option value="3">{say.nobody}</option>
          </select>
        </label>
        <small class="dim">{say.whoAddsHint}</small>
      </div>
      <form class="form" aria-label={say.blocked} onSubmit={blockByName}>
        <h3>{say.blocked}</h3>
        <small class="dim">{blocked.length ? say.blockedHint : say.noneBlocked}</small>
        {blocked.length > 0 && (
          <ul class="people" aria-label={say.blocked}>
            {blocked.map((person) => (
              <li key={person.user_id}>
                <Avatar name={person.name} id={person.user_id} size="small" />
                <bdi>{plain(person.name)}</bdi>
                <button type="button" class="link" onClick={() => run(() => block(person.user_id, false))}>{say.unblock(plain(person.name))}</button>
              </li>
            ))}
          </ul>
        )}
        <label>
          {name}
          <input name="person" required maxLength={32} autocomplete="off" autocapitalize="none" />
        </label>
        <button class="secondary">{say.block}</button>
      </form>
      <AddedGroups />
    </Dialog>
  );
}

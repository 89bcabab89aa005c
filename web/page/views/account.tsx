/** My account: the name that others see, the password, and the devices that are logged in as me. */
import { useEffect, useState } from "preact/hooks";
import { ignoreLoss } from "../../client/errors.ts";
import type { Id, Session } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { changeProfile, myProfile, nickname } from "../state/profile.ts";
import { uploadMedium } from "../state/uploads.ts";
import { briefTime, failureText, words } from "../words/index.ts";

/** The id of no picture. */
const NONE = "0" as Id;

export function AccountDialog({ onClose }: { onClose(): void }) {
  const { account: say, save, name } = words.value;
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const [note, setNote] = useState("");
  const [done, setDone] = useState("");
  const run = (act: () => Promise<unknown>, success = ""): void => {
    setNote("");
    setDone("");
    act().then(
      () => setDone(success),
      (error: unknown) => setNote(failureText(error)),
    );
  };
  const load = async (): Promise<void> => setSessions((await connection.request("ListSessions", {})).sessions);
  useEffect(() => {
    load().catch(ignoreLoss);
  }, []);
  const rename = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    run(() => changeProfile({ nickname: String(form.get("nickname")).trim() }), say.saved);
  };
  const setPicture = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const file = new FormData(form).get("picture");
    run(async () => {
      if (file instanceof File) await changeProfile({ avatar: await uploadMedium(file) });
      form.reset();
    }, say.saved);
  };
  const changePassword = (event: SubmitEvent): void => {
    event.preventDefault();
    const element = event.currentTarget as HTMLFormElement;
    const form = new FormData(element);
    run(async () => {
      await connection.request("ChangePassword", { old: String(form.get("old")), new: String(form.get("new")) });
      element.reset();
      await load();
    }, say.passwordChanged);
  };
  const end = (session_id: Id): void => run(async () => {
    await connection.request("EndSession", { session_id });
    await load();
  });
  return (
    <Dialog label={say.title} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      {done && <p role="status">{done}</p>}
      <form class="form" aria-label={say.picture} onSubmit={setPicture}>
        <label>
          {say.picture}
          <input name="picture" type="file" accept="image/*" required />
        </label>
        <button class="secondary">{save}</button>
        {myProfile.value && myProfile.value.profile.avatar !== NONE && (
          <button type="button" class="link" onClick={() => run(() => changeProfile({ avatar: NONE }), say.saved)}>{say.noPicture}</button>
        )}
      </form>
      <form class="form" aria-label={say.nickname} onSubmit={rename}>
        <label>
          {say.nickname}
          <input name="nickname" maxLength={64} defaultValue={nickname.value} autocomplete="off" />
        </label>
        <button class="secondary">{save}</button>
      </form>
      <form class="form" aria-label={say.password} onSubmit={changePassword}>
        <label>
          {say.oldPassword}
          <input name="old" type="password" required maxLength={256} autocomplete="current-password" />
        </label>
        <label>
          {say.newPassword}
          <input name="new" type="password" required maxLength={256} autocomplete="new-password" />
        </label>
        <button class="secondary">{say.changePassword}</button>
      </form>
      <h3>{say.sessions}</h3>
      <ul class="people" aria-label={say.sessions}>
        {sessions.map(({ session_id, device, seen_at, current }) => (
          <li key={session_id}>
            <bdi>{plain(device) || name}</bdi> <small class="dim">{current ? say.thisDevice : briefTime(seen_at)}</small>
            {!current && <button type="button" class="link" onClick={() => end(session_id)}>{say.end(plain(device))}</button>}
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

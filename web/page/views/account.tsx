/** My account: the name that others see, the password, and the devices that are logged in as me. */
import { useEffect, useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { Id, Session } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { nickname, setNickname } from "../state/profile.ts";
import { briefTime, errorText, words } from "../words/index.ts";

export function AccountDialog({ onClose }: { onClose(): void }) {
  const { account: say, failed, save, name } = words.value;
  const [sessions, setSessions] = useState<readonly Session[]>([]);
  const [note, setNote] = useState("");
  const [done, setDone] = useState("");
  const run = (act: () => Promise<unknown>, success = ""): void => {
    setNote("");
    setDone("");
    act().then(
      () => setDone(success),
      (error: unknown) => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : failed(String(error))),
    );
  };
  const load = async (): Promise<void> => setSessions((await connection.request("ListSessions", {})).sessions);
  useEffect(() => {
    load().catch((error: unknown) => {
      if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
    });
  }, []);
  const rename = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    run(() => setNickname(String(form.get("nickname")).trim()), say.saved);
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

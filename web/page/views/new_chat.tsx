/** A new chat: a group by names, one person, or an invite. */
import { useState } from "preact/hooks";
import type { Id } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Icon } from "../parts/icons.tsx";
import { sync } from "../state/chats.ts";
import { panel, showChat } from "../state/navigation.ts";
import { findPeople, namesIn, NobodyCalled } from "../state/people.ts";
import { connection } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";
import { FaceToFaceDialog } from "./face_to_face.tsx";

async function enter(groupId: Id): Promise<void> {
  if (!sync.groups.has(groupId)) await sync.refresh();
  panel.value = "chats";
  showChat(groupId);
}

export function NewChatPanel() {
  const { value: say } = words;
  const [note, setNote] = useState("");
  const [meets, setMeets] = useState(false);
  const onSubmit = (act: (field: (name: string) => string) => Promise<void>) => (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setNote("");
    act((name) => String(form.get(name) ?? "").trim()).catch((error: unknown) => {
      if (error instanceof NobodyCalled) setNote(say.nobodyCalled(error.message));
      else setNote(error instanceof RefusedError ? errorText(error.code, error.message) : say.failed(String(error)));
    });
  };
  const makeGroup = onSubmit(async (field) => {
    const members = await findPeople(namesIn(field("people")));
    const { group_id } = await connection.change("MakeGroup", { name: field("name"), members });
    await enter(group_id);
  });
  const talkTo = onSubmit(async (field) => {
    const [user_id] = await findPeople([field("person")]);
    if (!user_id) throw new NobodyCalled(field("person"));
    const { group } = await connection.request("OpenDirect", { user_id });
    await enter(group.group_id);
  });
  const join = onSubmit(async (field) => {
    const entered = await connection.change("JoinGroup", { code: field("code") });
    if (entered.waiting) setNote(say.joinWaiting);
    else await enter(entered.group_id);
  });
  return (
    <section class="panel">
      <header class="side-head">
        <button type="button" class="icon-button" aria-label={say.back} onClick={() => (panel.value = "chats")}>
          <Icon name="back" />
        </button>
        <h2>{say.newChat}</h2>
      </header>
      {note && (
        <p class="error side-note" role="alert">
          {note}
        </p>
      )}
      <div class="form">
        <button type="button" class="secondary" onClick={() => setMeets(true)}>
          {say.meet.title}
        </button>
      </div>
      {meets && (
        <Boundary>
          <FaceToFaceDialog onClose={() => setMeets(false)} />
        </Boundary>
      )}
      <form class="form" aria-label={say.makeGroup} onSubmit={makeGroup}>
        <h3>{say.makeGroup}</h3>
        <label>
          {say.groupName}
          <input name="name" required maxLength={64} autocomplete="off" />
        </label>
        <label>
          {say.people}
          <input name="people" placeholder={say.peopleHint} autocomplete="off" autocapitalize="none" />
        </label>
        <button class="primary">{say.make}</button>
      </form>
      <form class="form" aria-label={say.talkTo} onSubmit={talkTo}>
        <h3>{say.talkTo}</h3>
        <label>
          {say.name}
          <input name="person" required maxLength={32} autocomplete="off" autocapitalize="none" />
        </label>
        <button class="secondary">{say.start}</button>
      </form>
      <form class="form" aria-label={say.joinByInvite} onSubmit={join}>
        <h3>{say.joinByInvite}</h3>
        <label>
          {say.inviteCode}
          <input name="code" required maxLength={64} autocomplete="off" autocapitalize="none" />
        </label>
        <button class="secondary">{say.join}</button>
      </form>
    </section>
  );
}

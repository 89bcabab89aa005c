/** Above the list of chats: groups that somebody asks me to come into. */
import { useState } from "preact/hooks";
import type { Invitation } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { acceptInvitation, ignoreInvitation, invitations } from "../state/invitations.ts";
import { failureText, words } from "../words/index.ts";

export function InvitationList() {
  const { invited: say } = words.value;
  const [note, setNote] = useState("");
  const run = (act: () => Promise<unknown>): void => {
    setNote("");
    act().catch((error: unknown) => setNote(failureText(error)));
  };
  const { value: all } = invitations;
  return (
    <>
      {note && <p class="error side-note" role="alert">{note}</p>}
      {all.length > 0 && (
        <ul class="invitations" aria-label={say.title}>
          {all.map((invitation) => (
            <Item key={invitation.group_id} invitation={invitation} run={run} />
          ))}
        </ul>
      )}
    </>
  );
}

function Item({ invitation: { group_id, name, by }, run }: { invitation: Invitation; run(act: () => Promise<unknown>): void }) {
  const { invited: say } = words.value;
  return (
    <li>
      <Avatar name={name} id={group_id} size="small" />
      <span class="invited-to">
        <b dir="auto">{plain(name)}</b>
        <small>{say.by(plain(by.name))}</small>
      </span>
      <button type="button" class="primary" aria-label={say.accept(plain(name))} onClick={() => run(() => acceptInvitation(group_id))}>
        {say.join}
      </button>
      <button type="button" class="secondary" aria-label={say.ignore(plain(name))} onClick={() => run(() => ignoreInvitation(group_id))}>
        {say.no}
      </button>
    </li>
  );
}

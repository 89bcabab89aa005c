/** Where to say a message again. */
import { useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { groups } from "../state/chats.ts";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";

export function ForwardDialog({ group, row, onClose }: { group: Group; row: MessageRow; onClose(): void }) {
  const { value: say } = words;
  const [filter, setFilter] = useState("");
  const [note, setNote] = useState("");
  const forward = (group_id: Id): void => {
    connection.change("Forward", { group_id, from_group: group.group_id, of: row.seq }).then(onClose, (error: unknown) => {
      setNote(error instanceof RefusedError ? errorText(error.code, error.message) : say.failed(String(error)));
    });
  };
  const found = groups.value.filter(({ name }) => name.toLocaleLowerCase().includes(filter.trim().toLocaleLowerCase()));
  return (
    <Dialog label={say.forward} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      <div class="form">
        <input type="search" aria-label={say.findChat} placeholder={say.findChat} value={filter} onInput={({ currentTarget }) => setFilter(currentTarget.value)} />
      </div>
      <ul class="people" aria-label={say.forwardTo}>
        {found.map(({ group_id, name, avatar }) => (
          <li key={group_id}>
            <Avatar name={name} id={group_id} mediaId={avatar} size="small" />
            <button type="button" class="link" onClick={() => forward(group_id)}>
              <bdi>{plain(name)}</bdi>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

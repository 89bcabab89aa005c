/** Who has read a message. */
import { useEffect, useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { Group, Receipt } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";

interface Readers {
  people: Receipt[];
  read: number;
  members: number;
}

async function readersOf(group: Group, row: MessageRow): Promise<Readers> {
  const place = { group_id: group.group_id, of: row.seq };
  const first = await connection.request("ListReceipts", place);
  const people = [...first.receipts];
  for (let { more } = first; more; ) {
    const page = await connection.request("ListReceipts", { ...place, after: people.at(-1)!.user_id });
    people.push(...page.receipts);
    more = page.more && page.receipts.length > 0;
  }
  return { people, read: first.read, members: first.members };
}

export function ReceiptsDialog({ group, row, onClose }: { group: Group; row: MessageRow; onClose(): void }) {
  const { receipts: say, loading } = words.value;
  const [readers, setReaders] = useState<Readers | null>(null);
  const [note, setNote] = useState("");
  useEffect(() => {
    readersOf(group, row).then(setReaders, (error: unknown) => {
      if (error instanceof RefusedError) setNote(errorText(error.code, error.message));
      else if (!(error instanceof ConnectionLost)) throw error;
    });
  }, []);
  return (
    <Dialog label={say.title} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      <p role="status">{readers ? say.readBy(readers.read, readers.members) : !note && loading}</p>
      <ul class="people" aria-label={say.title}>
        {readers?.people.map(({ user_id, name, read }) => (
          <li key={user_id}>
            <bdi>{plain(name)}</bdi> <small class="dim">{read ? say.read : say.delivered}</small>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}

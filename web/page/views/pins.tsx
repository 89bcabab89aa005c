/** What is pinned in a group. */
import { useEffect, useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { Group, PinnedMessage } from "../../client/protocol.gen.ts";
import { may } from "../../client/rights.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";

export function PinsDialog({ group, onJump, onClose }: { group: Group; onJump(seq: number): void; onClose(): void }) {
  const { pins: say, failed, loading } = words.value;
  const { group_id } = group;
  const [pins, setPins] = useState<PinnedMessage[] | null>(null);
  const [note, setNote] = useState("");
  const run = (act: () => Promise<unknown>): void => {
    setNote("");
    act()
      .then(async () => setPins((await connection.request("ListPins", { group_id })).pins))
      .catch((error: unknown) => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : failed(String(error))));
  };
  useEffect(() => run(async () => undefined), [group.seq]);
  return (
    <Dialog label={say.title} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      <ul class="people hits" aria-label={say.title}>
        {pins?.map(({ of, sender, excerpt }) => (
          <li key={of}>
            <button type="button" class="hit" onClick={() => onJump(of)}>
              <b dir="auto">{plain(sender)}</b>
              <span dir="auto">{plain(excerpt)}</span>
            </button>
            {may("PIN", group) && (
              <button type="button" class="link" onClick={() => run(() => connection.change("Pin", { group_id, of, on: false }))}>
                {say.unpin}
              </button>
            )}
          </li>
        ))}
      </ul>
      {!pins?.length && <p class="dim" role="status">{pins ? say.none : loading}</p>}
    </Dialog>
  );
}

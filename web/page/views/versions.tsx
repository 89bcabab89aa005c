/** What a message said before it was edited, for those whom the group's rules let read it. */
import { useEffect, useState } from "preact/hooks";
import type { Group, Version } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain, StrangerText } from "../parts/stranger_text.tsx";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { dayText, failureText, timeText, words } from "../words/index.ts";

export function VersionsDialog({ group, row, onClose }: { group: Group; row: MessageRow; onClose(): void }) {
  const { versions: say, loading } = words.value;
  const [versions, setVersions] = useState<readonly Version[] | null>(null);
  const [note, setNote] = useState("");
  const load = async (): Promise<void> => {
    const all: Version[] = [];
    for (let more = true; more; ) {
      const page = await connection.request("ListVersions", { group_id: group.group_id, of: row.seq, after: all.length });
      all.push(...page.versions);
      more = page.more && page.versions.length > 0;
    }
    setVersions(all);
  };
  useEffect(() => {
    load().catch((error: unknown) => setNote(failureText(error)));
  }, [row.seq, row.editedSeq]);
  const when = (at: number): string => say.until(`${dayText(at)} ${timeText(at)}`);
  return (
    <Dialog label={say.title} onClose={onClose}>
      <div class="form">
        {note && <p class="error" role="alert">{note}</p>}
        {!versions && !note && <p class="dim" role="status">{loading}</p>}
        <p class="dim">{say.by(plain(row.sender))}</p>
        {versions && (
          <ol class="versions" aria-label={say.title}>
            {versions.map(({ text, replaced_at }, at) => (
              <li key={at}>
                <small class="dim">{when(replaced_at)}</small>
                <StrangerText text={text} />
              </li>
            ))}
            <li aria-current="true">
              <small class="dim">{say.now}</small>
              <StrangerText text={row.text} />
            </li>
          </ol>
        )}
      </div>
    </Dialog>
  );
}

/** Telling the server's operators about a message or a person. */
import { useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain, StrangerText } from "../parts/stranger_text.tsx";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { failureText, words } from "../words/index.ts";

/** Asks for the reason, sends it, and says that it was sent. */
export function ReportForm({ label, send }: { label: string; send(reason: string): Promise<unknown> }) {
  const { report: say } = words.value;
  const [outcome, setOutcome] = useState<"sent" | { failure: string } | null>(null);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const reason = String(new FormData(event.currentTarget as HTMLFormElement).get("reason")).trim();
    if (!reason) return;
    send(reason).then(
      () => setOutcome("sent"),
      (error: unknown) => setOutcome({ failure: failureText(error) }),
    );
  };
  if (outcome === "sent") return <p role="status">{say.sent}</p>;
  return (
    <form class="form" aria-label={label} onSubmit={submit}>
      <label>
        {say.reason}
        <textarea name="reason" required maxLength={300} rows={3} ref={(field) => field?.focus()} />
      </label>
      <small class="dim">{say.hint}</small>
      {outcome && <p class="error" role="alert">{outcome.failure}</p>}
      <button class="primary">{say.send}</button>
    </form>
  );
}

export function ReportDialog({ group, row, onClose }: { group: Group; row: MessageRow; onClose(): void }) {
  const label = words.value.report.message(plain(row.sender));
  return (
    <Dialog label={label} onClose={onClose}>
      {row.text && (
        <blockquote class="report-text">
          <StrangerText text={row.text} />
        </blockquote>
      )}
      <ReportForm label={label} send={(reason) => connection.request("ReportMessage", { group_id: group.group_id, of: row.seq, reason })} />
    </Dialog>
  );
}

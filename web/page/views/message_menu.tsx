/** What can be done with one message. */
import { useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { may } from "../../client/rights.ts";
import { Dialog } from "../parts/dialog.tsx";
import { react } from "../state/reactions.ts";
import type { MessageRow } from "../state/rows.ts";
import { connection, me } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";
import type { ComposerTask } from "./composer.tsx";

const EMOJI = ["👍", "❤️", "😂", "🎉", "😮", "😢"];

interface Props {
  group: Group;
  row: MessageRow;
  onTask(task: ComposerTask): void;
  onOpen(kind: "forward" | "receipts" | "report" | "versions"): void;
  onClose(): void;
}

export function MessageMenu({ group, row, onTask, onOpen, onClose }: Props) {
  const { value: say } = words;
  const [failure, setFailure] = useState("");
  const isMine = row.senderId === me.value?.user_id;
  const place = { group_id: group.group_id, of: row.seq };
  const attempt = (change: Promise<unknown>): void => {
    change.then(onClose, (error: unknown) => setFailure(error instanceof RefusedError ? errorText(error.code, error.message) : String(error)));
  };
  const start = (kind: ComposerTask["kind"]): void => {
    onTask({ kind, row });
    onClose();
  };
  return (
    <Dialog label={say.actions} kind="menu" onClose={onClose}>
      <div class="emoji-line">
        {EMOJI.map((emoji) => (
          <button type="button" key={emoji} aria-label={say.react(emoji)} onClick={() => attempt(react(group.group_id, row, emoji))}>
            {emoji}
          </button>
        ))}
      </div>
      <button type="button" onClick={() => start("reply")}>
        {say.reply}
      </button>
      <button type="button" onClick={() => onOpen("forward")}>
        {say.forward}
      </button>
      {may("PIN", group) && (
        <button type="button" onClick={() => attempt(connection.change("Pin", { ...place, on: true }))}>
          {say.pins.pin}
        </button>
      )}
      {isMine && (
        <button type="button" onClick={() => onOpen("receipts")}>
          {say.receipts.title}
        </button>
      )}
      {row.edited && group.rules.keep_edits && may("READ_EDITS", group) && (
        <button type="button" onClick={() => onOpen("versions")}>
          {say.versions.title}
        </button>
      )}
      {row.text && (
        <button type="button" onClick={() => attempt(navigator.clipboard.writeText(row.text))}>
          {say.copy}
        </button>
      )}
      {isMine && row.messageKind === 1 && (
        <button type="button" onClick={() => start("edit")}>
          {say.edit}
        </button>
      )}
      {!isMine && (
        <button type="button" class="danger" onClick={() => onOpen("report")}>
          {say.report.open}
        </button>
      )}
      {(isMine || may("RECALL_OTHERS", group)) && (
        <button type="button" class="danger" onClick={() => attempt(connection.change("Recall", place))}>
          {say.recall}
        </button>
      )}
      {failure && (
        <p class="error" role="alert">
          {failure}
        </p>
      )}
    </Dialog>
  );
}

/** Where one writes: the draft, attachments, and what Enter does. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { Icon } from "../parts/icons.tsx";
import { AttachmentChip } from "../parts/pending.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { sendText } from "../state/chats.ts";
import { draftOf, keepDraft } from "../state/drafts.ts";
import { NoMicrophone, record, type Recording } from "../state/recorder.ts";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { typed } from "../state/typing.ts";
import { attach, attachmentsOf, sendAlone, sendAttachments } from "../state/uploads.ts";
import { errorText, words } from "../words/index.ts";
import { RecordingBar } from "./recording_bar.tsx";

/** Safari ends a composition just before the Enter that ended it. */
const COMPOSITION_MS = 50;
const MAX_HEIGHT = 160;

/** What the composer does besides writing a new message. */
export interface ComposerTask {
  kind: "reply" | "edit";
  row: MessageRow;
}

interface Props {
  group: Group;
  task: ComposerTask | null;
  onTaskDone(): void;
  onSendPacket(): void;
}

export function Composer({ group, task, onTaskDone, onSendPacket }: Props) {
  const { value: say } = words;
  const groupId = group.group_id;
  const box = useRef<HTMLTextAreaElement>(null);
  const picker = useRef<HTMLInputElement>(null);
  const compositionEnd = useRef(-Infinity);
  const [failure, setFailure] = useState("");
  const [recording, setRecording] = useState<Recording | null>(null);
  const files = attachmentsOf(groupId);

  const fit = (): void => {
    const element = box.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, MAX_HEIGHT)}px`;
  };
  const setText = (text: string): void => {
    if (box.current) box.current.value = text;
    fit();
  };
  useEffect(() => {
    setText(draftOf(groupId));
    if (matchMedia("(hover: hover)").matches) box.current?.focus();
  }, [groupId]);
  useEffect(() => {
    if (task?.kind === "edit") setText(task.row.text);
    if (task) box.current?.focus();
  }, [task]);

  const finishTask = (): void => {
    onTaskDone();
    setText(draftOf(groupId));
  };
  const submit = (): void => {
    const text = box.current?.value ?? "";
    setFailure("");
    if (task?.kind === "edit") {
      if (text.trim()) connection.change("Edit", { group_id: groupId, of: task.row.seq, text }).catch(showFailure);
      return finishTask();
    }
    const hasFiles = files.some((file) => !file.outboxKey);
    if (!text.trim() && !hasFiles) return;
    try {
      const extra = task ? { reply_to: task.row.seq } : null;
      if (hasFiles) sendAttachments(groupId, text.trim() ? text : "", extra);
      else sendText(groupId, text, extra);
    } catch (error) {
      return showFailure(error);
    }
    keepDraft(groupId, "");
    if (task) onTaskDone();
    setText("");
    box.current?.focus();
  };
  const showFailure = (error: unknown): void => setFailure(error instanceof RefusedError ? errorText(error.code, error.message) : String(error));

  const startRecording = (): void => {
    setFailure("");
    record().then(setRecording, (error: unknown) => {
      if (error instanceof NoMicrophone) setFailure(error.isDenied ? say.micDenied : say.micMissing);
      else showFailure(error);
    });
  };
  const sendRecording = (file: File): void => {
    setRecording(null);
    try {
      sendAlone(groupId, file);
    } catch (error) {
      showFailure(error);
    }
  };

  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && task) return finishTask();
    if (event.key !== "Enter" || event.shiftKey) return;
    const isComposing = event.isComposing || event.keyCode === 229 || performance.now() - compositionEnd.current < COMPOSITION_MS;
    if (isComposing || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    submit();
  };
  const onPaste = (event: ClipboardEvent): void => {
    const pasted = [...(event.clipboardData?.files ?? [])];
    if (!pasted.length) return;
    event.preventDefault();
    attach(groupId, pasted);
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      {task && (
        <p class="task">
          <span class="task-text" dir="auto">
            {task.kind === "edit" ? say.editing : say.replyingTo(plain(task.row.sender))}: {plain(task.row.text).slice(0, 80)}
          </span>
          <button type="button" class="icon-button" aria-label={say.cancel} onClick={finishTask}>
            <Icon name="close" size={16} />
          </button>
        </p>
      )}
      {files.length > 0 && (
        <ul class="chips">
          {files.map((file) => (
            <AttachmentChip key={file.key} attachment={file} />
          ))}
        </ul>
      )}
      {failure && (
        <p class="error" role="alert">
          {failure}
        </p>
      )}
      {recording && <RecordingBar recording={recording} onSend={sendRecording} onDiscard={() => setRecording(null)} />}
      <div class="composer-line" hidden={recording !== null}>
        <button type="button" class="icon-button" aria-label={say.attach} onClick={() => picker.current?.click()}>
          <Icon name="attach" />
        </button>
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          onChange={(event) => {
            attach(groupId, event.currentTarget.files ?? []);
            event.currentTarget.value = "";
          }}
        />
        <button type="button" class="icon-button packet-button" aria-label={say.luckyMoney} onClick={onSendPacket}>
          <Icon name="packet" />
        </button>
        <button type="button" class="icon-button" aria-label={say.recordVoice} onClick={startRecording}>
          <Icon name="mic" />
        </button>
        <textarea
          ref={box}
          rows={1}
          dir="auto"
          aria-label={say.message}
          placeholder={say.message}
          onInput={() => {
            if (task?.kind !== "edit") keepDraft(groupId, box.current?.value ?? "");
            typed(groupId);
            fit();
          }}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
          onCompositionEnd={() => (compositionEnd.current = performance.now())}
        />
        <button class="icon-button send" aria-label={task?.kind === "edit" ? say.save : say.send}>
          <Icon name="send" />
        </button>
      </div>
    </form>
  );
}

/** Where one writes: the draft, attachments, and what Enter does. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Group, Id } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { Icon } from "../parts/icons.tsx";
import { AttachmentChip } from "../parts/pending.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { sendText } from "../state/chats.ts";
import { draftOf, keepDraft } from "../state/drafts.ts";
import { learnMembers, mentionable } from "../state/members.ts";
import { forgetChosen, mentionsIn } from "../state/mentions.ts";
import { NoMicrophone, record, type Recording } from "../state/recorder.ts";
import type { MessageRow } from "../state/rows.ts";
import { connection } from "../state/session.ts";
import { typed } from "../state/typing.ts";
import { attach, attachmentsOf, sendAlone, sendAttachments } from "../state/uploads.ts";
import { errorText, words } from "../words/index.ts";
import { MENTION_LIST_ID, MentionList, optionId, useMentions } from "./mention_list.tsx";
import { RecordingBar } from "./lazy_screens.ts";

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
  onEditLast(): void;
  onSendPacket(): void;
}

export function Composer({ group, task, onTaskDone, onEditLast, onSendPacket }: Props) {
  const { value: say } = words;
  const groupId = group.group_id;
  const box = useRef<HTMLTextAreaElement>(null);
  const fileInput = useRef<HTMLInputElement>(null);
  const compositionEnd = useRef(-Infinity);
  const [failure, setFailure] = useState("");
  const [recording, setRecording] = useState<Recording | null>(null);
  const isGone = useRef(false);
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
  const keep = (): void => {
    if (task?.kind !== "edit") keepDraft(groupId, box.current?.value ?? "");
    fit();
  };
  const picker = useMentions(
    group,
    () => box.current?.value.slice(0, box.current.selectionStart) ?? "",
    (typedLength, name) => {
      const caret = box.current?.selectionStart ?? 0;
      box.current?.setRangeText(`${name} `, caret - typedLength, caret, "end");
      keep();
    },
  );
  // Before anybody can type: what one writes must not be replaced by a draft, or by the message to edit.
  useLayoutEffect(() => {
    setText(draftOf(groupId));
    if (matchMedia("(hover: hover)").matches) box.current?.focus();
  }, [groupId]);
  useLayoutEffect(() => () => void (isGone.current = true), []);
  useLayoutEffect(() => {
    if (task?.kind === "edit") {
      setText(task.row.text);
      void learnMembers(group); // so that its mentions are found again
    }
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
      if (text.trim()) connection.change("Edit", { group_id: groupId, of: task.row.seq, text, ...mentionsAfterEdit(task.row, text) }).catch(showFailure);
      return finishTask();
    }
    const hasFiles = files.some((file) => !file.outboxKey);
    if (!text.trim() && !hasFiles) return;
    try {
      const called = mentionsIn(group, text);
      const calls = called.mentions.length > 0 || called.mention_all;
      const extra = task || calls ? { ...(task && { reply_to: task.row.seq }), ...(calls && called) } : null;
      if (hasFiles) sendAttachments(groupId, text.trim() ? text : "", extra);
      else sendText(groupId, text, extra);
    } catch (error) {
      return showFailure(error);
    }
    keepDraft(groupId, "");
    forgetChosen(groupId);
    if (task) onTaskDone();
    setText("");
    box.current?.focus();
  };
  /** Those it mentioned stay mentioned where nobody knows their names here. */
  const mentionsAfterEdit = (row: MessageRow, text: string): { mentions?: Id[]; mention_all?: boolean } => {
    const before = row.extra?.mentions ?? [];
    if (before.length && !mentionable(groupId).length) return {};
    return mentionsIn(group, text);
  };
  const showFailure = (error: unknown): void => setFailure(error instanceof RefusedError ? errorText(error.code, error.message) : String(error));

  const startRecording = (): void => {
    setFailure("");
    const started = (made: Recording): void => (isGone.current ? made.discard() : setRecording(made)); // it may have been asked for long
    record().then(started, (error: unknown) => {
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

  const isComposition = (event: KeyboardEvent): boolean =>
    event.isComposing || event.keyCode === 229 || performance.now() - compositionEnd.current < COMPOSITION_MS;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!isComposition(event) && picker.onKeyDown(event)) return;
    if (event.key === "Escape" && task) {
      event.preventDefault();
      return finishTask();
    }
    if (event.key === "ArrowUp" && !event.altKey && !task && !box.current?.value) {
      event.preventDefault();
      return onEditLast();
    }
    if (event.key !== "Enter" || event.shiftKey) return;
    if (isComposition(event) || matchMedia("(pointer: coarse)").matches) return;
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
      <MentionList picker={picker} />
      {recording && <RecordingBar recording={recording} onSend={sendRecording} onDiscard={() => setRecording(null)} />}
      <div class="composer-line" hidden={recording !== null}>
        <button type="button" class="icon-button" aria-label={say.attach} onClick={() => fileInput.current?.click()}>
          <Icon name="attach" />
        </button>
        <input
          ref={fileInput}
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
            keep();
            typed(groupId);
            picker.look();
          }}
          aria-autocomplete="list"
          aria-controls={picker.offers.length ? MENTION_LIST_ID : undefined}
          aria-activedescendant={picker.offers.length ? optionId(picker.active) : undefined}
          onClick={picker.look}
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

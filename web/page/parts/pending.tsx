/** Messages of mine that the server does not have yet, and files on their way up. */
import { FILE_LOST, type OutboxEntry } from "../../client/outbox.ts";
import { discardMessage, retryMessage } from "../state/chats.ts";
import { type Attachment, reattach, removeAttachment, retryUpload } from "../state/uploads.ts";
import { errorText, timeText, words } from "../words/index.ts";
import { Icon } from "./icons.tsx";
import { plain, StrangerText } from "./stranger_text.tsx";

/** `isJoined`: it goes with the row before, as it will when it is stored. */
export function PendingMessage({ entry, isJoined }: { entry: OutboxEntry; isJoined: boolean }) {
  const { value: say } = words;
  return (
    <li class={isJoined ? "row mine joined" : "row mine"}>
      <div class="row-body">
        <article class="bubble" aria-label={`${say.you}, ${entry.refusal ? say.notSent : say.waiting}`}>
          <StrangerText text={entry.text || entry.fileName || say.file} />
          <footer class="bubble-foot">
            <time>{timeText(entry.at)}</time>
            <span role="img" aria-label={entry.refusal ? say.notSent : say.waiting}>
              <Icon name={entry.refusal ? "alert" : "clock"} size={14} />
            </span>
          </footer>
        </article>
        {entry.refusal && (
          <p class="refusal" role="alert">
            <Reason entry={entry} />{" "}
            <button type="button" class="link" onClick={() => discardMessage(entry.key)}>
              {say.discard}
            </button>
          </p>
        )}
      </div>
    </li>
  );
}

/** Why a message was not sent, and the way to send it again. */
function Reason({ entry }: { entry: OutboxEntry }) {
  const { value: say } = words;
  const { code, message } = entry.refusal ?? { code: "", message: "" };
  if (code === FILE_LOST) {
    return (
      <>
        {say.fileLost(plain(entry.fileName ?? ""))}{" "}
        <label class="link">
          {say.chooseAgain}
          <input type="file" class="only-heard" onChange={({ currentTarget: { files } }) => files?.[0] && reattach(entry, files[0])} />
        </label>
      </>
    );
  }
  const mayBeStored = code === "client_id_expired"; // the server forgot whether it took it
  return (
    <>
      {mayBeStored ? say.maybeSent : `${say.notSent} ${errorText(code, message)}`}{" "}
      <button type="button" class="link" onClick={() => retryMessage(entry.key)}>
        {mayBeStored ? say.sendAnyway : say.again}
      </button>
    </>
  );
}

export function AttachmentChip({ attachment }: { attachment: Attachment }) {
  const { value: say } = words;
  const name = plain(attachment.file.name);
  const percent = Math.round(attachment.progress * 100);
  return (
    <li class="chip">
      {attachment.preview ? <img src={attachment.preview} alt="" width={56} height={56} /> : <Icon name="file" size={32} />}
      <span class="chip-name">
        <bdi>{name}</bdi>
        {attachment.failure ? (
          <span class="error" role="alert">
            {say.uploadFailed}: {errorText(attachment.failure.code, attachment.failure.message)}
          </span>
        ) : (
          <progress value={attachment.progress} max={1} aria-label={say.uploading(name, percent)} />
        )}
      </span>
      {attachment.failure && (
        <button type="button" class="link" onClick={() => retryUpload(attachment.key)}>
          {say.again}
        </button>
      )}
      <button type="button" class="icon-button" aria-label={say.removeAttachment(name)} onClick={() => removeAttachment(attachment.key)}>
        <Icon name="close" size={16} />
      </button>
    </li>
  );
}

/** Files on their way up: chosen, pasted or dropped in a chat, and sent when they are up. */
import { signal } from "@preact/signals";
import type { Id, SendExtra } from "../../client/protocol.gen.ts";
import type { OutboxEntry } from "../../client/outbox.ts";
import { expectFile, fileIsLost, fileIsUp, sendFile } from "./chats.ts";
import { hooks } from "./session.ts";
import { Upload, UploadAborted, UploadRefused } from "./upload.ts";

/** Files that one chat may hold before they are sent. */
export const MAX_ATTACHMENTS = 9;

export interface Attachment {
  key: number;
  groupId: Id;
  file: File;
  /** A picture of it for this page, or empty. */
  preview: string;
  /** From 0 to 1. */
  progress: number;
  mediaId: Id | null;
  failure: { code: string; message: string } | null;
  /** Enter was pressed: its message in the outbox goes out once it is up. Empty before. */
  outboxKey: string;
}

export const attachments = signal<readonly Attachment[]>([]);
const uploading = new Map<number, Upload>();
let nextKey = 1;

hooks.forget.push(() => {
  for (const { key } of attachments.value) forget(key);
});

export function attachmentsOf(groupId: Id): Attachment[] {
  return attachments.value.filter((attachment) => attachment.groupId === groupId);
}

/** Begin to upload files for a chat; those beyond the bound are left out. */
export function attach(groupId: Id, files: Iterable<File>): void {
  for (const file of files) {
    if (attachmentsOf(groupId).length >= MAX_ATTACHMENTS) return;
    begin(groupId, file, "");
  }
}

function begin(groupId: Id, file: File, outboxKey: string): void {
  const key = nextKey++;
  const preview = file.type.startsWith("image/") ? URL.createObjectURL(file) : "";
  attachments.value = [...attachments.value, { key, groupId, file, preview, progress: 0, mediaId: null, failure: null, outboxKey }];
  upload(key, file);
}

/** Take a file back; the caption of a message that waits for it stays in the outbox. */
export function removeAttachment(key: number): void {
  const gone = attachments.value.find((attachment) => attachment.key === key);
  forget(key);
  if (gone?.outboxKey) fileIsLost(gone.outboxKey);
}

function forget(key: number): void {
  uploading.get(key)?.abort();
  uploading.delete(key);
  const gone = attachments.value.find((attachment) => attachment.key === key);
  if (gone?.preview) URL.revokeObjectURL(gone.preview);
  attachments.value = attachments.value.filter((attachment) => attachment.key !== key);
}

/** Send a chat's attachments in their order, the last with the text as its caption. They and the text are in the outbox
 * before this returns, so that a reload loses no word; a file goes once it is up. Throws OutboxFull. */
export function sendAttachments(groupId: Id, text: string, extra: SendExtra | null): void {
  const mine = attachmentsOf(groupId).filter((attachment) => !attachment.outboxKey);
  for (const { key, file } of mine) {
    const isLast = key === mine.at(-1)!.key;
    update(key, { outboxKey: sendFile(groupId, file.name || "file", isLast ? text : "", isLast ? extra : null) });
    release(key);
  }
}

/** Send a file by itself, at once: a voice message. Throws OutboxFull. */
export function sendAlone(groupId: Id, file: File): void {
  begin(groupId, file, sendFile(groupId, file.name, "", null));
}

/** Choose the file again of a message that lost it. */
export function reattach(entry: OutboxEntry, file: File): void {
  expectFile(entry.key, file.name || "file");
  begin(entry.groupId, file, entry.key);
}

/** Give an attachment that is sent and up to the outbox. */
function release(key: number): void {
  const attachment = attachments.value.find((known) => known.key === key);
  if (!attachment?.outboxKey || !attachment.mediaId) return;
  fileIsUp(attachment.outboxKey, attachment.mediaId);
  forget(key);
}

/** Try a failed upload again. */
export function retryUpload(key: number): void {
  const attachment = attachments.value.find((known) => known.key === key);
  if (!attachment?.failure) return;
  update(key, { failure: null, progress: 0 });
  upload(key, attachment.file);
}

function update(key: number, change: Partial<Attachment>): void {
  attachments.value = attachments.value.map((attachment) => (attachment.key === key ? { ...attachment, ...change } : attachment));
}

/** Upload a picture for a group; answers the medium's id. Throws UploadRefused and UploadAborted. */
export function uploadMedium(file: File): Promise<Id> {
  return new Upload(file, () => undefined).run();
}

/** A network that breaks is waited for; what the server refuses is said at the file, which can be tried again. */
function upload(key: number, file: File): void {
  const upload = new Upload(file, (progress) => update(key, { progress }));
  uploading.set(key, upload);
  upload
    .run()
    .then(
      (mediaId) => update(key, { mediaId, progress: 1 }),
      (error: unknown) => {
        if (error instanceof UploadAborted) return;
        if (!(error instanceof UploadRefused)) throw error;
        update(key, { failure: { code: error.code, message: error.message } });
      },
    )
    .then(() => {
      if (uploading.get(key) === upload) uploading.delete(key);
      release(key);
    });
}

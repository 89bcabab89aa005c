/** Files on their way up: chosen, pasted or dropped in a chat, and sent when they are up. */
import { signal } from "@preact/signals";
import type { Id } from "../../client/protocol.gen.ts";
import { sendMedia, sendText } from "./chats.ts";
import { hooks } from "./session.ts";

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
  failure: string;
  /** Enter was pressed: it goes out once it is up. */
  isSent: boolean;
}

export const attachments = signal<readonly Attachment[]>([]);
const uploading = new Map<number, { request: XMLHttpRequest; done: Promise<void> }>();
let nextKey = 1;

hooks.forget.push(() => {
  for (const { request } of uploading.values()) request.abort();
  for (const { key } of attachments.value) removeAttachment(key);
});

export function attachmentsOf(groupId: Id): Attachment[] {
  return attachments.value.filter((attachment) => attachment.groupId === groupId);
}

/** Begin to upload files for a chat; those beyond the bound are left out. */
export function attach(groupId: Id, files: Iterable<File>): void {
  for (const file of files) {
    if (attachmentsOf(groupId).length >= MAX_ATTACHMENTS) return;
    const key = nextKey++;
    const preview = file.type.startsWith("image/") ? URL.createObjectURL(file) : "";
    attachments.value = [...attachments.value, { key, groupId, file, preview, progress: 0, mediaId: null, failure: "", isSent: false }];
    upload(key, file);
  }
}

export function removeAttachment(key: number): void {
  uploading.get(key)?.request.abort();
  uploading.delete(key);
  const gone = attachments.value.find((attachment) => attachment.key === key);
  if (gone?.preview) URL.revokeObjectURL(gone.preview);
  attachments.value = attachments.value.filter((attachment) => attachment.key !== key);
}

/** Send a chat's attachments in their order, each when it is up, then the text; a single one has the text as its caption. */
export async function sendAttachments(groupId: Id, text: string): Promise<void> {
  const mine = attachmentsOf(groupId).filter((attachment) => !attachment.isSent);
  const caption = mine.length === 1 ? text : "";
  for (const { key } of mine) update(key, { isSent: true });
  for (const { key } of mine) {
    await uploading.get(key)?.done;
    const attachment = attachments.value.find((known) => known.key === key);
    if (!attachment?.mediaId) continue;
    sendMedia(groupId, attachment.mediaId, caption);
    removeAttachment(key);
  }
  if (text && !caption) sendText(groupId, text);
}

/** Try a failed upload again. */
export function retryUpload(key: number): void {
  const attachment = attachments.value.find((known) => known.key === key);
  if (!attachment?.failure) return;
  update(key, { failure: "", progress: 0, isSent: false });
  upload(key, attachment.file);
}

function update(key: number, change: Partial<Attachment>): void {
  attachments.value = attachments.value.map((attachment) => (attachment.key === key ? { ...attachment, ...change } : attachment));
}

function upload(key: number, file: File): void {
  const request = new XMLHttpRequest();
  request.open("POST", "/media");
  request.setRequestHeader("Upload-Name", encodeURIComponent(file.name || "file"));
  request.setRequestHeader("Idempotency-Key", crypto.randomUUID());
  request.upload.onprogress = ({ loaded, total }) => update(key, { progress: total ? loaded / total : 0 });
  const done = new Promise<void>((resolve) => {
    request.onloadend = () => {
      finish(key, request);
      resolve();
    };
  });
  uploading.set(key, { request, done });
  request.send(file);
}

function finish(key: number, request: XMLHttpRequest): void {
  let answer: { id?: string; message?: string } = {};
  try {
    answer = JSON.parse(request.responseText) as typeof answer;
  } catch {
    // no JSON: the network broke, or something between answered
  }
  if (request.status === 201 && answer.id) update(key, { mediaId: answer.id as Id, progress: 1 });
  else update(key, { failure: answer.message ?? "network", isSent: false });
}

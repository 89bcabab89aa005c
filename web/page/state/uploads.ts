/** Files on their way up: chosen, pasted or dropped in a chat, and sent when they are up. */
import { signal } from "@preact/signals";
import type { Id, SendExtra } from "../../client/protocol.gen.ts";
import type { OutboxEntry } from "../../client/outbox.ts";
import { expectFile, fileIsLost, fileIsUp, sendFile } from "./chats.ts";
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
  /** Enter was pressed: its message in the outbox goes out once it is up. Empty before. */
  outboxKey: string;
}

export const attachments = signal<readonly Attachment[]>([]);
const uploading = new Map<number, XMLHttpRequest>();
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
  attachments.value = [...attachments.value, { key, groupId, file, preview, progress: 0, mediaId: null, failure: "", outboxKey }];
  upload(key, file);
}

/** Take a file back; the caption of a message that waits for it stays in the outbox. */
export function removeAttachment(key: number): void {
  const gone = attachments.value.find((attachment) => attachment.key === key);
  forget(key);
  if (gone?.outboxKey) fileIsLost(gone.outboxKey);
}

function forget(key: number): void {
  const request = uploading.get(key);
  uploading.delete(key);
  request?.abort();
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
  update(key, { failure: "", progress: 0 });
  upload(key, attachment.file);
}

function update(key: number, change: Partial<Attachment>): void {
  attachments.value = attachments.value.map((attachment) => (attachment.key === key ? { ...attachment, ...change } : attachment));
}

/** Upload a picture for a profile or a group; answers the medium's id. Throws an Error with the server's sentence. */
export async function uploadMedium(file: File): Promise<Id> {
  const headers = { "Upload-Name": encodeURIComponent(file.name || "file"), "Idempotency-Key": crypto.randomUUID() };
  const response = await fetch("/media", { method: "POST", headers, body: file });
  const answer = (await response.json()) as { id?: string; message?: string };
  if (!response.ok || !answer.id) throw new Error(answer.message ?? String(response.status));
  return answer.id as Id;
}

function upload(key: number, file: File): void {
  const request = new XMLHttpRequest();
  request.open("POST", "/media");
  request.setRequestHeader("Upload-Name", encodeURIComponent(file.name || "file"));
  request.setRequestHeader("Idempotency-Key", crypto.randomUUID());
  request.upload.onprogress = ({ loaded, total }) => update(key, { progress: total ? loaded / total : 0 });
  request.onloadend = () => finish(key, request);
  uploading.set(key, request);
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
  else update(key, { failure: answer.message ?? "network" });
  release(key);
}

/** One file on its way up: again over a network that breaks, from where it was, until the server has it whole. */
import { makeClientId, toHex } from "../../client/client_id.ts";
import type { Id } from "../../client/protocol.gen.ts";
import { connection } from "./session.ts";
import { timers } from "./timers.ts";

/** Files up to this size go up in one request; larger ones in pieces of this size, by the tus protocol. */
const PIECE_BYTES = 4 * 1024 * 1024;
/** Failures in a row, with a connection to the server, after which it is no longer the network's. */
const MAX_FAILURES = 8;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 15_000;
const MAX_RESTARTS = 3;

/** The server does not take the file; `code` is its error code. */
export class UploadRefused extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/** The upload was taken back by who began it. */
export class UploadAborted extends Error {}

/** No answer, or one that says to try again: `waitMs` later at the earliest. */
class TryAgain extends Error {
  constructor(
    message: string,
    readonly waitMs = 0,
  ) {
    super(message);
  }
}

/** What the server had of the upload is gone. */
class UploadGone extends Error {}

export class Upload {
  private request: XMLHttpRequest | null = null;
  private isAborted = false;
  private key = toHex(makeClientId(connection.now()));
  /** The upload's own address, once the server made it. */
  private place = "";
  private offset = 0;
  /** Whether `offset` may be wrong, after a piece whose answer did not come. */
  private isUnsure = false;

  /** `onProgress` is called with the share that is up, from 0 to 1. */
  constructor(
    private file: File,
    private onProgress: (share: number) => void,
  ) {}

  /** Stop for good; `run` throws UploadAborted. */
  abort(): void {
    this.isAborted = true;
    this.request?.abort();
    if (this.place) void fetch(this.place, { method: "DELETE", headers: TUS, keepalive: true }).catch(() => undefined); // it expires by itself
  }

  /** Bring the file up; answers the medium's id. Throws UploadRefused and UploadAborted. */
  async run(): Promise<Id> {
    let failures = 0;
    let restarts = 0;
    for (;;) {
      const before = this.offset;
      try {
        return await (this.file.size > PIECE_BYTES ? this.inPieces() : this.atOnce());
      } catch (error) {
        if (this.isAborted) throw new UploadAborted();
        if (error instanceof UploadGone && restarts++ < MAX_RESTARTS) this.forget();
        else if (error instanceof TryAgain) {
          failures = this.offset > before ? 1 : failures + 1;
          if (failures > MAX_FAILURES) throw new UploadRefused("network", error.message);
          await this.pause(Math.max(error.waitMs, Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1))));
        } else throw error;
      }
    }
  }

  private forget(): void {
    this.place = "";
    this.offset = 0;
    this.isUnsure = false;
    this.key = toHex(makeClientId(connection.now()));
  }

  /** Wait, and for the connection, if there is none: no file goes up where nothing does. */
  private async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => timers.after(ms, resolve));
    if (this.isAborted) throw new UploadAborted();
    await connection.untilOnline().catch(() => {
      throw new UploadAborted(); // logged out
    });
  }

  private async atOnce(): Promise<Id> {
    const headers = { "Upload-Name": encodeURIComponent(this.file.name || "file"), "Idempotency-Key": this.key };
    const request = await this.send("POST", "/media", headers, this.file);
    const { id } = JSON.parse(request.responseText) as { id?: string };
    if (!id) throw new TryAgain("the answer names no medium");
    return id as Id;
  }

  private async inPieces(): Promise<Id> {
    if (!this.place) {
      const name = btoa(String.fromCharCode(...new TextEncoder().encode(this.file.name || "file")));
      const headers = { "Upload-Length": String(this.file.size), "Upload-Metadata": `filename ${name}`, "Idempotency-Key": this.key };
      const request = await this.send("POST", "/uploads", { ...TUS, ...headers });
      const location = request.getResponseHeader("Location");
      if (!location) throw new TryAgain("the answer names no upload");
      this.place = new URL(location, new URL("/uploads", globalThis.location.href)).pathname;
      this.isUnsure = true; // the same key may have made it before
    }
    for (;;) {
      if (this.isUnsure) {
        const request = await this.send("HEAD", this.place, TUS);
        this.offset = Number(request.getResponseHeader("Upload-Offset"));
        this.isUnsure = false;
        const whole = request.getResponseHeader("Upload-Media");
        if (whole) return whole as Id;
      }
      const headers = { ...TUS, "Upload-Offset": String(this.offset), "Content-Type": "application/offset+octet-stream" };
      this.isUnsure = true;
      const request = await this.send("PATCH", this.place, headers, this.file.slice(this.offset, this.offset + PIECE_BYTES));
      this.offset = Number(request.getResponseHeader("Upload-Offset"));
      this.isUnsure = false;
      const whole = request.getResponseHeader("Upload-Media");
      if (whole) return whole as Id;
    }
  }

  /** One request. Throws TryAgain, UploadGone and UploadRefused. */
  private send(method: string, url: string, headers: Record<string, string>, body: Blob | null = null): Promise<XMLHttpRequest> {
    if (this.isAborted) return Promise.reject(new UploadAborted());
    const request = new XMLHttpRequest();
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    const from = this.offset;
    if (body) request.upload.onprogress = ({ loaded }) => this.onProgress(this.file.size ? Math.min(1, (from + loaded) / this.file.size) : 1);
    this.request = request;
    return new Promise((resolve, reject) => {
      request.onloadend = () => {
        this.request = null;
        if (request.status >= 200 && request.status < 300) resolve(request);
        else reject(failureOf(request));
      };
      request.send(body);
    });
  }
}

const TUS = { "Tus-Resumable": "1.0.0" };
/** Timeout, offset mismatch, busy, too many: ask where it stands, and go on. */
const TRANSIENT: ReadonlySet<number> = new Set([0, 408, 409, 423, 425, 429, 502, 503, 504]);

function failureOf(request: XMLHttpRequest): Error {
  const { status } = request;
  let answer: { error?: string; message?: string } = {};
  try {
    answer = JSON.parse(request.responseText) as typeof answer;
  } catch {
    // something between us and the server answered, or nobody did
  }
  const text = answer.message ?? String(status);
  const isConflict = status === 409 && answer.error === "client_id_conflict";
  if ((TRANSIENT.has(status) && !isConflict) || answer.error === "upload_cut") return new TryAgain(text, Number(request.getResponseHeader("Retry-After") ?? 0) * 1000);
  if (status === 404 || status === 410) return new UploadGone(text);
  return new UploadRefused(answer.error ?? "network", text);
}

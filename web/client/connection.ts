/** One connection that heals itself: hello, login, requests, heartbeat, reconnect. */
import { makeClientId } from "./client_id.ts";
import { decode, encodeCommand, type Frame } from "./codec.ts";
import { ConnectionLost, endsSession, isMismatch, isTransient, LoggedOut, RefusedError } from "./errors.ts";
import type { Commands, LoggedIn, Refused, Welcome } from "./protocol.gen.ts";
import { type Answer, PendingRequests } from "./requests.ts";
import type { Timers } from "./timers.ts";

/** What a socket tells, and what it is told. */
export interface SocketEvents {
  opened(): void;
  received(data: Uint8Array): void;
  closed(): void;
}
export interface Socket {
  send(data: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** Opens a socket; no event of it comes before this returned. */
export type Dial = (events: SocketEvents) => Socket;

/** How this connection says who it is: by the cookie of its handshake, or by a password that is forgotten after its use. */
export type Credentials =
  | { kind: "cookie" }
  | { kind: "token"; token: Uint8Array }
  | { kind: "password"; name: string; password: string; register: boolean };

export type State = "connecting" | "online" | "waiting" | "logged_out";

export interface Listener {
  stateChanged(state: State): void;
  /** Whether what is shown and waits here is somebody else's: it is forgotten then, and the login made anew. */
  isOther(me: LoggedIn): boolean;
  /** A new token by a password: the page gives it to the server for a cookie. Awaited before anything else. */
  gotToken(token: Uint8Array): Promise<Credentials>;
  /** Logged in, at first or again. */
  online(me: LoggedIn): void;
  received(frames: Frame[]): void;
}

export interface Options {
  dial: Dial;
  timers: Timers;
  listener: Listener;
  agent: string;
  device: string;
}

type Reply<N extends keyof Commands> = Commands[N]["reply"];
type Change = { [N in keyof Commands]: Commands[N]["send"] extends { client_id: Uint8Array } ? N : never }[keyof Commands];

const FIRST_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 60_000;
const WAKE_ANSWER_MS = 2000;
const HANDSHAKE_MS = 15_000;

export class Connection {
  state: State = "logged_out";
  welcome: Welcome | null = null;
  me: LoggedIn | null = null;
  /** Why nobody is logged in, after a login that was refused or a session that ended. */
  refusal: RefusedError | null = null;
  /** The server's refusal to speak with a client of this version at all; null while it does. It is tried again. */
  mismatch: RefusedError | null = null;

  private socket: Socket | null = null;
  private requests = new PendingRequests();
  private credentials: Credentials | null = null;
  private clockOffset = 0;
  private lastHeard = 0;
  private lastSent = 0;
  /** When something was said first since something was heard; 0: nothing was. */
  private awaitingSince = 0;
  private failures = 0;
  /** Counts logins by `start`: what began under one must not go on under the next, which may be somebody else's. */
  private logins = 0;
  private retryTimer = 0;
  private beatTimer = 0;
  private whenOnline: { resolve(): void; reject(error: Error): void }[] = [];

  constructor(private options: Options) {}

  /** Now on the server's clock, in milliseconds. */
  now(): number {
    return Date.now() + this.clockOffset;
  }

  /** Connect and log in, and stay so until `stop` or until the session is over. */
  start(credentials: Credentials): void {
    this.stop();
    this.credentials = credentials;
    this.refusal = null;
    this.open();
  }

  /** Log out here: close, and fail everything that waits. */
  stop(): void {
    this.credentials = null;
    this.logins++;
    this.options.timers.cancel(this.retryTimer);
    this.close();
    this.me = null;
    for (const waiter of this.whenOnline.splice(0)) waiter.reject(new LoggedOut("nobody is logged in"));
    this.setState("logged_out");
  }

  /** Try again at once where a pause runs: the network is back, or the person asks. */
  retryNow(): void {
    if (this.state !== "waiting") return;
    this.options.timers.cancel(this.retryTimer);
    this.open();
  }

  /** After sleep a socket may say it is open and be dead: ask, and take silence for a loss. */
  wake(): void {
    if (this.state === "waiting") return this.retryNow();
    if (this.state !== "online") return;
    const before = this.lastHeard;
    const socket = this.socket;
    this.request("Ping", {}).catch(ignoreLoss);
    this.options.timers.after(WAKE_ANSWER_MS, () => {
      if (this.socket === socket && this.lastHeard === before) this.reconnect(0);
    });
  }

  /** Ask once. Throws RefusedError, or ConnectionLost where it may or may not have taken effect. */
  async request<N extends keyof Commands>(name: N, body: Commands[N]["send"]): Promise<Reply<N>> {
    return (await this.ask(name, body)).reply as unknown as Reply<N>;
  }

  /** As `request`, with the events that are parts of the answer. */
  async requestPage<N extends keyof Commands>(name: N, body: Commands[N]["send"]): Promise<{ reply: Reply<N>; events: Answer["events"] }> {
    const { reply, events } = await this.ask(name, body);
    return { reply: reply as unknown as Reply<N>, events };
  }

  /** Make a change exactly once, over as many connections as it takes. Throws RefusedError for good, or LoggedOut. */
  async change<N extends Change>(name: N, body: Omit<Commands[N]["send"], "client_id">, clientId = makeClientId(this.now())): Promise<Reply<N>> {
    const whole = { client_id: clientId, ...body } as unknown as Commands[N]["send"];
    const { logins } = this;
    for (;;) {
      await this.untilOnline();
      if (this.logins !== logins) throw new LoggedOut("somebody logged out meanwhile");
      try {
        return await this.request(name, whole);
      } catch (error) {
        if (isTransient(error)) await this.pause(Math.max(FIRST_PAUSE_MS, error.retryAfter));
        else if (!(error instanceof ConnectionLost)) throw error;
      }
    }
  }

  /** Resolves once logged in. Throws LoggedOut. */
  untilOnline(): Promise<void> {
    if (this.state === "online") return Promise.resolve();
    if (this.state === "logged_out") return Promise.reject(new LoggedOut("nobody is logged in"));
    return new Promise((resolve, reject) => this.whenOnline.push({ resolve, reject }));
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.options.timers.after(ms, resolve));
  }

  private ask<N extends keyof Commands>(name: N, body: Commands[N]["send"]): Promise<Answer> {
    const { socket } = this;
    if (!socket) return Promise.reject(new ConnectionLost("not connected"));
    const { requestId, answer } = this.requests.open();
    this.lastSent = Date.now();
    this.awaitingSince ||= this.lastSent;
    try {
      socket.send(encodeCommand(name, requestId, body));
    } catch (error) {
      this.requests.take({ name: "Refused", number: 0x41, requestId, body: { code: "bad_field", message: String(error), at: null, retry_after: 0 } });
    }
    return answer;
  }

  private setState(state: State): void {
    if (this.state === state) return;
    this.state = state;
    this.options.listener.stateChanged(state);
  }

  private open(): void {
    this.setState("connecting");
    this.lastHeard = Date.now();
    this.awaitingSince = 0;
    const current = (): boolean => this.socket === socket;
    const socket = this.options.dial({
      opened: () => {
        if (current()) this.logIn().catch((error: unknown) => this.loginFailed(error, current()));
      },
      received: (data) => {
        if (current()) this.receive(data);
      },
      closed: () => {
        if (current()) this.reconnect();
      },
    });
    this.socket = socket;
    this.options.timers.after(HANDSHAKE_MS, () => {
      if (current() && this.state === "connecting") this.reconnect();
    });
  }

  private async logIn(): Promise<void> {
    const { socket } = this;
    const welcome = await this.request("Hello", { versions: [1], agent: this.options.agent });
    this.welcome = welcome;
    this.clockOffset = welcome.now - Date.now();
    const me = await this.sendCredentials();
    if (this.socket !== socket) throw new ConnectionLost("the connection was lost"); // while the answer was used
    if (this.options.listener.isOther(me)) return this.startAgain();
    this.me = me;
    this.failures = 0;
    this.mismatch = null;
    this.beat(welcome.heartbeat);
    this.setState("online");
    this.options.listener.online(me);
    for (const waiter of this.whenOnline.splice(0)) waiter.resolve();
  }

  private async sendCredentials(): Promise<LoggedIn> {
    const who = this.credentials;
    if (!who) throw new LoggedOut("nobody is logged in");
    if (who.kind === "cookie") return this.request("ResumeHere", {});
    if (who.kind === "token") return this.request("Resume", { token: who.token });
    const body = { name: who.name, password: who.password, device: this.options.device };
    const { logins } = this;
    const me = await this.request(who.register ? "Register" : "Login", body);
    const credentials = await this.options.listener.gotToken(me.token);
    if (this.logins === logins) this.credentials = credentials;
    me.token = new Uint8Array();
    return me;
  }

  private startAgain(): void {
    const { credentials } = this;
    this.stop();
    if (credentials) this.start(credentials);
  }

  private loginFailed(error: unknown, isCurrent: boolean): void {
    if (!isCurrent) return;
    // What a person typed is not sent again and again: they are told, and decide.
    const isAnswer = error instanceof RefusedError && this.credentials?.kind === "password";
    if (isMismatch(error)) {
      this.mismatch = error;
      this.reconnect();
    } else if (isAnswer || endsSession(error)) this.endSession(error);
    else this.reconnect();
  }

  private endSession(refusal: RefusedError): void {
    this.refusal = refusal;
    this.stop();
  }

  private beat(heartbeat: number): void {
    this.options.timers.cancel(this.beatTimer);
    this.beatTimer = this.options.timers.after(Math.min(5000, heartbeat / 4), () => {
      if (this.state !== "online") return;
      // A hidden page's timers may come late: silence is a loss only if it was asked for an answer long ago.
      const isAwaiting = this.awaitingSince > 0 && Date.now() - this.awaitingSince > heartbeat;
      if (isAwaiting && Date.now() - this.lastHeard > 2 * heartbeat) return this.reconnect();
      if (Date.now() - this.lastSent > heartbeat * 0.7) this.request("Ping", {}).catch(ignoreLoss);
      this.beat(heartbeat);
    });
  }

  private close(): void {
    const { socket } = this;
    this.socket = null;
    this.options.timers.cancel(this.beatTimer);
    socket?.close();
    this.requests.fail(new ConnectionLost("the connection was lost"));
  }

  /** Close, and connect again after a random pause that doubles with each failure, or after `pause`. */
  private reconnect(pause?: number): void {
    this.close();
    if (!this.credentials) return;
    const most = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.failures++);
    this.setState("waiting");
    this.options.timers.cancel(this.retryTimer);
    this.retryTimer = this.options.timers.after(pause ?? Math.random() * most, () => this.open());
  }

  private receive(data: Uint8Array): void {
    this.lastHeard = Date.now();
    this.awaitingSince = 0;
    let frames: Frame[];
    try {
      frames = decode(data);
    } catch {
      return this.reconnect();
    }
    const live: Frame[] = [];
    for (const frame of frames) {
      if (frame.requestId !== 0) this.requests.take(frame);
      else if (frame.name === "Refused") return this.loginFailed(new RefusedError(frame.body as unknown as Refused), true);
      else if (frame.name === "SessionOver" && frame.body["reason"] === "session_ended") {
        return this.endSession(new RefusedError({ code: "session_ended", message: "The session is over.", at: null, retry_after: 0 }));
      } else if (frame.name === "Draining") this.drain(Number(frame.body["within"]));
      else live.push(frame);
    }
    if (live.length) this.options.listener.received(live);
  }

  /** The server is about to stop: leave by ourselves, some moment within the time it gave. */
  private drain(within: number): void {
    const { socket } = this;
    this.options.timers.after(Math.random() * within, () => {
      if (this.socket === socket) this.reconnect();
    });
  }
}

function ignoreLoss(error: unknown): void {
  if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
}


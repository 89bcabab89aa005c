/** A server for tests: sockets that answer by a table of functions, and timers that run when a test says so. */
import { type Body, decode, encode, type Frame } from "../codec.ts";
import { Connection, type Credentials, type Dial, type Listener, type Socket, type SocketEvents } from "../connection.ts";
import type { Timers } from "../timers.ts";

export const WELCOME = { version: 1, server: "fake", now: Date.now(), heartbeat: 30000, max_frame: 65536, max_requests: 128, registration_open: true };
export const LOGGED_IN = { user_id: "1", name: "ann", session_id: "5", token: new Uint8Array(32), user_version: 1, operator: false };
export type Handler = (body: Body, socket: FakeSocket, frame: Frame) => [name: string, body: Body] | null;

export class FakeSocket implements Socket {
  closed = false;
  constructor(
    private server: FakeServer,
    readonly events: SocketEvents,
  ) {}

  send(data: Uint8Array): void {
    for (const frame of decode(data)) {
      this.server.heard.push(frame);
      const answer = this.server.handlers[frame.name]?.(frame.body, this, frame);
      if (answer) this.deliver(answer[0], frame.requestId, answer[1]);
    }
  }

  deliver(name: string, requestId: number, body: Body): void {
    queueMicrotask(() => this.events.received(encode(name, requestId, body)));
  }

  close(): void {
    this.closed = true;
  }

  /** The network breaks. */
  cut(): void {
    this.events.closed();
  }
}

export class FakeServer {
  heard: Frame[] = [];
  sockets: FakeSocket[] = [];
  handlers: Record<string, Handler> = {
    Hello: () => ["Welcome", WELCOME],
    Login: () => ["LoggedIn", LOGGED_IN],
    Resume: () => ["LoggedIn", { ...LOGGED_IN, token: new Uint8Array() }],
    Ping: () => ["Pong", { now: Date.now() }],
  };

  dial: Dial = (events) => {
    const socket = new FakeSocket(this, events);
    this.sockets.push(socket);
    queueMicrotask(() => events.opened());
    return socket;
  };

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  count(name: string): number {
    return this.heard.filter((frame) => frame.name === name).length;
  }
}

export class ManualTimers implements Timers {
  private next = 1;
  private due = new Map<number, { ms: number; run: () => void }>();

  after(ms: number, run: () => void): number {
    this.due.set(this.next, { ms, run });
    return this.next++;
  }

  cancel(timer: number): void {
    this.due.delete(timer);
  }

  /** Run what would be due within `ms`, once. */
  async advance(ms: number): Promise<void> {
    for (const [id, timer] of [...this.due]) {
      if (timer.ms > ms || !this.due.delete(id)) continue;
      timer.run();
    }
    await settle();
  }
}

/** Let everything run that needs no timer. */
export async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

const TOKEN: Credentials = { kind: "token", token: new Uint8Array(32) };

export function connect(server: FakeServer, timers: ManualTimers, listener: Partial<Listener> = {}): Connection {
  const whole: Listener = { stateChanged() {}, isOther: () => false, gotToken: () => Promise.resolve(TOKEN), online() {}, received() {}, ...listener };
  const connection = new Connection({ dial: server.dial, timers, listener: whole, agent: "test", device: "test" });
  connection.start(TOKEN);
  return connection;
}

import assert from "node:assert/strict";
import { test } from "node:test";
import type { State } from "../connection.ts";
import { LoggedOut, RefusedError } from "../errors.ts";
import type { Id } from "../protocol.gen.ts";
import { connect, FakeServer, LOGGED_IN, ManualTimers, settle } from "./fake_server.ts";

const GROUP = "7" as Id;
const SENT = { group_id: GROUP, seq: 2, id: "9", ordinal: 1, sent_at: 0 };

test("a change whose answer was lost is sent again under the same client id", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  server.handlers["Send"] = (_body, socket) => {
    if (server.sockets.length === 1) socket.cut();
    return server.sockets.length === 1 ? null : ["Sent", SENT];
  };
  const connection = connect(server, timers);
  await settle();
  const change = connection.change("Send", { group_id: GROUP, text: "once" });
  await settle();
  await timers.advance(1000);
  assert.equal((await change).seq, 2);
  const [first, second] = server.heard.filter((frame) => frame.name === "Send");
  assert.deepEqual(first!.body["client_id"], second!.body["client_id"]);
});

test("a refusal for good ends a change, a transient one does not", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  const answers = ["server_busy", "muted"];
  server.handlers["Send"] = () => ["Refused", { code: answers.shift(), message: "no", at: null, retry_after: 10 }];
  const connection = connect(server, timers);
  await settle();
  const change = assert.rejects(connection.change("Send", { group_id: GROUP, text: "x" }), (error: RefusedError) => error.code === "muted");
  await settle();
  assert.equal(server.count("Send"), 1);
  await timers.advance(1000);
  await change;
  assert.equal(server.count("Send"), 2);
});

test("a socket that is dead after sleep is replaced two seconds after waking", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  const connection = connect(server, timers);
  await settle();
  server.handlers["Ping"] = () => null;
  connection.wake();
  await timers.advance(2000);
  assert.ok(server.sockets[0]!.closed);
  await timers.advance(0);
  assert.equal(server.sockets.length, 2);
  assert.equal(connection.state, "online");
});

test("a session that ended is not tried again", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  const states: State[] = [];
  const connection = connect(server, timers, { stateChanged: (state) => states.push(state) });
  await settle();
  const waiting = assert.rejects(connection.request("ShowBalance", {}));
  server.socket.deliver("SessionOver", 0, { reason: "session_ended", session_id: "5" });
  await settle();
  await waiting;
  await timers.advance(100_000);
  assert.deepEqual(states, ["connecting", "online", "logged_out"]);
  assert.equal(server.sockets.length, 1);
  await assert.rejects(connection.change("Send", { group_id: GROUP, text: "x" }), LoggedOut);
});

test("a change that waits out a refusal is not made by whoever logs in meanwhile", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  server.handlers["Send"] = () => ["Refused", { code: "slow_mode", message: "no", at: null, retry_after: 30_000 }];
  const connection = connect(server, timers);
  await settle();
  const change = assert.rejects(connection.change("Send", { group_id: GROUP, text: "mine" }), LoggedOut);
  await settle();
  connection.start({ kind: "token", token: new Uint8Array(32).fill(1) });
  await settle();
  await timers.advance(30_000);
  await change;
  assert.equal(server.count("Send"), 1);
});

test("a connection that ends while its token becomes a cookie is not taken for one that lives", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  const states: State[] = [];
  let trade = (): void => undefined;
  const traded = new Promise<void>((resolve) => (trade = resolve));
  const connection = connect(server, timers, {
    stateChanged: (state) => states.push(state),
    gotToken: () => traded.then(() => ({ kind: "token", token: new Uint8Array(32) })),
  });
  connection.start({ kind: "password", name: "ann", password: "x", register: false });
  await settle();
  server.socket.cut();
  trade();
  await settle();
  assert.equal(connection.state, "waiting");
  await timers.advance(1000);
  assert.equal(connection.state, "online");
  assert.deepEqual([server.count("Login"), server.count("Resume")], [1, 1]);
});

test("a logout while the token becomes a cookie counts", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  let trade = (): void => undefined;
  const traded = new Promise<void>((resolve) => (trade = resolve));
  const connection = connect(server, timers, { gotToken: () => traded.then(() => ({ kind: "token", token: new Uint8Array(32) })) });
  connection.start({ kind: "password", name: "ann", password: "x", register: false });
  await settle();
  connection.stop();
  trade();
  await settle();
  await timers.advance(60_000);
  assert.equal(connection.state, "logged_out");
});

test("where a session turns out to be somebody else's, nothing goes out that waited", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  const states: State[] = [];
  let shown = "1";
  const connection = connect(server, timers, {
    stateChanged: (state) => {
      states.push(state);
      if (state === "logged_out") shown = "";
    },
    isOther: ({ user_id }) => shown !== "" && user_id !== shown,
  });
  await settle();
  server.socket.cut();
  const change = assert.rejects(connection.change("Send", { group_id: GROUP, text: "mine" }), LoggedOut);
  server.handlers["Resume"] = () => ["LoggedIn", { ...LOGGED_IN, user_id: "2" }];
  await timers.advance(1000);
  await settle();
  await change;
  assert.equal(server.count("Send"), 0);
  assert.equal(connection.me?.user_id, "2");
  assert.deepEqual(states, ["connecting", "online", "waiting", "connecting", "logged_out", "connecting", "online"]);
});

test("pauses between attempts grow to a minute and no further", async () => {
  const server = new FakeServer();
  const timers = new ManualTimers();
  server.handlers["Hello"] = (_body, socket) => {
    socket.cut();
    return null;
  };
  connect(server, timers);
  await settle();
  for (let attempt = 1; attempt <= 12; attempt++) {
    assert.equal(server.sockets.length, attempt);
    await timers.advance(Math.min(60_000, 1000 * 2 ** (attempt - 1)));
  }
});

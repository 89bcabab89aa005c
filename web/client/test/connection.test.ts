import assert from "node:assert/strict";
import { test } from "node:test";
import type { State } from "../connection.ts";
import { LoggedOut, RefusedError } from "../errors.ts";
import type { Id } from "../protocol.gen.ts";
import { connect, FakeServer, ManualTimers, settle } from "./fake_server.ts";

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

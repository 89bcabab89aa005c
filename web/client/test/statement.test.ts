import assert from "node:assert/strict";
import { test } from "node:test";
import type { Id, StatementLine } from "../protocol.gen.ts";
import { type Statement, withPage } from "../statement.ts";

const lines = (...ids: number[]): StatementLine[] => ids.map((id) => ({ transfer_id: String(id) as Id }) as StatementLine);
const statement = (isComplete: boolean, ...ids: number[]): Statement => ({ lines: lines(...ids), isComplete });
const page = (before: number, more: boolean, ...ids: number[]) => ({ before: String(before) as Id, lines: lines(...ids), more });

test("older pages follow in order until there are no more", () => {
  const first = withPage(statement(false), page(0, true, 9, 8));
  const second = withPage(first, page(8, true, 7, 6));
  assert.deepEqual(second, statement(false, 9, 8, 7, 6));
  assert.deepEqual(withPage(second, page(6, false)), statement(true, 9, 8, 7, 6));
});

test("a transfer that came meanwhile stands at the top, and what was fetched stays", () => {
  assert.deepEqual(withPage(statement(true, 10, 9, 8), page(0, true, 11, 10, 9)), statement(true, 11, 10, 9, 8));
});

test("after more transfers than a page the statement begins anew, without a hole", () => {
  const anew = withPage(statement(true, 5, 4), page(0, true, 12, 11));
  assert.deepEqual(anew, statement(false, 12, 11));
  assert.deepEqual(withPage(anew, page(4, false, 3)), anew);
});

test("a late answer undoes nothing", () => {
  const now = statement(false, 12, 11, 10);
  assert.deepEqual(withPage(now, page(0, true, 11, 10)), now);
  assert.deepEqual(withPage(now, page(0, false)), now);
});

test("ids are compared as numbers", () => {
  assert.deepEqual(withPage(statement(true, 9), page(0, false, 10, 9)), statement(true, 10, 9));
});

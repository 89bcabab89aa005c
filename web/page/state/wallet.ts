/** The wallet: what it holds, told by the server at each change, and its transfers page by page. */
import { signal } from "@preact/signals";
import type { Id } from "../../client/protocol.gen.ts";
import type { StatementPage } from "../../client/statement.ts";
import { personalListeners } from "./chats.ts";
import { connection, hooks } from "./session.ts";

const PAGE = 50;

/** In cents; null: not known yet. */
export const balance = signal<number | null>(null);

export async function loadBalance(): Promise<void> {
  balance.value = (await connection.request("ShowBalance", {})).cents;
}

/** Transfers older than one, the latest first. */
export async function statementPage(before: Id): Promise<StatementPage> {
  const { lines, more, cents } = await connection.request("ShowStatement", { before, limit: PAGE });
  balance.value = cents;
  return { before, lines, more };
}

/** Cents of what somebody typed, or null where it is no amount. */
export function parseCents(text: string): number | null {
  const match = /^(\d{1,9})(?:[.,](\d{1,2}))?$/.exec(text.trim());
  return match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : null;
}

/** Take money out, once, however often the network breaks. Throws RefusedError. */
export async function withdraw(cents: number): Promise<void> {
  await connection.change("Withdraw", { cents });
}

personalListeners.push((event) => {
  if (event.name === "WalletChanged") balance.value = event.body.cents;
});
hooks.forget.push(() => (balance.value = null));

/** Sending a red packet: total, shares, kind, greeting, and at once the average and what the wallet holds. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { Dialog } from "../parts/dialog.tsx";
import { sendPacket } from "../state/packets.ts";
import { connection } from "../state/session.ts";
import { errorText, moneyText, words } from "../words/index.ts";

const LUCKY = 1;
const EQUAL = 3;

/** Cents of what somebody typed, or null where it is no amount. */
export function parseCents(text: string): number | null {
  const match = /^(\d{1,9})(?:[.,](\d{1,2}))?$/.exec(text.trim());
  return match ? Number(match[1]) * 100 + Number((match[2] ?? "").padEnd(2, "0")) : null;
}

export function SendPacketDialog({ group, onClose }: { group: Group; onClose(): void }) {
  const { value: say } = words;
  const [balance, setBalance] = useState<number | null>(null);
  const [total, setTotal] = useState("");
  const [count, setCount] = useState("1");
  const [mode, setMode] = useState(LUCKY);
  const [failure, setFailure] = useState("");
  const isSending = useRef(false);
  const fail = (error: unknown): void => setFailure(error instanceof RefusedError ? errorText(error.code, error.message) : String(error));
  useEffect(() => {
    connection.request("ShowBalance", {}).then(({ cents }) => setBalance(cents), fail);
  }, []);

  const typed = parseCents(total);
  const shares = Number(count);
  const cents = typed === null ? null : mode === EQUAL ? typed * shares : typed;
  const problem = cents === null || !cents ? "" : balance !== null && cents > balance ? say.tooMuch : cents < shares ? say.tooLittle : "";
  const isReady = cents !== null && cents > 0 && Number.isInteger(shares) && shares > 0 && !problem;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!isReady || isSending.current) return;
    isSending.current = true;
    const greeting = String(new FormData(event.currentTarget as HTMLFormElement).get("greeting"));
    sendPacket({ groupId: group.group_id, total: cents, count: shares, mode, greeting })
      .then(onClose, fail)
      .finally(() => (isSending.current = false));
  };
  return (
    <Dialog label={say.sendPacket} kind="send-packet" onClose={onClose}>
      <form class="form" onSubmit={submit}>
        <label>
          {mode === EQUAL ? `${say.total} × 1` : say.total}
          <input inputMode="decimal" autocomplete="off" required value={total} onInput={(event) => setTotal(event.currentTarget.value)} />
        </label>
        <label>
          {say.count}
          <input type="number" min={1} max={500} required value={count} onInput={(event) => setCount(event.currentTarget.value)} />
        </label>
        <label>
          {say.kind}
          <select value={mode} onChange={(event) => setMode(Number(event.currentTarget.value))}>
            <option value={LUCKY}>{say.kindLucky}</option>
            <option value={EQUAL}>{say.kindEqual}</option>
          </select>
        </label>
        <label>
          {say.greeting}
          <input name="greeting" maxLength={64} placeholder={say.bestWishes} />
        </label>
        <output class="packet-sum">{moneyText(cents ?? 0)}</output>
        <p class="dim">
          {isReady && shares > 1 && `${say.average(moneyText(Math.floor(cents / shares)))} · `}
          {balance !== null && say.walletHolds(moneyText(balance))}
        </p>
        {(problem || failure) && (
          <p class="error" role="alert">
            {problem || failure}
          </p>
        )}
        <button class="primary packet-send" disabled={!isReady}>
          {say.sendMoney(moneyText(cents ?? 0))}
        </button>
      </form>
    </Dialog>
  );
}

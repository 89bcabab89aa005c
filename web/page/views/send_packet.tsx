/** Sending a red packet: total, shares, kind, greeting, and at once the average and what the wallet holds. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Group, Id, Member } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { fetchMembers } from "../state/members.ts";
import { sendPacket } from "../state/packets.ts";
import { connection, me } from "../state/session.ts";
import { parseCents } from "../state/wallet.ts";
import { failureText, moneyText, words } from "../words/index.ts";

const LUCKY = 1;
const EQUAL = 3;
const NAMED = 4;
const DIRECT = 2;

export function SendPacketDialog({ group, onClose }: { group: Group; onClose(): void }) {
  const { value: say } = words;
  const [balance, setBalance] = useState<number | null>(null);
  const [total, setTotal] = useState("");
  const [count, setCount] = useState("1");
  const [mode, setMode] = useState(LUCKY);
  const [receiverId, setReceiver] = useState<Id | null>(null);
  const [members, setMembers] = useState<readonly Member[]>([]);
  const [failure, setFailure] = useState("");
  const isSending = useRef(false);
  const fail = (error: unknown): void => setFailure(failureText(error));
  useEffect(() => {
    connection.request("ShowBalance", {}).then(({ cents }) => setBalance(cents), fail);
  }, []);

  const choose = (wanted: number): void => {
    setMode(wanted);
    if (wanted === NAMED && !members.length) fetchMembers(group.group_id).then((all) => setMembers(all.filter(({ user_id }) => user_id !== me.value?.user_id)), fail);
  };
  const typed = parseCents(total);
  const shares = mode === NAMED ? 1 : Number(count);
  const cents = typed === null ? null : mode === EQUAL ? typed * shares : typed;
  const problem = cents === null || !cents ? "" : balance !== null && cents > balance ? say.tooMuch : cents < shares ? say.tooLittle : "";
  const isReady = cents !== null && cents > 0 && Number.isInteger(shares) && shares > 0 && (mode !== NAMED || receiverId !== null) && !problem;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    if (!isReady || isSending.current) return;
    isSending.current = true;
    const greeting = String(new FormData(event.currentTarget as HTMLFormElement).get("greeting"));
    sendPacket({ groupId: group.group_id, total: cents, count: shares, mode, receiverId: mode === NAMED ? receiverId : null, greeting })
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
        {mode !== NAMED && (
          <label>
            {say.count}
            <input type="number" min={1} max={500} required value={count} onInput={(event) => setCount(event.currentTarget.value)} />
          </label>
        )}
        <label>
          {say.kind}
          <select value={mode} onChange={(event) => choose(Number(event.currentTarget.value))}>
            <option value={LUCKY}>{say.kindLucky}</option>
            <option value={EQUAL}>{say.kindEqual}</option>
            {group.kind !== DIRECT && <option value={NAMED}>{say.kindNamed}</option>}
          </select>
        </label>
        {mode === NAMED && (
          <label>
            {say.receiver}
            <select required value={receiverId ?? ""} onChange={(event) => setReceiver((event.currentTarget.value || null) as Id | null)}>
              <option value="">…</option>
              {members.map(({ user_id, name }) => (
                <option key={user_id} value={user_id}>{plain(name)}</option>
              ))}
            </select>
          </label>
        )}
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

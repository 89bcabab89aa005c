/** The wallet's statement: every transfer by day, older ones as one scrolls. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ConnectionLost } from "../../client/errors.ts";
import type { Id } from "../../client/protocol.gen.ts";
import { type Statement, withPage } from "../../client/statement.ts";
import { Dialog } from "../parts/dialog.tsx";
import { balance, parseCents, statementPage, withdraw } from "../state/wallet.ts";
import { dayText, failureText, moneyText, timeText, words } from "../words/index.ts";

/** Pixels from the end within which older transfers are fetched. */
const SLACK = 400;

export function WalletDialog({ onClose }: { onClose(): void }) {
  const { wallet: title, walletHolds, tooMuch, statement: say, loading } = words.value;
  const [{ lines, isComplete }, setStatement] = useState<Statement>({ lines: [], isComplete: false });
  const [note, setNote] = useState("");
  const [done, setDone] = useState("");
  const isFetching = useRef(false);
  const isTaking = useRef(false);
  const box = useRef<HTMLDivElement>(null);

  const fetchPage = async (before: Id): Promise<void> => {
    try {
      const page = await statementPage(before);
      setStatement((now) => withPage(now, page));
    } catch (error) {
      if (!(error instanceof ConnectionLost)) setNote(failureText(error));
    }
  };
  const look = (): void => {
    const element = box.current;
    if (isComplete || isFetching.current || !element) return;
    if (element.scrollHeight - element.scrollTop - element.clientHeight >= SLACK) return;
    isFetching.current = true;
    void fetchPage(lines.at(-1)?.transfer_id ?? ("0" as Id)).finally(() => (isFetching.current = false));
  };
  useEffect(look, [lines]);
  const held = balance.value;
  const heldBefore = useRef(held);
  useEffect(() => {
    if (held !== heldBefore.current) void fetchPage("0" as Id); // money came or went
    heldBefore.current = held;
  }, [held]);

  const takeOut = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const cents = parseCents(String(new FormData(form).get("amount")));
    setNote("");
    setDone("");
    if (!cents || (balance.value !== null && cents > balance.value)) return setNote(cents ? tooMuch : say.noAmount);
    if (!confirm(say.sure(moneyText(cents))) || isTaking.current) return;
    isTaking.current = true;
    withdraw(cents)
      .then(
        () => {
          form.reset();
          setDone(say.taken(moneyText(cents)));
          void fetchPage("0" as Id);
        },
        (error: unknown) => setNote(failureText(error)),
      )
      .finally(() => (isTaking.current = false));
  };
  let day = "";
  const items = [];
  for (const { transfer_id, kind, cents, at } of lines) {
    const today = dayText(at);
    if (today !== day) items.push(<li class="day" key={`day ${transfer_id}`} role="presentation">{today}</li>);
    day = today;
    items.push(
      <li key={transfer_id} data-cents={cents}>
        <span>{say.kinds[kind] ?? kind}</span> <time>{timeText(at)}</time> <b>{`${cents > 0 ? "+" : "−"}${moneyText(Math.abs(cents))}`}</b>
      </li>,
    );
  }
  return (
    <Dialog label={title} onClose={onClose}>
      <p class="side-note">
        {balance.value !== null && walletHolds(moneyText(balance.value))}
      </p>
      {note && <p class="error" role="alert">{note}</p>}
      <form class="form" aria-label={say.withdraw} onSubmit={takeOut}>
        <label>
          {say.amount}
          <input name="amount" inputMode="decimal" required autocomplete="off" />
        </label>
        <button class="secondary">{say.withdraw}</button>
        {done && <small class="dim" role="status">{done}</small>}
      </form>
      <div class="statement" ref={box} onScroll={look} tabIndex={0} role="region" aria-label={say.title}>
        <ol aria-label={say.title}>{items}</ol>
        <p class="dim" role="status">{isComplete ? say.complete(lines.length) : loading}</p>
      </div>
    </Dialog>
  );
}

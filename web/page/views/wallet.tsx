/** The wallet's statement: every transfer by day, older ones as one scrolls. */
import { useEffect, useRef, useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { Id, StatementLine } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { balance, olderLines } from "../state/wallet.ts";
import { dayText, errorText, moneyText, timeText, words } from "../words/index.ts";

/** Pixels from the end within which older transfers are fetched. */
const SLACK = 400;

export function WalletDialog({ onClose }: { onClose(): void }) {
  const { wallet: title, walletHolds, statement: say, loading } = words.value;
  const [lines, setLines] = useState<readonly StatementLine[]>([]);
  const [isComplete, setComplete] = useState(false);
  const [note, setNote] = useState("");
  const isFetching = useRef(false);
  const box = useRef<HTMLDivElement>(null);

  const fetchOlder = async (): Promise<void> => {
    if (isFetching.current || isComplete) return;
    isFetching.current = true;
    try {
      const page = await olderLines(lines.at(-1)?.transfer_id ?? ("0" as Id));
      setLines([...lines, ...page.lines]);
      setComplete(!page.more || !page.lines.length);
    } catch (error) {
      if (error instanceof RefusedError) setNote(errorText(error.code, error.message));
      else if (!(error instanceof ConnectionLost)) throw error;
    } finally {
      isFetching.current = false;
    }
  };
  const look = (): void => {
    const element = box.current;
    if (element && element.scrollHeight - element.scrollTop - element.clientHeight < SLACK) void fetchOlder();
  };
  useEffect(look, [lines]);

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
      <div class="statement" ref={box} onScroll={look} tabIndex={0} role="region" aria-label={say.title}>
        <ol aria-label={say.title}>{items}</ol>
        <p class="dim" role="status">{isComplete ? say.complete(lines.length) : loading}</p>
      </div>
    </Dialog>
  );
}

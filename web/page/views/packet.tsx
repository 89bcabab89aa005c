/** A red packet: the coin that turns, the amount that counts up, who had what, and the proof. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { Id, PacketShown } from "../../client/protocol.gen.ts";
import { RefusedError } from "../../client/errors.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icons.tsx";
import { PersonAvatar } from "../parts/person_avatar.tsx";
import { plain } from "../parts/stranger_text.tsx";
import type { Conversation } from "../state/conversation.ts";
import { showPacket, type Verdict, verifyPacket } from "../state/packets.ts";
import { connection } from "../state/session.ts";
import { timers } from "../state/timers.ts";
import { errorText, moneyText, timeText, words } from "../words/index.ts";

const TURN_MS = 600;
const COUNT_MS = 500;

const isStill = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;

interface Props {
  conversation: Conversation;
  packetId: Id;
  onClose(): void;
}

export function PacketDialog({ conversation, packetId, onClose }: Props) {
  const { value: say } = words;
  const { groupId } = conversation;
  const coin = useRef<HTMLButtonElement>(null);
  const [shown, setShown] = useState<PacketShown | null>(null);
  const [isOpenable, setOpenable] = useState(false);
  const [cents, setCents] = useState(0);
  const [note, setNote] = useState("");
  const [turns, setTurns] = useState(false);
  const fail = (error: unknown): void => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : String(error));

  const load = async (): Promise<void> => {
    const answers: Record<string, string> = { exhausted: say.packetAll, expired: say.packetExpired, not_for_you: say.packetOther };
    const grabbed = await connection.request("GrabPacket", { group_id: groupId, packet_id: packetId });
    setOpenable(grabbed.answer === "open_to_you");
    setCents(grabbed.cents);
    setNote(answers[grabbed.answer] ?? "");
    setShown(await showPacket(packetId));
  };
  useEffect(() => {
    load().catch(fail);
  }, [packetId]);
  const isReady = isOpenable && shown !== null;
  useEffect(() => {
    if (isReady) coin.current?.focus();
  }, [isReady]);
  // What others open meanwhile joins the list.
  const news = conversation.rows.value.findLast((row) => row.kind === "system" && "packet_id" in row.event.body && row.event.body.packet_id === packetId)?.seq ?? 0;
  const seenNews = useRef(news);
  useEffect(() => {
    if (seenNews.current === news || turns) return;
    seenNews.current = news;
    showPacket(packetId).then(setShown, fail);
  }, [news, turns]);

  const open = async (): Promise<void> => {
    setTurns(true);
    const turned = new Promise<void>((resolve) => (isStill() ? resolve() : timers.after(TURN_MS, resolve)));
    try {
      const share = await connection.change("OpenPacket", { group_id: groupId, packet_id: packetId });
      await turned;
      setCents(share.cents);
    } catch (error) {
      fail(error);
    }
    setOpenable(false);
    setTurns(false);
    setShown(await showPacket(packetId));
  };

  return (
    <Dialog label={say.redPacket} kind={isOpenable ? "packet sealed" : "packet"} titled={false} onClose={onClose}>
      {shown && (
        <div class="packet-top">
          <PersonAvatar name={shown.sender.name} id={shown.sender.user_id} />
          <b dir="auto">{say.packetFrom(plain(shown.sender.name))}</b>
          <p dir="auto">{plain(shown.greeting) || say.bestWishes}</p>
        </div>
      )}
      {isOpenable ? (
        <button ref={coin} type="button" class={turns ? "coin turning" : "coin"} aria-label={say.open} disabled={!shown || turns} onClick={() => void open().catch(fail)}>
          <span aria-hidden="true">開</span>
        </button>
      ) : (
        <>
          {cents > 0 ? (
            <>
              <Amount cents={cents} />
              <small>{say.inWallet}</small>
            </>
          ) : (
            <p class="packet-note" role="status">
              {note || (!shown && say.loading)}
            </p>
          )}
          {shown && <Openings shown={shown} />}
        </>
      )}
    </Dialog>
  );
}

/** An amount that counts up, unless the person wants no motion. The whole amount is what a screen reader hears. */
function Amount({ cents }: { cents: number }) {
  const element = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    element.current?.parentElement?.focus(); // the coin that had it is gone
    if (isStill()) return;
    const start = performance.now();
    let frame = 0;
    const step = (now: number): void => {
      const part = Math.min(1, (now - start) / COUNT_MS);
      if (element.current) element.current.textContent = moneyText(Math.round(cents * (1 - (1 - part) ** 3)));
      if (part < 1) frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [cents]);
  return (
    <output class="amount" tabIndex={-1} aria-label={moneyText(cents)}>
      <span ref={element} aria-hidden="true">
        {moneyText(cents)}
      </span>
    </output>
  );
}

function Openings({ shown }: { shown: PacketShown }) {
  const { value: say } = words;
  const [verdict, setVerdict] = useState<Verdict>("not_yet");
  useEffect(() => {
    verifyPacket(shown).then(setVerdict, () => setVerdict("not_yet"));
  }, [shown]);
  const taken = shown.openings.reduce((sum, opening) => sum + opening.cents, 0);
  return (
    <section class="openings">
      <p class="dim">{say.shares(shown.openings.length, shown.count, moneyText(taken), moneyText(shown.total))}</p>
      <ol>
        {shown.openings.map((opening) => (
          <li key={opening.number}>
            <PersonAvatar name={opening.name} id={opening.user_id} size="small" />
            <span class="opening-who">
              <bdi>{plain(opening.name)}</bdi>
              <time>{timeText(opening.opened_at)}</time>
            </span>
            <span class="opening-sum">
              {opening.cents > 0 && <b>{moneyText(opening.cents)}</b>}
              {shown.luckiest === opening.number && (
                <em>
                  <Icon name="crown" size={14} /> {say.luckiest}
                </em>
              )}
            </span>
          </li>
        ))}
      </ol>
      <details class={`proof ${verdict}`}>
        <summary>
          <Icon name="shield" size={16} /> {verdict === "unfair" ? say.unfair : say.provedFair}
          {verdict === "not_yet" && "…"}
        </summary>
        <p>{{ fair: say.provedHow, unfair: say.unfair, not_yet: say.notProved, no_crypto: say.noCrypto }[verdict]}</p>
      </details>
    </section>
  );
}

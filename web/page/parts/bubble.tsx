/** One message or red packet in a conversation. */
import type { Id, Person } from "../../client/protocol.gen.ts";
import { calls, type MessageRow, type PacketRow, type Row } from "../state/rows.ts";
import { me } from "../state/session.ts";
import { timeText, words } from "../words/index.ts";
import { Icon } from "./icons.tsx";
import { PersonAvatar } from "./person_avatar.tsx";
import { MediaBox } from "./picture.tsx";
import { plain, StrangerText } from "./stranger_text.tsx";
import { SystemLine } from "./system_line.tsx";

const NOBODY = "0" as Id;

/** Image, audio, video, file: without a medium it was deleted by who uploaded it. */
const WITH_MEDIA: ReadonlySet<number> = new Set([2, 3, 4, 5]);

/** What a person can do with a row; the conversation's view says how. */
export interface RowActions {
  openPacket(packetId: Id): void;
  openMedia(row: MessageRow): void;
  openMenu(row: MessageRow): void;
  openPerson(person: Person): void;
  toggleReaction(row: MessageRow, emoji: string): void;
  jumpTo(seq: number): void;
}

interface Props {
  row: Row;
  isMine: boolean;
  /** Whether it goes with the row before: the same person within some minutes. */
  isJoined: boolean;
  actions: RowActions;
}

export function RowView({ row, isMine, isJoined, actions }: Props) {
  if (row.kind === "system") {
    return (
      <li class="system" data-seq={row.seq}>
        <SystemLine event={row.event} />
      </li>
    );
  }
  return (
    <li class={`row${isMine ? " mine" : ""}${isJoined ? " joined" : ""}`} data-seq={row.seq}>
      {!isMine && (isJoined ? <span class="avatar-gap" /> : <SenderButton row={row} actions={actions} />)}
      <div class="row-body">
        {!isMine && !isJoined && (
          <span class="sender">
            <bdi>{plain(row.sender)}</bdi>
          </span>
        )}
        {row.kind === "packet" ? <PacketCard row={row} actions={actions} /> : <Bubble row={row} isMine={isMine} actions={actions} />}
      </div>
    </li>
  );
}

function SenderButton({ row: { sender, senderId }, actions }: { row: MessageRow | PacketRow; actions: RowActions }) {
  return (
    <button type="button" class="sender-button" aria-label={words.value.person.about(plain(sender))} onClick={() => actions.openPerson({ user_id: senderId, name: sender })}>
      <PersonAvatar name={sender} id={senderId} />
    </button>
  );
}

function PacketCard({ row, actions }: { row: PacketRow; actions: RowActions }) {
  const { redPacket, bestWishes, packetState } = words.value;
  const greeting = plain(row.greeting) || bestWishes;
  const state = packetState[row.state];
  return (
    <button type="button" class={`packet-card ${row.state}`} aria-label={`${redPacket}: ${greeting}, ${plain(row.sender)}${state && `, ${state}`}`} onClick={() => actions.openPacket(row.packet.packet_id)}>
      <span class="packet-face" />
      <span class="packet-greeting" dir="auto">
        {greeting}
      </span>
      <small>
        {redPacket}
        {state && ` · ${state}`}
      </small>
    </button>
  );
}

function Bubble({ row, isMine, actions }: { row: MessageRow; isMine: boolean; actions: RowActions }) {
  const { value: say } = words;
  const time = timeText(row.at);
  if (row.recalled) return <p class="recalled">{say.recalled}</p>;
  const quote = row.extra?.reply_to;
  const forwarded = row.extra?.forwarded;
  return (
    <div class="bubble-line">
      <article class={`bubble${row.media && row.messageKind === 2 ? " bare" : ""}`} aria-label={`${isMine ? say.you : plain(row.sender)}, ${time}`}>
        {forwarded && (
          <small class="forwarded">
            ↪ <bdi>{plain(forwarded.sender)}</bdi>
          </small>
        )}
        {quote && (
          <button type="button" class="quote" onClick={() => actions.jumpTo(quote.of)}>
            {quote.sender && (
              <b>
                <bdi>{plain(quote.sender)}</bdi>
              </b>
            )}
            <span dir="auto">{quote.sender ? plain(quote.excerpt) || say.recalled : say.quoteHidden}</span>
          </button>
        )}
        {row.media && <MediaBox media={row.media} kind={row.messageKind} onOpen={() => actions.openMedia(row)} />}
        {!row.media && WITH_MEDIA.has(row.messageKind) && <p class="recalled">{say.mediaDeleted}</p>}
        {row.text && <StrangerText text={row.text} />}
        <footer class="bubble-foot">
          {calls(row, me.value?.user_id ?? NOBODY) && (
            <b class="calls-me" role="img" aria-label={say.mentioned}>
              @
            </b>
          )}
          {row.edited && <span>{say.edited}</span>}
          <time dateTime={new Date(row.at).toISOString()}>{time}</time>
          {isMine && (
            <span role="img" aria-label={say.stored}>
              <Icon name="check" size={14} />
            </span>
          )}
        </footer>
      </article>
      <button type="button" class="icon-button row-menu" aria-label={`${say.actions}: ${plain(row.sender)}, ${time}`} onClick={() => actions.openMenu(row)}>
        <Icon name="more" size={18} />
      </button>
      {row.reactions.length > 0 && (
        <span class="reactions">
          {row.reactions.map(({ emoji, people }) => (
            <button type="button" class="reaction" key={emoji} aria-pressed={people.some(({ id }) => id === me.value?.user_id)} aria-label={say.reacted(emoji, people.length, people.map(({ name }) => plain(name)).join(say.and))} onClick={() => actions.toggleReaction(row, emoji)}>
              {emoji} {people.length}
            </button>
          ))}
        </span>
      )}
    </div>
  );
}

/** The pictures, films and files of a chat, the latest first; a click goes to the message. */
import { useEffect, useState } from "preact/hooks";
import type { Group, Message } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { briefTime, failureText, sizeText, words } from "../words/index.ts";

const PAGE = 60;
const PICTURE = 2;
const VIDEO = 4;

interface Props {
  group: Group;
  onJump(seq: number): void;
  onClose(): void;
}

export function MediaDialog({ group, onJump, onClose }: Props) {
  const { media: say, search, loading } = words.value;
  const [found, setFound] = useState<readonly Message[] | null>(null);
  const [before, setBefore] = useState(0);
  const [note, setNote] = useState("");
  const fetchOlder = async (): Promise<void> => {
    try {
      const { reply, events } = await connection.requestPage("ListMedia", { group_id: group.group_id, before, limit: PAGE });
      setFound([...(found ?? []), ...events.flatMap((event) => (event.name === "Message" && event.body.media ? [event.body] : []))]);
      setBefore(reply.more ? reply.last : 0);
    } catch (error) {
      setNote(failureText(error));
    }
  };
  useEffect(() => void fetchOlder(), []);
  const seen = found?.filter(({ kind }) => kind === PICTURE || kind === VIDEO) ?? [];
  const others = found?.filter(({ kind }) => kind !== PICTURE && kind !== VIDEO) ?? [];
  return (
    <Dialog label={say.title} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      {!found && !note && <p class="dim side-note" role="status">{loading}</p>}
      {found && !found.length && <p class="dim side-note" role="status">{say.none}</p>}
      <div class="gallery">
        {seen.length > 0 && (
          <ul class="tiles" aria-label={say.pictures}>
            {seen.map(({ seq, media, kind, sender, sent_at }) => (
              <li key={seq}>
                <button type="button" aria-label={`${kind === VIDEO ? words.value.video : words.value.picture}: ${plain(media!.name)}, ${plain(sender)}, ${briefTime(sent_at)}`} onClick={() => onJump(seq)}>
                  <img src={`/media/${media!.id}/preview`} alt="" width={96} height={96} loading="lazy" decoding="async" />
                </button>
              </li>
            ))}
          </ul>
        )}
        {others.length > 0 && (
          <ul class="people" aria-label={say.files}>
            {others.map(({ seq, media, sender, sent_at }) => (
              <li key={seq}>
                <Icon name="file" size={28} />
                <button type="button" class="hit" onClick={() => onJump(seq)}>
                  <span dir="auto">{plain(media!.name)}</span>
                  <small class="dim">{[plain(sender), briefTime(sent_at), sizeText(media!.size)].join(" · ")}</small>
                </button>
              </li>
            ))}
          </ul>
        )}
        {before > 0 && <button type="button" class="secondary" onClick={() => void fetchOlder()}>{search.more}</button>}
      </div>
    </Dialog>
  );
}

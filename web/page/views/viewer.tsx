/** A picture or film over everything: arrows, zoom, download, Esc. */
import { useEffect, useState } from "preact/hooks";
import { Dialog } from "../parts/dialog.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import type { Conversation } from "../state/conversation.ts";
import type { MessageRow } from "../state/rows.ts";
import { words } from "../words/index.ts";

const PICTURE = 2;
const VIDEO = 4;

export function Viewer({ conversation, row, onClose }: { conversation: Conversation; row: MessageRow; onClose(): void }) {
  const { value: say } = words;
  const [seq, setSeq] = useState(row.seq);
  const [isZoomed, setZoomed] = useState(false);
  const all = conversation.rows.value.filter((known): known is MessageRow => known.kind === "message" && !!known.media && (known.messageKind === PICTURE || known.messageKind === VIDEO));
  const at = all.findIndex((known) => known.seq === seq);
  const shown = all[at];
  const step = (by: 1 | -1): void => {
    const next = all[at + by];
    if (!next) return;
    setZoomed(false);
    setSeq(next.seq);
  };
  useEffect(() => {
    const pressed = ({ key }: KeyboardEvent): void => {
      if (key === "ArrowLeft") step(-1);
      if (key === "ArrowRight") step(1);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  });
  if (!shown?.media) return null;
  const { media } = shown;
  const name = plain(media.name);
  const source = `/media/${media.id}`;
  return (
    <Dialog label={`${shown.messageKind === VIDEO ? say.video : say.picture}: ${name}`} kind="viewer" titled={false} onClose={onClose}>
      <div class={isZoomed ? "viewer-stage zoomed" : "viewer-stage"}>
        {shown.messageKind === VIDEO ? <video src={source} poster={`${source}/preview`} controls autoplay playsInline /> : <img src={source} alt={name} width={media.width || undefined} height={media.height || undefined} />}
      </div>
      <div class="viewer-bar">
        <button type="button" class="icon-button" aria-label={say.previous} disabled={at <= 0} onClick={() => step(-1)}>
          <Icon name="back" />
        </button>
        {shown.messageKind === PICTURE && (
          <button type="button" class="link" aria-pressed={isZoomed} onClick={() => setZoomed(!isZoomed)}>
            {say.zoom}
          </button>
        )}
        <a class="link" href={source} download={name}>
          {say.download}
        </a>
        <button type="button" class="icon-button flip" aria-label={say.next} disabled={at >= all.length - 1} onClick={() => step(1)}>
          <Icon name="back" />
        </button>
      </div>
    </Dialog>
  );
}

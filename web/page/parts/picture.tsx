/** A message's medium: its box has its size before anything loads, so that nothing moves. */
import { useEffect, useMemo } from "preact/hooks";
import type { MediaHead } from "../../client/protocol.gen.ts";
import { durationText, sizeText, words } from "../words/index.ts";
import { Icon } from "./icons.tsx";
import { plain } from "./stranger_text.tsx";
import { VoicePlayer } from "./voice.tsx";

const MAX_WIDTH = 260;
const MAX_HEIGHT = 320;
const MIN_SIDE = 48;

/** The size at which a picture is shown, in CSS pixels. */
export function boxOf(width: number, height: number): { width: number; height: number } {
  if (!width || !height) return { width: MAX_WIDTH, height: 180 };
  const scale = Math.min(1, MAX_WIDTH / width, MAX_HEIGHT / height);
  return { width: Math.max(MIN_SIDE, Math.round(width * scale)), height: Math.max(MIN_SIDE, Math.round(height * scale)) };
}

function useTiny(preview: Uint8Array): string {
  const url = useMemo(() => (preview.length ? URL.createObjectURL(new Blob([new Uint8Array(preview)], { type: "image/webp" })) : ""), [preview]);
  useEffect(() => () => void (url && URL.revokeObjectURL(url)), [url]);
  return url;
}

export function MediaBox({ media, kind, onOpen }: { media: MediaHead; kind: number; onOpen(): void }) {
  const tiny = useTiny(media.preview);
  const name = plain(media.name);
  if (kind === 2 || kind === 4) {
    const { width, height } = boxOf(media.width, media.height);
    const label = kind === 2 ? words.value.picture : words.value.video;
    return (
      <button type="button" class="picture" aria-label={`${label}: ${name}`} style={{ width: `${width}px`, height: `${height}px` }} onClick={onOpen}>
        {tiny && <img class="tiny" src={tiny} alt="" width={width} height={height} />}
        <img src={`/media/${media.id}/preview`} alt="" width={width} height={height} loading="lazy" decoding="async" />
        {kind === 4 && (
          <span class="play-mark">
            <Icon name="play" size={28} />
          </span>
        )}
        {kind === 4 && <span class="duration">{durationText(media.duration)}</span>}
      </button>
    );
  }
  if (kind === 3) return <VoicePlayer media={media} />;
  return (
    <a class="file" href={`/media/${media.id}`} download={name}>
      <Icon name="file" size={28} />
      <span>
        <bdi>{name}</bdi>
        <small>{sizeText(media.size)}</small>
      </span>
    </a>
  );
}

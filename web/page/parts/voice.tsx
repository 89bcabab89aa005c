/** A voice message: bars that fill while it plays, its time, and how fast it plays. */
import { useRef, useState } from "preact/hooks";
import type { MediaHead } from "../../client/protocol.gen.ts";
import { durationText, words } from "../words/index.ts";
import { Icon } from "./icons.tsx";

const RATES = [1, 1.5, 2];
const BARS = 48;
const BAR_STEP = 4;
const HEIGHT = 28;
const MIN_BAR = 3;

/** One plays at a time. */
let playing: HTMLAudioElement | null = null;

/** Heights from 0 to 1: as many as there are bars, whatever the server measured. */
function barsOf(waveform: Uint8Array): number[] {
  const loudest = Math.max(1, ...waveform);
  return Array.from({ length: BARS }, (_, bar) => (waveform.length ? waveform[Math.floor((bar * waveform.length) / BARS)]! / loudest : 0.3));
}

export function VoicePlayer({ media }: { media: MediaHead }) {
  const { value: say } = words;
  const audio = useRef<HTMLAudioElement>(null);
  const [isPlaying, setPlaying] = useState(false);
  const [part, setPart] = useState(0);
  const [rate, setRate] = useState(1);
  const toggle = (): void => {
    const element = audio.current;
    if (!element) return;
    if (!element.paused) return element.pause();
    playing?.pause();
    playing = element;
    element.playbackRate = rate;
    element.play().catch(() => setPlaying(false)); // paused again before it began, or not to be had
  };
  const nextRate = (): void => {
    const next = RATES[(RATES.indexOf(rate) + 1) % RATES.length]!;
    setRate(next);
    if (audio.current) audio.current.playbackRate = next;
  };
  const length = media.duration / 1000;
  return (
    <div class="voice">
      <audio
        ref={audio}
        src={`/media/${media.id}`}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onEnded={() => setPart(0)}
        onTimeUpdate={({ currentTarget }) => length && setPart(Math.min(1, currentTarget.currentTime / length))}
      />
      <button type="button" class="voice-play" aria-label={`${isPlaying ? say.pause : say.play}: ${say.voice}, ${durationText(media.duration)}`} onClick={toggle}>
        <Icon name={isPlaying ? "pause" : "play"} size={18} />
      </button>
      <svg class="voice-bars" viewBox={`0 0 ${BARS * BAR_STEP} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {barsOf(media.waveform).map((loud, bar) => {
          const height = Math.max(MIN_BAR, loud * HEIGHT);
          return <rect key={bar} class={bar < part * BARS ? "played" : ""} x={bar * BAR_STEP} y={(HEIGHT - height) / 2} width={2.5} height={height} rx={1.2} />;
        })}
      </svg>
      <span class="voice-time">{durationText(part ? part * media.duration : media.duration)}</span>
      {(isPlaying || rate !== 1) && (
        <button type="button" class="voice-rate" aria-label={say.speed(rate)} onClick={nextRate}>
          {rate}×
        </button>
      )}
    </div>
  );
}

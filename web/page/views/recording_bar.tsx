/** What stands in the composer's place while a voice message is recorded: its time, and whether it is sent. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "../parts/icons.tsx";
import { MAX_RECORDING_MS, type Recording } from "../state/recorder.ts";
import { durationText, words } from "../words/index.ts";

const TICK_MS = 200;

interface Props {
  recording: Recording;
  onSend(file: File): void;
  onDiscard(): void;
}

export function RecordingBar({ recording, onSend, onDiscard }: Props) {
  const { value: say } = words;
  const [elapsed, setElapsed] = useState(0);
  const send = useRef<HTMLButtonElement>(null);
  const discard = (): void => {
    recording.discard();
    onDiscard();
  };
  useEffect(() => {
    send.current?.focus();
    const ticking = setInterval(() => setElapsed(Math.min(MAX_RECORDING_MS, performance.now() - recording.startedAt)), TICK_MS);
    const pressed = ({ key }: KeyboardEvent): void => {
      if (key === "Escape") discard();
    };
    addEventListener("keydown", pressed);
    return () => {
      clearInterval(ticking);
      removeEventListener("keydown", pressed);
      recording.discard(); // the chat was left: a microphone must not stay open
    };
  }, [recording]);
  return (
    <div class="composer-line recording" role="group" aria-label={say.recording}>
      <button type="button" class="icon-button" aria-label={say.discardRecording} onClick={discard}>
        <Icon name="close" />
      </button>
      <span class="recording-dot" aria-hidden="true" />
      <span class="recording-time" role="timer">
        {durationText(elapsed)}
      </span>
      <button type="button" class="icon-button send" aria-label={say.sendVoice} ref={send} onClick={() => void recording.finish().then(onSend)}>
        <Icon name="send" />
      </button>
    </div>
  );
}

/** Recording a voice message with the microphone. */

/** Containers with Opus, the first that the browser records is taken. */
const TYPES = ["audio/webm;codecs=opus", "audio/mp4;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];
/** After this time a recording ends by itself, and waits to be sent. */
export const MAX_RECORDING_MS = 300_000;

/** Why there is no recording: the person or the browser denied the microphone, or there is none here. */
export class NoMicrophone extends Error {
  constructor(readonly isDenied: boolean) {
    super(isDenied ? "the microphone was denied" : "there is no microphone");
  }
}

export interface Recording {
  startedAt: number;
  /** End it; answers the file. */
  finish(): Promise<File>;
  /** Throw it away. */
  discard(): void;
}

/** Start to record. Throws NoMicrophone. */
export async function record(): Promise<Recording> {
  const stream = await openMicrophone();
  const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, mimeType ? { mimeType } : {});
  const parts: Blob[] = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise<void>((resolve) => (recorder.onstop = () => resolve()));
  const end = (): void => {
    if (recorder.state !== "inactive") recorder.stop();
    for (const track of stream.getTracks()) track.stop(); // the browser's sign of a live microphone goes
  };
  recorder.start();
  setTimeout(end, MAX_RECORDING_MS);
  return {
    startedAt: performance.now(),
    finish: async () => {
      end();
      await stopped;
      const type = recorder.mimeType.split(";")[0] || "audio/webm";
      return new File(parts, `voice.${type.split("/")[1]}`, { type });
    },
    discard: end,
  };
}

async function openMicrophone(): Promise<MediaStream> {
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices }; // missing where the page is not secure
  if (!mediaDevices || typeof MediaRecorder === "undefined") throw new NoMicrophone(false);
  try {
    return await mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw new NoMicrophone(error instanceof DOMException && error.name === "NotAllowedError");
  }
}

/** Four digits that people beside each other type, who is there, and the group they enter together. */
import { useEffect, useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { Position } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { enterCode, enterGroup, leaveLobby, type Lobby, lobby, lobbyIsOver } from "../state/face_to_face.ts";
import { panel, showChat } from "../state/navigation.ts";
import { connection } from "../state/session.ts";
import { timers } from "../state/timers.ts";
import { errorText, words } from "../words/index.ts";

const DIGITS = 4;
const WAIT_MS = 180_000;
const RADIUS = 54;
const CIRCUMFERENCE = 2 * Math.PI * RADIUS;

export function FaceToFaceDialog({ onClose }: { onClose(): void }) {
  const { value: say } = words;
  const [code, setCode] = useState("");
  const [note, setNote] = useState("");
  const [needsPosition, setNeedsPosition] = useState(false);
  useEffect(() => () => void leaveLobby().catch(() => undefined), []);

  const wait = (position: Position | null): void => {
    setNote("");
    enterCode(code, position).catch((error: unknown) => {
      if (error instanceof RefusedError && error.code === "position_needed") setNeedsPosition(true);
      else setNote(error instanceof RefusedError ? errorText(error.code, error.message) : say.failed(String(error)));
    });
  };
  useEffect(() => {
    if (code.length === DIGITS) wait(null);
  }, [code]);
  const locate = (): void => {
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => wait({ lat: Math.round(coords.latitude * 1e6), lon: Math.round(coords.longitude * 1e6) }),
      () => setNote(say.meet.noPosition),
    );
  };
  const enter = (): void => {
    enterGroup().then(
      (groupId) => {
        onClose();
        panel.value = "chats";
        showChat(groupId);
      },
      (error: unknown) => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : say.failed(String(error))),
    );
  };
  const again = (): void => {
    lobbyIsOver.value = false;
    setCode("");
    setNeedsPosition(false);
  };
  const waiting = lobby.value;
  return (
    <Dialog label={say.meet.title} onClose={onClose}>
      <div class="form meet">
        {note && <p class="error" role="alert">{note}</p>}
        {waiting ? (
          <WaitingRoom lobby={waiting} onEnter={enter} />
        ) : lobbyIsOver.value ? (
          <>
            <p role="status">{say.meet.over}</p>
            <button type="button" class="secondary" onClick={again}>{say.again}</button>
          </>
        ) : needsPosition ? (
          <>
            <p>{say.meet.whyPosition}</p>
            <button type="button" class="primary" onClick={locate}>{say.meet.usePosition}</button>
          </>
        ) : (
          <Keypad code={code} onCode={setCode} />
        )}
      </div>
    </Dialog>
  );
}

function Keypad({ code, onCode }: { code: string; onCode(code: string): void }) {
  const { meet } = words.value;
  const add = (digit: string): void => onCode((code + digit).slice(0, DIGITS));
  return (
    <>
      <p class="dim">{meet.hint}</p>
      <input
        class="meet-code"
        aria-label={meet.digits}
        inputMode="numeric"
        autocomplete="off"
        maxLength={DIGITS}
        value={code}
        onInput={({ currentTarget }) => onCode(currentTarget.value.replace(/\D/g, "").slice(0, DIGITS))}
      />
      <div class="keypad">
        {[..."1234567890"].map((digit) => (
          <button type="button" key={digit} onClick={() => add(digit)}>{digit}</button>
        ))}
      </div>
    </>
  );
}

function WaitingRoom({ lobby: { code, expiresAt, people }, onEnter }: { lobby: Lobby; onEnter(): void }) {
  const { meet } = words.value;
  const left = useTimeLeft(expiresAt);
  const seconds = Math.ceil(left / 1000);
  return (
    <>
      <p class="meet-code" aria-hidden="true">{code}</p>
      <svg class="ring" viewBox="0 0 120 120" role="img" aria-label={meet.left(seconds)}>
        <circle cx="60" cy="60" r={RADIUS} />
        <circle class="ring-left" cx="60" cy="60" r={RADIUS} stroke-dasharray={CIRCUMFERENCE} stroke-dashoffset={CIRCUMFERENCE * (1 - left / WAIT_MS)} />
        <text x="60" y="68" text-anchor="middle">{`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`}</text>
      </svg>
      <ul class="people" aria-label={meet.people}>
        {people.map(({ user_id, name, nickname, avatar }) => (
          <li key={user_id}>
            <Avatar name={name} id={user_id} mediaId={avatar} size="small" /> <bdi>{plain(nickname || name)}</bdi>
          </li>
        ))}
      </ul>
      <button type="button" class="primary" onClick={onEnter}>{meet.enter}</button>
    </>
  );
}

/** Milliseconds until a moment of the server's clock, told once a second. At its end the server says that it is over. */
function useTimeLeft(until: number): number {
  const [left, setLeft] = useState(Math.max(0, until - connection.now()));
  useEffect(() => {
    let timer = 0;
    const tick = (): void => {
      const now = Math.max(0, until - connection.now());
      setLeft(now);
      if (now) timer = timers.after(Math.min(now, 1000), tick);
      else {
        lobby.value = null;
        lobbyIsOver.value = true;
      }
    };
    tick();
    return () => timers.cancel(timer);
  }, [until]);
  return left;
}

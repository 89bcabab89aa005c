/** The button that asks the browser for push notifications, and what they show. */
import { useEffect } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import { keepPushWords, lookAtPush, push, pushFailure, showsText, switchPush } from "../state/push.ts";
import { connectionState } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";
import { pushWords } from "../words/push.ts";

export function PushSwitch() {
  const { value: say } = pushWords;
  const { value: state } = push;
  const { value: failure } = pushFailure;
  const online = connectionState.value === "online";
  useEffect(() => {
    if (online) void lookAtPush();
  }, [online]);
  useEffect(() => {
    if (state === "on") void keepPushWords(say);
  }, [state, say]);
  if (state === "off_here") return null;
  const why = { asking: "", unsupported: say.unsupported, denied: words.value.notify.denied, off: "", on: "" }[state];
  const isOn = state === "on";
  return (
    <>
      <button type="button" class="secondary" disabled={why !== "" || !online || state === "asking"} onClick={() => void switchPush(!isOn, false)}>
        {isOn ? say.switchOff : say.switchOn}
      </button>
      {isOn && (
        <label class="line">
          <input type="checkbox" checked={showsText.value} disabled={!online} onChange={(event) => void switchPush(true, event.currentTarget.checked)} /> {say.showText}
        </label>
      )}
      {/* The switch of notifications above says it. */}
      {state !== "denied" && <small class="dim">{why || say.how}</small>}
      {failure && <p class="error" role="alert">{failure instanceof RefusedError ? errorText(failure.code, failure.message) : say.failed}</p>}
    </>
  );
}

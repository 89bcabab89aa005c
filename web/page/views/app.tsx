/** The whole page: the login, or the list and the conversation side by side. */
import { useEffect } from "preact/hooks";
import { announcement } from "../state/announcer.ts";
import { listIsLoaded, openGroup, openGroupId } from "../state/chats.ts";
import { inviteOutcome } from "../state/invites.ts";
import { keysAreShown, panel } from "../state/navigation.ts";
import { connection, connectionState, isMismatched, me, pageIsStale } from "../state/session.ts";
import { Boundary } from "../parts/boundary.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { shownSince } from "../state/snapshot.ts";
import { briefTime, errorText, words } from "../words/index.ts";
import { ChatList } from "./chat_list.tsx";
import { ConversationView } from "./conversation.tsx";
import { fetchScreensWhenIdle, KeysDialog, MePanel, NewChatPanel, OperatorScreen } from "./lazy_screens.ts";
import { Login } from "./login.tsx";
import { useShortcuts } from "./shortcuts.ts";

export function App() {
  return (
    <Boundary>
      <Screen />
    </Boundary>
  );
}

function Screen() {
  const state = connectionState.value;
  if (!me.value && state === "logged_out") return <Login />;
  if (!me.value) return <Starting />;
  if (location.pathname === OPERATOR_PATH) return me.value.operator ? <OperatorScreen /> : <NoPage />;
  return <Chats />;
}

/** Where operators operate: for everybody else there is nothing. */
const OPERATOR_PATH = "/operator";

function NoPage() {
  return (
    <main class="starting">
      <h1>404</h1>
      <a class="link" href="/">
        {words.value.chats}
      </a>
    </main>
  );
}

function Starting() {
  return (
    <main class="starting">
      <p role="status">{connectionState.value === "waiting" ? words.value.offline : words.value.connecting}</p>
      <Mismatch />
      <button type="button" class="link" onClick={() => connection.stop()}>
        {words.value.logIn}
      </button>
    </main>
  );
}

function Chats() {
  useShortcuts();
  const group = openGroup.value;
  const isReady = listIsLoaded.value && connectionState.value === "online";
  useEffect(() => {
    if (isReady) fetchScreensWhenIdle();
  }, [isReady]);
  return (
    <main class={openGroupId.value ? "app in-chat" : "app"}>
      {!group && <h1 class="only-heard">chatsrv</h1>}
      <nav class="side" aria-label={words.value.chats}>
        {panel.value === "chats" && <ChatList />}
        {panel.value === "new" && <NewChatPanel />}
        {panel.value === "me" && <MePanel />}
      </nav>
      <div class="room">
        <StatusBar />
        <InviteOutcome />
        {group ? <ConversationView key={group.group_id} group={group} /> : <p class="empty">{words.value.choose}</p>}
      </div>
      {keysAreShown.value && <KeysDialog onClose={() => (keysAreShown.value = false)} />}
      <LiveLine />
    </main>
  );
}

/** The server speaks another version of the protocol than this page: said, since no waiting helps. */
function Mismatch() {
  if (!isMismatched.value) return null;
  return (
    <p class="error" role="alert">
      {words.value.mismatch}{" "}
      <button type="button" class="link" onClick={() => location.reload()}>
        {words.value.reload}
      </button>
    </p>
  );
}

function StatusBar() {
  const { value: say } = words;
  const state = connectionState.value;
  useEffect(() => {
    document.documentElement.dataset["connection"] = state;
  }, [state]);
  if (isMismatched.value) return <Mismatch />;
  if (state === "online" && !pageIsStale.value) return null;
  return (
    <div class="status-bar" role="status">
      {state === "waiting" && (
        <>
          {say.offline} {shownSince.value > 0 && say.keptSince(briefTime(shownSince.value))}{" "}
          <button type="button" class="link" onClick={() => connection.retryNow()}>
            {say.now}
          </button>
        </>
      )}
      {state === "connecting" && say.connecting}
      {state === "online" && (
        <>
          {say.pageStale}{" "}
          <button type="button" class="link" onClick={() => location.reload()}>
            {say.reload}
          </button>
        </>
      )}
    </div>
  );
}

function InviteOutcome() {
  const outcome = inviteOutcome.value;
  if (!outcome) return null;
  const { joinWaiting, joinDeclined } = words.value;
  let text: string;
  if (outcome.kind === "refused") text = errorText(outcome.error.code, outcome.error.message);
  else text = outcome.kind === "waiting" ? joinWaiting : joinDeclined(plain(outcome.name));
  return (
    <p class="status-bar" role="status">
      {text}{" "}
      <button type="button" class="link" onClick={() => (inviteOutcome.value = null)}>
        {words.value.close}
      </button>
    </p>
  );
}

/** New messages, for those who listen. */
function LiveLine() {
  const said = announcement.value;
  const names = said?.senders.map(plain).join(words.value.and) ?? "";
  return (
    <p class="only-heard" aria-live="polite" role="status" data-live>
      {said && (said.text ? `${names}: ${plain(said.text)}` : words.value.announced(said.count, names))}
    </p>
  );
}

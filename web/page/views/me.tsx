/** Me: the account, the wallet, the language, the look, and the way out. */
import { useEffect, useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Boundary } from "../parts/boundary.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { panel } from "../state/navigation.ts";
import { language, look, type Language, type Look, setLanguage, setLook } from "../state/preferences.ts";
import { notifications, switchNotifications } from "../state/notifications.ts";
import { myProfile, nickname } from "../state/profile.ts";
import { connectionState, logOut, me } from "../state/session.ts";
import { balance, loadBalance } from "../state/wallet.ts";
import { moneyText, words } from "../words/index.ts";
import { AccountDialog } from "./account.tsx";
import { OwnFilesDialog } from "./own_files.tsx";
import { PrivacyDialog } from "./privacy.tsx";
import { PushSwitch } from "./push_switch.tsx";
import { WalletDialog } from "./wallet.tsx";

export function MePanel() {
  const { value: say } = words;
  const [overlay, setOverlay] = useState<"account" | "files" | "privacy" | "wallet" | null>(null);
  const close = (): void => setOverlay(null);
  useEffect(() => {
    loadBalance().catch((error: unknown) => {
      if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
    });
  }, [connectionState.value]);
  return (
    <section class="panel">
      <header class="side-head">
        <button type="button" class="icon-button" aria-label={say.back} onClick={() => (panel.value = "chats")}>
          <Icon name="back" />
        </button>
        <h2>{say.me}</h2>
      </header>
      <div class="form">
        <div class="me-card">
          <Avatar name={me.value?.name ?? "?"} id={me.value?.user_id ?? ""} mediaId={myProfile.value?.profile.avatar} size="large" />
          <b>
            <bdi>{me.value?.name}</bdi>
          </b>
          {nickname.value && <bdi class="dim">{plain(nickname.value)}</bdi>}
        </div>
        <p class="line">
          {say.wallet} <output>{balance.value === null ? "…" : moneyText(balance.value)}</output>
        </p>
        <button type="button" class="secondary" onClick={() => setOverlay("wallet")}>
          {say.statement.title}
        </button>
        <button type="button" class="secondary" onClick={() => setOverlay("account")}>
          {say.account.title}
        </button>
        <button type="button" class="secondary" onClick={() => setOverlay("privacy")}>
          {say.privacy.title}
        </button>
        <button type="button" class="secondary" onClick={() => setOverlay("files")}>
          {say.files.title}
        </button>
        <label>
          {say.language}
          <select value={language.value} onChange={(event) => setLanguage(event.currentTarget.value as Language)}>
            <option value="en" lang="en">
              English
            </option>
            <option value="zh" lang="zh-CN">
              中文
            </option>
          </select>
        </label>
        <label>
          {say.look}
          <select value={look.value} onChange={(event) => setLook(event.currentTarget.value as Look)}>
            <option value="system">{say.lookSystem}</option>
            <option value="light">{say.lookLight}</option>
            <option value="dark">{say.lookDark}</option>
          </select>
        </label>
        <Notifications />
        <PushSwitch />
        {me.value?.operator && (
          <a class="link" href="/operator">
            {say.operate}
          </a>
        )}
        <button type="button" class="secondary" onClick={() => void logOut()}>
          {say.logOut}
        </button>
      </div>
      <Boundary>
        {overlay === "account" && <AccountDialog onClose={close} />}
        {overlay === "files" && <OwnFilesDialog onClose={close} />}
        {overlay === "privacy" && <PrivacyDialog onClose={close} />}
        {overlay === "wallet" && <WalletDialog onClose={close} />}
      </Boundary>
    </section>
  );
}

/** Permission is asked by this button only, and what stands in the way is said. */
function Notifications() {
  const { notify: say } = words.value;
  const { value: state } = notifications;
  const why = { unsupported: say.unsupported, denied: say.denied, off: "", on: "" }[state];
  return (
    <>
      <button type="button" class="secondary" disabled={why !== ""} onClick={() => void switchNotifications(state !== "on")}>
        {state === "on" ? say.switchOff : say.switchOn}
      </button>
      {why && <small class="dim">{why}</small>}
    </>
  );
}

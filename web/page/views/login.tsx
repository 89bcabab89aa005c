/** The login: name, password, and what this server is called. */
import { logIn, loginRefusal, logoutWaits, registrationOpen } from "../state/session.ts";
import { language, setLanguage } from "../state/preferences.ts";
import { errorText, words } from "../words/index.ts";

const IS_SECURE = globalThis.isSecureContext;

export function Login() {
  const { value: say } = words;
  const refusal = loginRefusal.value;
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    const register = (event.submitter as HTMLButtonElement | null)?.value === "register";
    void logIn(String(form.get("name")).trim(), String(form.get("password")), register);
  };
  return (
    <main class="login">
      <form aria-label={say.logIn} onSubmit={submit}>
        <img class="login-icon" src="/icon.svg" alt="" width={64} height={64} />
        <h1>{say.loginTitle}</h1>
        <p class="dim">
          <bdi>{location.host}</bdi> · {say.loginHint}
        </p>
        <label>
          {say.name}
          <input name="name" autocomplete="username" autocapitalize="none" spellcheck={false} required maxLength={32} />
        </label>
        <label>
          {say.password}
          <input name="password" type="password" autocomplete="current-password" required maxLength={256} />
        </label>
        {refusal && (
          <p class="error" role="alert">
            {refusal.code === "session_ended" ? say.sessionEnded : errorText(refusal.code, refusal.message)}
          </p>
        )}
        {logoutWaits.value && (
          <p class="dim" role="status">
            {say.logoutWaits}
          </p>
        )}
        {!IS_SECURE && <p class="error">{say.secureNeeded}</p>}
        <button class="primary" name="do" value="login">
          {say.logIn}
        </button>
        {registrationOpen.value ? (
          <button class="secondary" name="do" value="register">
            {say.register}
          </button>
        ) : (
          <p class="dim">{say.registrationClosed}</p>
        )}
        <button type="button" class="link" lang={language.value === "zh" ? "en" : "zh-CN"} onClick={() => setLanguage(language.value === "zh" ? "en" : "zh")}>
          {language.value === "zh" ? "English" : "中文"}
        </button>
      </form>
    </main>
  );
}

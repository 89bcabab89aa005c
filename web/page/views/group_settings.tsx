/** What a group is called, says and allows: each form only for whom the table of rights allows it. */
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ConnectionLost, RefusedError } from "../../client/errors.ts";
import type { Ban, Group, Id, Invite } from "../../client/protocol.gen.ts";
import { may } from "../../client/rights.ts";
import { plain, StrangerText } from "../parts/stranger_text.tsx";
import { findPeople, namesIn, NobodyCalled } from "../state/people.ts";
import { connection } from "../state/session.ts";
import { uploadMedium } from "../state/uploads.ts";
import { errorText, words } from "../words/index.ts";

type Field = (name: string) => string;

interface FormProps {
  label: string;
  button: string;
  act(field: Field, form: FormData): Promise<unknown>;
  children: ComponentChildren;
}

/** A form of its own, with what came of it beside it. */
function SettingForm({ label, button, act, children }: FormProps) {
  const { group: say, failed, nobodyCalled } = words.value;
  const [note, setNote] = useState({ text: "", isError: false });
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    setNote({ text: "", isError: false });
    act((name) => String(form.get(name) ?? "").trim(), form).then(
      () => setNote({ text: say.saved, isError: false }),
      (error: unknown) => {
        let text = failed(String(error));
        if (error instanceof NobodyCalled) text = nobodyCalled(error.message);
        else if (error instanceof RefusedError) text = errorText(error.code, error.message);
        setNote({ text, isError: true });
      },
    );
  };
  return (
    <form class="setting" aria-label={label} onSubmit={onSubmit}>
      {children}
      <button class="secondary">{button}</button>
      {note.text && <small class={note.isError ? "error" : "dim"} role={note.isError ? "alert" : "status"}>{note.text}</small>}
    </form>
  );
}

export function GroupSettings({ group, invitesMade }: { group: Group; invitesMade: number }) {
  const { group: say, save, groupName, people, peopleHint } = words.value;
  const { group_id } = group;
  const [notice, setNotice] = useState<string | null>(null);
  useEffect(() => {
    connection.request("ShowGroup", { group_id }).then((shown) => setNotice(shown.notice), ignoreLoss);
  }, [group_id]);
  return (
    <>
      {notice && (
        <blockquote class="notice" aria-label={say.notice}>
          <StrangerText text={notice} />
        </blockquote>
      )}
      <details class="settings">
        <summary>{say.settings}</summary>
        {may("NICKNAME", group) && (
          <SettingForm label={say.myNickname} button={save} act={(field) => connection.change("SetNickname", { group_id, nickname: field("nickname") })}>
            <label>{say.myNickname}<input name="nickname" maxLength={32} defaultValue={group.nickname} autocomplete="off" /></label>
          </SettingForm>
        )}
        {may("ADD", group) && (
          <SettingForm label={say.add} button={say.add} act={async (field) => connection.change("AddMembers", { group_id, members: await findPeople(namesIn(field("people"))) })}>
            <label>{people}<input name="people" required placeholder={peopleHint} autocomplete="off" autocapitalize="none" /></label>
          </SettingForm>
        )}
        {may("RENAME", group) && (
          <>
            <SettingForm label={groupName} button={save} act={(field) => connection.change("RenameGroup", { group_id, name: field("name") })}>
              <label>{groupName}<input name="name" required maxLength={64} defaultValue={group.name} autocomplete="off" /></label>
            </SettingForm>
            <SettingForm label={say.picture} button={save} act={(_, form) => setPicture(group_id, form.get("picture"))}>
              <label>{say.picture}<input name="picture" type="file" accept="image/*" required /></label>
            </SettingForm>
          </>
        )}
        {may("NOTICE", group) && notice !== null && (
          <SettingForm label={say.notice} button={save} act={(field) => connection.change("SetNotice", { group_id, text: field("notice") })}>
            <label>{say.notice}<textarea name="notice" rows={3} dir="auto" defaultValue={notice} /></label>
          </SettingForm>
        )}
        {may("RULES", group) && <Rules group={group} />}
        {may("INVITE", group) && <Invites group={group} made={invitesMade} />}
        {may("LIFT_BAN", group) && <Bans group={group} />}
      </details>
    </>
  );
}

async function setPicture(group_id: Id, file: FormDataEntryValue | null): Promise<void> {
  if (file instanceof File) await connection.change("SetAvatar", { group_id, media_id: await uploadMedium(file) });
}

function Rules({ group }: { group: Group }) {
  const { group: say, save } = words.value;
  const { rules, group_id } = group;
  const roles = [["invite", say.mayInvite], ["pin", say.mayPin], ["mention_all", say.mayCallAll]] as const;
  const switches = [["approval", say.approval], ["history", say.history], ["mute_all", say.muteAll], ["keep_edits", say.keepEdits]] as const;
  const act = (field: Field, form: FormData): Promise<unknown> =>
    connection.change("SetRules", {
      group_id,
      invite: Number(field("invite")),
      pin: Number(field("pin")),
      mention_all: Number(field("mention_all")),
      approval: form.has("approval"),
      history: form.has("history"),
      mute_all: form.has("mute_all"),
      keep_edits: form.has("keep_edits"),
      slow_mode: Number(field("slow_mode")),
    });
  return (
    <SettingForm label={say.rules} button={save} act={act}>
      {roles.map(([name, label]) => (
        <label key={name}>
          {label}
          <select name={name} defaultValue={String(rules[name])}>
            <option value="1">{say.everybody}</option>
            <option value="2">{say.admins}</option>
          </select>
        </label>
      ))}
      {switches.map(([name, label]) => (
        <label key={name} class="switch"><input type="checkbox" name={name} defaultChecked={rules[name]} />{label}</label>
      ))}
      <label>{say.slowMode}<input name="slow_mode" type="number" min={0} max={3600} defaultValue={String(rules.slow_mode)} /></label>
    </SettingForm>
  );
}

function Invites({ group: { group_id }, made }: { group: Group; made: number }) {
  const { group: say } = words.value;
  const [invites, setInvites] = useState<readonly Invite[]>([]);
  const load = (): Promise<void> => connection.request("ListInvites", { group_id }).then((reply) => setInvites(reply.invites));
  useEffect(() => void load().catch(ignoreLoss), [group_id, made]);
  if (!invites.length) return null;
  return (
    <ul class="people" aria-label={say.invites}>
      {invites.map(({ code, made_by, uses }) => (
        <li key={code}>
          <bdi>{plain(made_by.name)}</bdi> <small class="dim">{say.used(uses)}</small>
          <button type="button" class="link" onClick={() => void connection.change("RevokeInvite", { group_id, code }).then(load).catch(ignoreLoss)}>{say.revoke(code)}</button>
        </li>
      ))}
    </ul>
  );
}

function Bans({ group: { group_id } }: { group: Group }) {
  const { group: say } = words.value;
  const [bans, setBans] = useState<readonly Ban[]>([]);
  const load = async (): Promise<void> => {
    const all: Ban[] = [];
    for (let more = true; more; ) {
      const page = await connection.request("ListBans", { group_id, after: all.at(-1)?.user_id ?? ("0" as Id) });
      all.push(...page.bans);
      more = page.more && page.bans.length > 0;
    }
    setBans(all);
  };
  useEffect(() => void load().catch(ignoreLoss), [group_id]);
  if (!bans.length) return null;
  return (
    <ul class="people" aria-label={say.bans}>
      {bans.map(({ user_id, name }) => (
        <li key={user_id}>
          <bdi>{plain(name)}</bdi>
          <button type="button" class="link" onClick={() => void connection.change("UnbanUser", { group_id, user_id }).then(load).catch(ignoreLoss)}>{say.lift(plain(name))}</button>
        </li>
      ))}
    </ul>
  );
}

/** What cannot be asked now stays as it was; the page says elsewhere that there is no connection. */
function ignoreLoss(error: unknown): void {
  if (!(error instanceof ConnectionLost || error instanceof RefusedError)) throw error;
}

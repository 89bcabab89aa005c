/** The operator's screens: users, groups, the audit log and figures. The server checks each command; a member gets none of the data. */
import { useEffect, useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { AccountEntry, AuditEntry, Figures, Id, OwnedGroup } from "../../client/protocol.gen.ts";
import { plain } from "../parts/stranger_text.tsx";
import { connection, connectionState } from "../state/session.ts";
import { briefTime, sizeText, words } from "../words/index.ts";
import { operatorWords } from "../words/operator.ts";
import { Asked, Confirmed, More, useOutcome, usePages } from "./operator_parts.tsx";
import { Reports } from "./operator_reports.tsx";

type Tab = "users" | "groups" | "reports" | "audit" | "figures";
const TABS: readonly Tab[] = ["users", "groups", "reports", "audit", "figures"];

export function OperatorScreen() {
  const { value: say } = operatorWords;
  const [tab, setTab] = useState<Tab>("users");
  const Shown = { users: Users, groups: Groups, reports: Reports, audit: Audit, figures: FiguresTable }[tab];
  return (
    <main class="operate">
      <header class="side-head">
        <h1>{say.title}</h1>
        <a class="link" href="/">
          {say.toChats}
        </a>
      </header>
      <nav class="tabs" aria-label={say.title}>
        {TABS.map((each) => (
          <button key={each} type="button" class="secondary" aria-current={each === tab ? "page" : undefined} onClick={() => setTab(each)}>
            {say.tabs[each]}
          </button>
        ))}
      </nav>
      <section aria-label={say.tabs[tab]}>{connectionState.value === "online" ? <Shown /> : <p role="status">{words.value.connecting}</p>}</section>
      <p class="dim">{say.audited}</p>
    </main>
  );
}

function Users() {
  const { value: say } = operatorWords;
  const { note, run, load } = useOutcome();
  const [part, setPart] = useState("");
  const { rows, more, again, next } = usePages<AccountEntry>(async (last) => {
    const page = await connection.request("ListAccounts", { part, after: last?.person.user_id ?? ("0" as Id) });
    return { rows: page.accounts, more: page.more };
  }, load);
  useEffect(again, [part]);
  const find = (event: SubmitEvent): void => {
    event.preventDefault();
    setPart(String(new FormData(event.currentTarget as HTMLFormElement).get("part")).trim());
  };
  return (
    <>
      <form class="inline-form" onSubmit={find}>
        <label>
          {say.findUser} <input name="part" maxLength={32} autocomplete="off" />
        </label>
        <button class="secondary">{say.find}</button>
      </form>
      {note}
      <ul class="people" aria-label={say.tabs.users}>
        {rows.map((account) => (
          <UserRow key={account.person.user_id} account={account} run={run} changed={again} />
        ))}
      </ul>
      <More rows={rows.length} more={more} next={next} />
    </>
  );
}

function UserRow({ account, run, changed }: { account: AccountEntry; run(act: () => Promise<string>): void; changed(): void }) {
  const { value: say } = operatorWords;
  const { disabled, sessions } = account;
  const name = account.person.name;
  const enable = (enabled: boolean): void =>
    run(async () => {
      const { handed_over } = await connection.request("EnableUser", { name, enabled });
      changed();
      return enabled ? say.done : say.handedOver(handed_over.length);
    });
  const setPassword = (password: string): void =>
    run(async () => {
      await connection.request("ResetPassword", { name, password });
      changed();
      return say.done;
    });
  return (
    <li class="operate-row">
      <span>
        <b>
          <bdi>{plain(name)}</bdi>
        </b>{" "}
        {account.operator && <em>{say.operator}</em>} {disabled && <em>{say.disabled}</em>}{" "}
        <small class="dim">
          {[say.since(briefTime(account.created_at)), say.inGroups(account.groups), say.sessions(sessions, briefTime(account.seen_at))].join(" · ")}
        </small>
      </span>
      {disabled ? (
        <button type="button" class="link" onClick={() => enable(true)}>
          {say.enable(plain(name))}
        </button>
      ) : (
        <Confirmed label={say.disable(plain(name))} act={() => enable(false)} />
      )}
      <Asked label={say.resetPassword(plain(name))} field={say.newPassword(plain(name))} type="password" act={setPassword} />
    </li>
  );
}

function Groups() {
  const { value: say } = operatorWords;
  const { note, run, load } = useOutcome();
  const { rows, more, again, next } = usePages<OwnedGroup>(async (last) => {
    const page = await connection.request("ListAllGroups", { after: last?.group_id ?? ("0" as Id) });
    return { rows: page.groups, more: page.more };
  }, load);
  useEffect(again, []);
  const dissolve = (group_id: Id): void =>
    run(async () => {
      await connection.request("DissolveAnyGroup", { group_id });
      again();
      return say.done;
    });
  const appoint = (group_id: Id, name: string): void =>
    run(async () => {
      const [person] = (await connection.request("FindPeople", { names: [name] })).people;
      if (!person) throw new RefusedError({ code: "user_unknown", message: name, at: null, retry_after: 0 });
      await connection.request("AppointOwner", { group_id, user_id: person.user_id });
      again();
      return say.done;
    });
  return (
    <>
      {note}
      <ul class="people" aria-label={say.tabs.groups}>
        {rows.map(({ group_id, name, members, owner }) => (
          <li key={group_id} class="operate-row">
            <span>
              <b>
                <bdi>{plain(name)}</bdi>
              </b>{" "}
              <small class="dim">
                {say.members(members)} · {owner ? say.ownedBy(plain(owner.name)) : say.noOwner}
              </small>
            </span>
            <Asked label={say.appoint(plain(name))} field={say.ownerName} type="text" act={(who) => appoint(group_id, who)} />
            <Confirmed label={say.dissolve(plain(name))} act={() => dissolve(group_id)} />
          </li>
        ))}
      </ul>
      <More rows={rows.length} more={more} next={next} />
    </>
  );
}

function Audit() {
  const { value: say } = operatorWords;
  const { note, load } = useOutcome();
  const { rows, more, again, next } = usePages<AuditEntry>(async (last) => {
    const page = await connection.request("ListAudit", { before: last?.number ?? 0 });
    return { rows: page.entries, more: page.more };
  }, load);
  useEffect(again, []);
  return (
    <>
      {note}
      <button type="button" class="secondary" onClick={again}>
        {say.refresh}
      </button>
      <ol class="people" aria-label={say.tabs.audit}>
        {rows.map(({ number, at, actor, action, subject, detail }) => (
          <li key={number} class="operate-row">
            <small class="dim">{`${number} · ${briefTime(at)}`}</small>{" "}
            <bdi lang="en">
              {plain(actor)}: {action} {plain(subject)} {plain(detail)}
            </bdi>
          </li>
        ))}
      </ol>
      <More rows={rows.length} more={more} next={next} />
    </>
  );
}

function FiguresTable() {
  const { value: say } = operatorWords;
  const { note, load } = useOutcome();
  const [shown, setShown] = useState<{ figures: Figures; rate: number | null } | null>(null);
  const look = (): void =>
    load(async () => {
      const figures = await connection.request("ShowFigures", {});
      setShown((before) => {
        const seconds = before ? (figures.now - before.figures.now) / 1000 : 0;
        return { figures, rate: before && seconds > 0 ? Math.max(0, figures.commands - before.figures.commands) / seconds : null };
      });
    });
  useEffect(look, []);
  if (!shown) return note;
  const { figures: told, rate } = shown;
  const count = (value: number): string => value.toLocaleString();
  const rows: readonly (readonly [string, string])[] = [
    ...(["accounts", "disabled", "groups", "messages", "media"] as const).map((key) => [say.figures[key], count(told[key])] as const),
    ...(["media_bytes", "database_bytes"] as const).map((key) => [say.figures[key], sizeText(told[key])] as const),
    ...(["users_online", "connections", "nodes", "commands"] as const).map((key) => [say.figures[key], count(told[key])] as const),
    [say.figures.rate, rate === null ? "…" : rate.toFixed(1)],
    [say.figures.commit, `≤ ${told.commit} ms`],
    [say.figures.up, upText(told.up)],
  ];
  return (
    <>
      {note}
      {told.full && <p class="error" role="alert">{say.full}</p>}
      {told.deaf && <p class="error" role="alert">{say.deaf}</p>}
      <button type="button" class="secondary" onClick={look}>
        {say.refresh}
      </button>
      <dl class="figures">
        {rows.map(([what, value]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function upText(seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return `${days ? `${days} × 24 h + ` : ""}${hours}:${String(minutes).padStart(2, "0")} h`;
}

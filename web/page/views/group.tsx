/** A group from inside: who is in it, what I may do to them, invites, requests to join, and the ways out. */
import { useEffect, useRef, useState } from "preact/hooks";
import { RefusedError } from "../../client/errors.ts";
import type { Group, JoinRequest, Member, Person } from "../../client/protocol.gen.ts";
import { may } from "../../client/rights.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { PersonAvatar } from "../parts/person_avatar.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { onPersonalEvent } from "../state/chats.ts";
import { inviteLink } from "../state/invites.ts";
import { changesIn, fetchMembers } from "../state/members.ts";
import { connection, me } from "../state/session.ts";
import { errorText, words } from "../words/index.ts";
import { GroupSettings } from "./group_settings.tsx";

const HOUR_MS = 3_600_000;
const ADMIN = 2;

export function GroupDialog({ group, onPerson, onMedia, onClose }: { group: Group; onPerson(person: Person): void; onMedia(): void; onClose(): void }) {
  const { group: say, failed } = words.value;
  const { group_id } = group;
  const [members, setMembers] = useState<Member[]>([]);
  const [requests, setRequests] = useState<JoinRequest[]>([]);
  const [filter, setFilter] = useState("");
  const [link, setLink] = useState("");
  const [invites, setInvites] = useState(0);
  const [note, setNote] = useState("");
  const loads = useRef(0);
  const load = async (): Promise<void> => {
    const mine = ++loads.current;
    const all = await fetchMembers(group_id);
    if (mine !== loads.current) return; // a later one brings what changed meanwhile
    setMembers(all);
    if (may("ADMIT", group)) setRequests((await connection.request("ListJoinRequests", { group_id })).requests);
  };
  const run = (act: () => Promise<unknown>) => (): void => {
    setNote("");
    act().then(load).catch((error: unknown) => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : failed(String(error))));
  };
  useEffect(run(async () => undefined), [group_id, group.members, group.role, changesIn(group_id)]);
  useEffect(() => onPersonalEvent((event) => {
    if ((event.name === "JoinRequested" || event.name === "JoinDecided") && event.body.group_id === group_id) run(async () => undefined)();
  }), [group_id, group.role]);
  const invite = run(async () => {
    setLink(inviteLink((await connection.change("MakeInvite", { group_id })).invite.code));
    setInvites((count) => count + 1);
  });
  const end = (act: () => Promise<unknown>): void => {
    act().then(onClose, (error: unknown) => setNote(error instanceof RefusedError ? errorText(error.code, error.message) : failed(String(error))));
  };
  const found = members.filter(({ name, nickname }) => `${name} ${nickname}`.toLowerCase().includes(filter.toLowerCase()));
  return (
    <Dialog label={say.title} onClose={onClose}>
      <div class="form">
        <div class="me-card">
          <Avatar name={group.name} id={group_id} mediaId={group.avatar} size="large" />
          <b>
            <bdi>{plain(group.name)}</bdi>
            <small class="dim">{words.value.members(group.members)}</small>
          </b>
        </div>
        {note && <p class="error" role="alert">{note}</p>}
        {requests.length > 0 && (
          <ul class="people" aria-label={say.requests}>
            {requests.map(({ person }) => (
              <li key={person.user_id}>
                <bdi>{plain(person.name)}</bdi>
                {[true, false].map((accept) => (
                  <button type="button" class="link" onClick={run(() => connection.change("DecideJoin", { group_id, user_id: person.user_id, accept }))}>
                    {(accept ? say.accept : say.decline)(plain(person.name))}
                  </button>
                ))}
              </li>
            ))}
          </ul>
        )}
        <input type="search" aria-label={say.find} placeholder={say.find} value={filter} onInput={({ currentTarget }) => setFilter(currentTarget.value)} />
        <ul class="people" aria-label={say.members}>
          {found.map((member) => (
            <MemberLine onPerson={onPerson} key={member.user_id} group={group} member={member} run={run} />
          ))}
        </ul>
        <button type="button" class="secondary" onClick={onMedia}>{words.value.media.title}</button>
        <GroupSettings group={group} invitesMade={invites} />
        {may("INVITE", group) && <button type="button" class="secondary" onClick={invite}>{say.makeInvite}</button>}
        {link && <label>{say.link}<input readOnly value={link} onFocus={({ currentTarget }) => currentTarget.select()} /></label>}
        {link && <button type="button" class="link" onClick={run(() => navigator.clipboard.writeText(link))}>{words.value.copy}</button>}
        {may("LEAVE", group) && !may("DISSOLVE", group) && <button type="button" class="secondary error" onClick={() => confirm(say.sure) && end(() => connection.change("LeaveGroup", { group_id }))}>{say.leave}</button>}
        {may("DISSOLVE", group) && <button type="button" class="secondary error" onClick={() => confirm(say.sure) && end(() => connection.change("DissolveGroup", { group_id }))}>{say.dissolve}</button>}
      </div>
    </Dialog>
  );
}

interface LineProps {
  group: Group;
  member: Member;
  onPerson(person: Person): void;
  run(act: () => Promise<unknown>): () => void;
}

function MemberLine({ group, member, onPerson, run }: LineProps) {
  const { group: say } = words.value;
  const { group_id } = group;
  const { user_id, role } = member;
  const name = plain(member.name);
  const target = { group_id, user_id };
  const isMuted = member.muted_until > Date.now();
  const isAdmin = role === ADMIN;
  const deeds: [string, boolean, () => Promise<unknown>][] = [
    [(isMuted ? say.unmute : say.mute)(name), may("MUTE", group, role), () => connection.change("MuteMember", { ...target, until: isMuted ? 0 : Date.now() + HOUR_MS })],
    [(isAdmin ? say.dismiss : say.appoint)(name), may("APPOINT", group, role), () => connection.change("SetRole", { ...target, role: isAdmin ? 1 : ADMIN })],
    [say.handOver(name), may("HAND_OVER", group, role), async () => confirm(say.sure) && connection.change("HandOver", target)],
    [say.remove(name), may("REMOVE", group, role), async () => confirm(say.sure) && connection.change("RemoveMember", target)],
    [say.ban(name), may("BAN", group, role), async () => confirm(say.sure) && connection.change("BanUser", target)],
  ];
  const allowed = deeds.filter(([, isAllowed]) => isAllowed && user_id !== me.value?.user_id);
  return (
    <li>
      <button type="button" class="sender-button" aria-label={words.value.person.about(name)} onClick={() => onPerson({ user_id, name: member.name })}><PersonAvatar name={member.name} id={user_id} size="small" /></button> <bdi>{name}{member.nickname && <small class="dim"> {plain(member.nickname)}</small>}</bdi> {role > 1 && <small class="role">{say.roles[role - 1]}</small>}
      {allowed.length > 0 && (
        <details>
          <summary aria-label={say.actions(name)}>{words.value.actions}</summary>
          {allowed.map(([label, , act]) => (
            <button type="button" class="link" key={label} onClick={run(act)}>{label}</button>
          ))}
        </details>
      )}
    </li>
  );
}

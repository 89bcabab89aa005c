/** Somebody: how they show themselves, and the ways to write to them or to keep them away. */
import { useEffect, useState } from "preact/hooks";
import { ignoreLoss } from "../../client/errors.ts";
import type { Group, Id, Person } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { PersonAvatar } from "../parts/person_avatar.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { sync } from "../state/chats.ts";
import { fetchMembers } from "../state/members.ts";
import { showChat } from "../state/navigation.ts";
import { block, onBlockChange } from "../state/profile.ts";
import { profileOf, refreshProfile } from "../state/profiles.ts";
import { connection, me } from "../state/session.ts";
import { failureText, words } from "../words/index.ts";
import { ReportForm } from "./report.tsx";

const DIRECT = 2;

interface Props {
  group: Group;
  /** null: the other in a conversation of two. */
  person: Person | null;
  onMedia(): void;
  onClose(): void;
}

async function otherIn(groupId: Id): Promise<Person | null> {
  return (await fetchMembers(groupId)).find(({ user_id }) => user_id !== me.value?.user_id) ?? null;
}

export function PersonDialog({ group, person, onMedia, onClose }: Props) {
  const { person: say } = words.value;
  const [who, setWho] = useState(person);
  const [isBlocked, setBlocked] = useState<boolean | null>(null);
  const [note, setNote] = useState("");
  const [reports, setReports] = useState(false);
  const run = (act: () => Promise<unknown>): void => {
    setNote("");
    act().catch((error: unknown) => setNote(failureText(error)));
  };
  useEffect(() => {
    if (!person) otherIn(group.group_id).then(setWho, ignoreLoss);
  }, [group.group_id]);
  useEffect(() => {
    if (!who) return;
    refreshProfile(who.user_id);
    const load = (): void => void connection.request("ListBlocked", {}).then(({ people }) => setBlocked(people.some(({ user_id }) => user_id === who.user_id)), ignoreLoss);
    load();
    return onBlockChange(load);
  }, [who?.user_id]);
  const write = async (user_id: Id): Promise<void> => {
    const { group: opened } = await connection.request("OpenDirect", { user_id });
    if (!sync.groups.has(opened.group_id)) await sync.refresh();
    onClose();
    showChat(opened.group_id);
  };
  const profile = who && profileOf(who.user_id).value;
  const name = who ? plain(who.name) : "";
  return (
    <Dialog label={say.title} onClose={onClose}>
      <div class="form">
        {note && <p class="error" role="alert">{note}</p>}
        {who && (
          <>
            <div class="me-card">
              <PersonAvatar name={who.name} id={who.user_id} size="large" />
              <b>
                <bdi>{name}</bdi>
                {profile?.nickname && <small class="dim" dir="auto">{plain(profile.nickname)}</small>}
              </b>
            </div>
            {profile?.disabled && <p class="dim">{say.disabled}</p>}
            {who.user_id !== me.value?.user_id && (
              <>
                {group.kind === DIRECT && <button type="button" class="secondary" onClick={onMedia}>{words.value.media.title}</button>}
                {group.kind !== DIRECT && <button type="button" class="primary" onClick={() => run(() => write(who.user_id))}>{say.write(name)}</button>}
                <button type="button" class="secondary error" disabled={isBlocked === null} onClick={() => run(() => block(who.user_id, !isBlocked))}>
                  {isBlocked ? say.unblock(name) : say.block(name)}
                </button>
                <small class="dim">{words.value.privacy.blockedHint}</small>
                {reports ? (
                  <ReportForm label={say.report(name)} send={(reason) => connection.request("ReportPerson", { user_id: who.user_id, reason })} />
                ) : (
                  <button type="button" class="secondary error" onClick={() => setReports(true)}>
                    {say.report(name)}
                  </button>
                )}
              </>
            )}
          </>
        )}
      </div>
    </Dialog>
  );
}

/** The list of chats: the latest first, with a filter. */
import { useState } from "preact/hooks";
import type { Group } from "../../client/protocol.gen.ts";
import { Avatar } from "../parts/avatar.tsx";
import { Icon } from "../parts/icons.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { groups, listIsLoaded, openGroupId, unreadOf } from "../state/chats.ts";
import { draftOf, draftVersion } from "../state/drafts.ts";
import { panel, showChat } from "../state/navigation.ts";
import { myProfile } from "../state/profile.ts";
import { me } from "../state/session.ts";
import { briefTime, words } from "../words/index.ts";
import { InvitationList } from "./invitation_list.tsx";

export function ChatList() {
  const { value: say } = words;
  const [filter, setFilter] = useState("");
  const wanted = filter.trim().toLocaleLowerCase();
  const shown = groups.value.filter((group) => group.name.toLocaleLowerCase().includes(wanted));
  return (
    <>
      <header class="side-head">
        <button type="button" class="me-button" aria-label={`${say.me}: ${me.value?.name ?? ""}`} onClick={() => (panel.value = "me")}>
          <Avatar name={me.value?.name ?? "?"} id={me.value?.user_id ?? ""} mediaId={myProfile.value?.profile.avatar} size="small" />
        </button>
        <input id="find-chat" class="filter" type="search" aria-label={say.findChat} placeholder={say.findChat} value={filter} onInput={(event) => setFilter(event.currentTarget.value)} />
        <button type="button" class="icon-button" aria-label={say.newChat} onClick={() => (panel.value = "new")}>
          <Icon name="plus" />
        </button>
      </header>
      <InvitationList />
      <ul class="chats" aria-label={say.chats}>
        {shown.map((group) => (
          <ChatItem key={group.group_id} group={group} />
        ))}
      </ul>
      {listIsLoaded.value && !shown.length && <p class="dim side-note">{groups.value.length ? say.noMatch : say.noChats}</p>}
      {listIsLoaded.value && !groups.value.length && (
        <p class="side-note">
          <button type="button" class="primary" onClick={() => (panel.value = "new")}>
            {say.firstChat}
          </button>
        </p>
      )}
    </>
  );
}

function ChatItem({ group }: { group: Group }) {
  const { value: say } = words;
  const unread = unreadOf(group);
  const isOpen = openGroupId.value === group.group_id;
  draftVersion.value;
  const draft = isOpen ? "" : draftOf(group.group_id);
  return (
    <li>
      <button type="button" class={isOpen ? "chat open" : "chat"} aria-current={isOpen ? "true" : undefined} onClick={() => showChat(group.group_id)}>
        <Avatar name={group.name} id={group.group_id} mediaId={group.avatar} />
        <span class="chat-about">
          <span class="chat-line">
            <b class="chat-name" dir="auto">
              {plain(group.name)}
            </b>
            {group.last && <time>{briefTime(group.last.sent_at)}</time>}
          </span>
          <span class="chat-line">
            <span class="chat-last" dir="auto">
              {draft ? (
                <>
                  <em class="draft">{say.draft}</em> {plain(draft)}
                </>
              ) : (
                <LastMessage group={group} />
              )}
            </span>
            {group.mentions > 0 && (
              <span class="badge mention" role="img" aria-label={say.mentioned}>
                @
              </span>
            )}
            {unread > 0 && (
              <span class={group.quiet ? "badge quiet" : "badge"} role="img" aria-label={say.unread(unread)}>
                {unread > 99 ? "99+" : unread}
              </span>
            )}
          </span>
        </span>
      </button>
    </li>
  );
}

function LastMessage({ group }: { group: Group }) {
  const { value: say } = words;
  const { last } = group;
  if (!last) return null;
  if (last.recalled) return <>{say.recalled}</>;
  const kinds: Record<number, string> = { 2: say.picture, 3: say.voice, 4: say.video, 5: say.file, 6: say.redPacket };
  const kind = kinds[last.kind];
  const sender = last.sender_id === me.value?.user_id ? say.you : plain(last.sender);
  return (
    <>
      {group.kind !== 2 && <bdi>{sender}: </bdi>}
      {kind && `[${kind}] `}
      <bdi>{plain(last.text)}</bdi>
    </>
  );
}

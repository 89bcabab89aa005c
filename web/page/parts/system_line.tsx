/** What happened in a group, as a sentence: one table, event to words. */
import type { SequenceEvent } from "../../client/sync.ts";
import { moneyText, words } from "../words/index.ts";
import { plain } from "./stranger_text.tsx";

function sentence(event: SequenceEvent): string {
  const { event: say, and, unknownEvent } = words.value;
  const who = plain(event.body.sender);
  switch (event.name) {
    case "GroupCreated":
    case "GroupDissolved":
    case "AvatarSet":
      return say[event.name](who);
    case "GroupRenamed":
      return say.GroupRenamed(who, plain(event.body.name));
    case "MembersAdded": {
      const { members, sender_id } = event.body;
      if (members.length === 1 && members[0]!.user_id === sender_id) return say.joined(who);
      return say.MembersAdded(who, members.map((member) => plain(member.name)).join(and));
    }
    case "MemberRemoved":
      return event.body.member.user_id === event.body.sender_id ? say.left(who) : say.MemberRemoved(who, plain(event.body.member.name));
    case "RoleChanged":
    case "OwnerChanged":
    case "UserBanned":
    case "UserUnbanned":
      return say[event.name](who, plain(event.body.member.name));
    case "MemberMuted":
      return (event.body.until ? say.MemberMuted : say.unmuted)(who, plain(event.body.member.name));
    case "NoticeChanged":
      return event.body.text ? say.NoticeChanged(who, plain(event.body.text)) : say.noticeGone(who);
    case "Pinned":
      return (event.body.on ? say.Pinned : say.unpinned)(who);
    case "PacketOpened":
      return say.PacketOpened(who, event.body.cents ? moneyText(event.body.cents) : "");
    case "PacketExhausted":
      return say.PacketExhausted(event.body.luckiest ? `${plain(event.body.luckiest.name)} ${event.body.luckiest_cents ? moneyText(event.body.luckiest_cents) : ""}`.trim() : "");
    default:
      return unknownEvent;
  }
}

export function SystemLine({ event }: { event: SequenceEvent }) {
  return <span dir="auto">{sentence(event)}</span>;
}

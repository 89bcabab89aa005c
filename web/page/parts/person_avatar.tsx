/** Somebody's picture, or the first letter of their name. */
import type { Id } from "../../client/protocol.gen.ts";
import { profileOf } from "../state/profiles.ts";
import { Avatar } from "./avatar.tsx";

export function PersonAvatar({ id, name, size = "" }: { id: Id; name: string; size?: "" | "small" | "large" }) {
  return <Avatar name={name} id={id} mediaId={profileOf(id).value?.avatar ?? "0"} size={size} />;
}

/** A picture, or the first character on a colour by the id. */
import { useState } from "preact/hooks";

const COLOURS = 8;

export function Avatar({ name, id, mediaId = "0", size = "" }: { name: string; id: string; mediaId?: string | undefined; size?: "" | "small" | "large" }) {
  const [missing, setMissing] = useState(""); // deleted by whose it is
  let colour = 0;
  for (const digit of id) colour = (colour * 31 + digit.charCodeAt(0)) % COLOURS;
  return (
    <span class={`avatar colour-${colour} ${size}`} aria-hidden="true">
      {mediaId === "0" || mediaId === missing ? ([...name][0]?.toUpperCase() ?? "?") : <img src={`/media/${mediaId}/preview`} alt="" onError={() => setMissing(mediaId)} />}
    </span>
  );
}

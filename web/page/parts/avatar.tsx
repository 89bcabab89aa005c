/** A picture, or the first character on a colour by the id. */
const COLOURS = 8;

export function Avatar({ name, id, mediaId = "0", size = "" }: { name: string; id: string; mediaId?: string; size?: "" | "small" | "large" }) {
  let colour = 0;
  for (const digit of id) colour = (colour * 31 + digit.charCodeAt(0)) % COLOURS;
  return (
    <span class={`avatar colour-${colour} ${size}`} aria-hidden="true">
      {mediaId === "0" ? ([...name][0]?.toUpperCase() ?? "?") : <img src={`/media/${mediaId}/preview`} alt="" />}
    </span>
  );
}

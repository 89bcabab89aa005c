/** Text that a stranger wrote: text nodes, http and https links shown whole, nothing else of it is taken for markup. */
const LINK = /https?:\/\/[^\s<>"'`\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]+/giu;
/** Marks that reorder or hide text, shown as nothing. */
const HIDDEN_MARKS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu;
const MAX_LINKS = 50;

/** A stranger's words without the marks that would reorder what stands around them. */
export function plain(text: string): string {
  return text.replace(HIDDEN_MARKS, "");
}

function isWebAddress(text: string): boolean {
  try {
    return /^https?:$/.test(new URL(text).protocol);
  } catch {
    return false;
  }
}

export function StrangerText({ text }: { text: string }) {
  const shown = plain(text);
  const parts = [];
  let end = 0;
  for (const match of shown.matchAll(LINK)) {
    const link = match[0].replace(/[.,;:!?)\]}，。；：！？）】」]+$/u, "");
    if (!isWebAddress(link)) continue;
    if (parts.length > 2 * MAX_LINKS) break;
    parts.push(
      shown.slice(end, match.index),
      <a href={link} target="_blank" rel="noopener noreferrer">
        {link}
      </a>,
    );
    end = match.index + link.length;
  }
  parts.push(shown.slice(end));
  return (
    <p class="text" dir="auto">
      {parts}
    </p>
  );
}

/** What I uploaded: how much of my room it takes, the largest first, and its deletion for everybody. */
import { useEffect, useState } from "preact/hooks";
import type { Id, OwnMediaUsage, OwnMedium } from "../../client/protocol.gen.ts";
import { Dialog } from "../parts/dialog.tsx";
import { plain } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { briefTime, failureText, sizeText, words } from "../words/index.ts";

export function OwnFilesDialog({ onClose }: { onClose(): void }) {
  const { files: say, search, loading } = words.value;
  const [usage, setUsage] = useState<OwnMediaUsage | null>(null);
  const [media, setMedia] = useState<readonly OwnMedium[]>([]);
  const [note, setNote] = useState("");
  const fetchBelow = async (last: OwnMedium | undefined): Promise<void> => {
    const page = await connection.request("ShowMediaUsage", last ? { size: last.size, before: last.id } : {});
    setUsage(page);
    setMedia(last ? [...media, ...page.media] : page.media);
  };
  const run = (act: () => Promise<unknown>): void => {
    setNote("");
    act().catch((error: unknown) => setNote(failureText(error)));
  };
  useEffect(() => run(() => fetchBelow(undefined)), []);
  const remove = (media_id: Id, name: string): void => {
    if (!confirm(say.sure(name))) return;
    run(async () => {
      await connection.request("DeleteMedium", { media_id });
      await fetchBelow(undefined);
    });
  };
  return (
    <Dialog label={say.title} onClose={onClose}>
      {note && <p class="error" role="alert">{note}</p>}
      <p class="side-note" role="status">{usage ? say.used(sizeText(usage.stored + usage.announced), sizeText(usage.quota)) : !note && loading}</p>
      {usage && <meter min={0} max={usage.quota} value={usage.stored + usage.announced} aria-label={say.title} />}
      <ul class="people" aria-label={say.title}>
        {media.map(({ id, name, size, uploaded_at, messages }) => (
          <li key={id}>
            <a class="own-file" href={`/media/${id}`} download={plain(name)}>
              <bdi>{plain(name)}</bdi>
              <small class="dim">{[sizeText(size), briefTime(uploaded_at), say.messages(messages)].join(" · ")}</small>
            </a>
            <button type="button" class="link" onClick={() => remove(id, plain(name))}>{say.remove(plain(name))}</button>
          </li>
        ))}
      </ul>
      {usage?.more && <button type="button" class="secondary" onClick={() => run(() => fetchBelow(media.at(-1)))}>{search.more}</button>}
    </Dialog>
  );
}

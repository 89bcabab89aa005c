/** Which keys there are: `?` shows it. */
import { Dialog } from "../parts/dialog.tsx";
import { words } from "../words/index.ts";

export function KeysDialog({ onClose }: { onClose(): void }) {
  const { keys: say } = words.value;
  return (
    <Dialog label={say.title} onClose={onClose}>
      <dl class="keys">
        {say.list.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}

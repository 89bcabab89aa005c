/** What people reported: an operator reads it, acts elsewhere (users, groups), and closes it with a note. */
import { useEffect, useState } from "preact/hooks";
import type { Report } from "../../client/protocol.gen.ts";
import { plain, StrangerText } from "../parts/stranger_text.tsx";
import { connection } from "../state/session.ts";
import { briefTime } from "../words/index.ts";
import { operatorWords } from "../words/operator.ts";
import { Asked, More, useOutcome, usePages } from "./operator_parts.tsx";

export function Reports() {
  const { value: say } = operatorWords;
  const { note, run, load } = useOutcome();
  const [closed, setClosed] = useState(false);
  const { rows, more, again, next } = usePages<Report>(async (last) => {
    const page = await connection.request("ListReports", { before: last?.number ?? 0, closed });
    return { rows: page.reports, more: page.more };
  }, load);
  useEffect(again, [closed]);
  const close = (number: number, what: string): void =>
    run(async () => {
      await connection.request("CloseReport", { number, note: what });
      again();
      return say.done;
    });
  return (
    <>
      {note}
      <label>
        <input type="checkbox" checked={closed} onChange={() => setClosed(!closed)} /> {say.showClosed}
      </label>
      <ol class="people" aria-label={say.tabs.reports}>
        {rows.map((report) => (
          <li key={report.number} class="operate-row">
            <span>
              <small class="dim">{`${report.number} · ${briefTime(report.at)}`}</small>{" "}
              <b>{say.reports(plain(report.by.name), plain(report.person.name))}</b>{" "}
              {report.of > 0 && <small class="dim">{say.messageIn(report.of, plain(report.group))}</small>}
              <StrangerText text={report.reason} />
              {report.text && (
                <blockquote>
                  <StrangerText text={report.text} />
                </blockquote>
              )}
              {report.closed_at > 0 && <small class="dim">{say.closedBy(plain(report.closed_by), briefTime(report.closed_at), plain(report.note))}</small>}
            </span>
            {!report.closed_at && <Asked label={say.closeReport(report.number)} button={say.close} field={say.noteForOperators} type="text" optional act={(what) => close(report.number, what)} />}
          </li>
        ))}
      </ol>
      <More rows={rows.length} more={more} next={next} />
    </>
  );
}

/** A ceremony's record for people: text, and a page to print and to sign by hand. It holds no secret. */
import type { CeremonyRecord, SignedRecord } from "../devices/hsm/office/types.js";
import { html, pageFoot, pageHead } from "../ledger/page.js";

const ENDS = {
  whole: "Completed",
  expired: "Expired, nothing was made",
  void: "Void, nothing was made",
} as const;

type Line = readonly [what: string, said: string];

function linesOf(record: CeremonyRecord): readonly Line[] {
  const { key, stated, reason, list, holds } = record;
  const lines: (Line | undefined)[] = [
    ["Ceremony", record.number],
    ["What", record.action],
    ["Environment", record.environment],
    key && ["Key", `${key.name}, for ${key.use}, ${key.algorithm}`],
    key && ["Check value", key.kcv === "" ? "none" : `${key.kcv} (GlobalPlatform)`],
    stated && ["Check value as stated", `${stated.kcv} (${stated.method})`],
    key && ["State", `${key.state}, from ${key.source}`],
    key && ["Cryptoperiod", `${key.from ?? "at once"} to ${key.until ?? "no end"}`],
    list && ["List", `${list.name}, SHA-256 ${list.digest}`],
    ...(list?.sentences ?? []).map((sentence) => ["", sentence] as const),
    reason === undefined ? undefined : ["Reason", reason],
    ...(holds ?? []).map((one) => ["Still has", one] as const),
    [ENDS[record.ended ?? "whole"], record.completed],
    ["Program", record.program],
    ["Keystore revision", String(record.keystoreRevision)],
    ["Record before (SHA-256)", record.previous],
  ];
  return lines.filter((line) => line !== undefined);
}

const sat = ({ by, at, kcv, share }: CeremonyRecord["sittings"][number]): readonly string[] => [
  by,
  at,
  kcv === undefined ? (share === undefined ? "" : `share ${String(share)}`) : `component, check value ${kcv}`,
];

export function recordText({ text, signature }: SignedRecord, signedBy: string): string {
  const record = JSON.parse(text) as CeremonyRecord;
  const lines = linesOf(record).map(([what, said]) => `${what.padEnd(24)}${said}`);
  const sittings = record.sittings.map((one) => `  ${sat(one).filter(Boolean).join(", ")}`);
  return [
    "KEY CEREMONY RECORD",
    "",
    ...lines,
    "",
    "Custodians",
    ...sittings,
    "",
    ...record.sittings.map(({ by }) => `Signature of ${by}: ______________________________`),
    "Signature of the witness: ______________________________",
    "",
    `Ed25519 signature       ${signature}`,
    signedBy.trimEnd(),
  ].join("\n");
}

export function recordPage({ text, signature }: SignedRecord, signedBy: string): string {
  const record = JSON.parse(text) as CeremonyRecord;
  const body = html`<header><div><p class="over">Key ceremony record</p><h1>${record.number}</h1></div></header>
<table>${linesOf(record).map(([what, said]) => html`<tr><th>${what}</th><td>${said}</td></tr>`)}</table>
<h2>Custodians</h2>
<table><tr><th>Name</th><th>Sat</th><th>Piece</th><th>Signature</th></tr>${record.sittings.map(
    (one) => html`<tr>${sat(one).map((cell) => html`<td>${cell}</td>`)}<td>&nbsp;</td></tr>`,
  )}<tr><td>Witness</td><td></td><td></td><td>&nbsp;</td></tr></table>
<h2>Signature of the security module</h2>
<p class="soft">Ed25519 over the record's text, after the line "persoline ceremony".</p>
<pre>${signature}
${signedBy}</pre>`;
  return [pageHead(`Key ceremony ${record.number}`), body, pageFoot].join("");
}

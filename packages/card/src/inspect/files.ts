import type { Response } from "../apdu/index.js";
import { CardProblem, fid, hex, MF, u16 } from "../bytes/index.js";
import {
  decodeFci,
  lifeCycle,
  readBinary,
  readRecord,
  type SelectAnswer,
  selectByAid,
  selectByFid,
} from "../iso7816/index.js";
import { findTlv, parseTlv, type Tlv } from "../tlv/index.js";
import type { Ask } from "./ask.js";
import { knownApplications, standardFiles } from "./known.js";
import type { Fact, FoundApplication, FoundFile, WantedFiles } from "./types.js";

/** Which answers cards can be asked for differs: FCP first, then whatever they like, then nothing (ISO/IEC 7816-4, 7.1.1). */
const answers: readonly SelectAnswer[] = ["fcp", "fci", "none"];

/** The answer of a SELECT that found something, or undefined. */
async function selected(
  ask: Ask,
  select: (answer: SelectAnswer) => Parameters<Ask>[0],
): Promise<Response | undefined> {
  for (const form of answers) {
    const answer = await ask(select(form));
    // 62XX: found, with a warning (deactivated, terminated, badly formatted).
    if (answer.sw === 0x9000 || answer.sw >> 8 === 0x62) return answer;
    if (answer.sw !== 0x6a86 && answer.sw !== 0x6a81 && answer.sw !== 0x6b00) return undefined;
  }
  return undefined;
}

/** A card that answers no FCP, or a damaged one, has the file all the same. */
function fileOf(path: string, id: string, data: Uint8Array): FoundFile {
  try {
    const { fcp } = decodeFci(data);
    const { descriptor, size, lcs } = fcp;
    return {
      path,
      fid: fcp.fid === undefined ? id : hex(u16(fcp.fid)),
      structure: descriptor?.structure ?? "",
      size: size === undefined ? "" : `${String(size)} bytes`,
      lifeCycle: lcs === undefined ? "" : lifeCycle(lcs),
    };
  } catch (thrown) {
    if (!(thrown instanceof CardProblem)) throw thrown;
    return { path, fid: id, structure: "", size: "", lifeCycle: "" };
  }
}

/** MF and the files that standards put under it; what EF.DIR lists and EF.ATR says goes to `listed` and `facts`. */
export async function learnFiles(
  ask: Ask,
  into: { readonly files: FoundFile[]; readonly facts: Fact[]; readonly listed: FoundApplication[] },
): Promise<void> {
  const mf = await selected(ask, (answer) => selectByFid(MF, { answer }));
  if (mf !== undefined) into.files.push(fileOf("MF", "3F00", mf.data));
  for (const { name, fid: id } of standardFiles) {
    const found = await selected(ask, (answer) => selectByFid(fid(id), { answer }));
    if (found === undefined) continue;
    const file = fileOf(name, hex(u16(id)), found.data);
    into.files.push(file);
    if (name === "EF.DIR") into.listed.push(...(await directory(ask, file)));
    if (name === "EF.ATR/INFO") into.facts.push(await cardInfo(ask));
    // Back to the MF: what comes next is looked for there, wherever a DF among these has led.
    if (name.startsWith("DF.")) await selected(ask, (answer) => selectByFid(MF, { answer }));
  }
}

const mostEntries = 32;

/** Application templates 61 in EF.DIR, record by record or in one transparent piece (ISO/IEC 7816-4, 8.2.1.1). */
async function directory(ask: Ask, { structure }: FoundFile): Promise<FoundApplication[]> {
  const found: FoundApplication[] = [];
  if (structure === "transparent") {
    const { data } = await ask(readBinary({ offset: 0, length: 256 }));
    return entriesOf(data);
  }
  for (let number = 1; number <= mostEntries; number++) {
    const { data, sw } = await ask(readRecord({ number }));
    if (sw !== 0x9000) break;
    found.push(...entriesOf(data));
  }
  return found.slice(0, mostEntries);
}

function entriesOf(data: Uint8Array): FoundApplication[] {
  return objectsOf(data)
    .filter(({ tag }) => tag === 0x61)
    .flatMap(({ children = [] }) => {
      const name = findTlv(children, 0x4f)?.value;
      if (name === undefined || name.length > 16) return [];
      const label = findTlv(children, 0x50)?.value;
      return [{ aid: hex(name), name: printable(label) || nameOf(name), seen: "listed" as const }];
    })
    .slice(0, mostEntries);
}

async function cardInfo(ask: Ask): Promise<Fact> {
  const { data, sw } = await ask(readBinary({ offset: 0, length: 256 }));
  const what = "card information (EF.ATR/INFO)";
  if (sw !== 0x9000 && sw !== 0x6282)
    return { what, value: "it exists but cannot be read", state: "refused" };
  const tags = objectsOf(data).map(({ tag }) => tag.toString(16).toUpperCase());
  return tags.length === 0
    ? { what, value: `${String(data.length)} bytes`, state: "not understood" }
    : { what, value: `objects ${tags.slice(0, 32).join(", ")}`, state: "told" };
}

/** Objects up to the padding that files end with; none when they are damaged. */
function objectsOf(data: Uint8Array): Tlv[] {
  try {
    return parseTlv(data, { padding: "00-or-FF" });
  } catch (thrown) {
    if (thrown instanceof CardProblem) return [];
    throw thrown;
  }
}

/** Card text never reaches a screen with anything but printable ASCII in it. */
const printable = (bytes: Uint8Array | undefined): string =>
  String.fromCharCode(...(bytes ?? []).slice(0, 64)).replaceAll(/[^\x20-\x7e]/g, "?");

const nameOf = (name: Uint8Array): string =>
  knownApplications.find(({ aid }) => hex(name).startsWith(hex(aid)))?.name ?? "";

/** Known applications by name, and the wanted files within theirs. */
export async function learnApplications(
  ask: Ask,
  wanted: readonly WantedFiles[],
  into: { readonly files: FoundFile[]; readonly selected: FoundApplication[] },
): Promise<void> {
  for (const { name, aid } of knownApplications) {
    const found = await selected(ask, (answer) => selectByAid(aid, { answer }));
    if (found !== undefined) into.selected.push({ aid: hex(aid), name, seen: "selected" });
  }
  for (const df of wanted) {
    const there = await selected(ask, (answer) => selectByAid(df.aid, { answer }));
    if (there === undefined) continue;
    into.files.push(fileOf(df.name, "", there.data));
    into.selected.push({ aid: hex(df.aid), name: df.name, seen: "selected" });
    for (const ef of df.files) {
      const found = await selected(ask, (answer) => selectByFid(fid(ef.fid), { in: "child-ef", answer }));
      if (found !== undefined) into.files.push(fileOf(`${df.name}/${ef.name}`, hex(u16(ef.fid)), found.data));
    }
  }
}

import type { Command } from "../apdu/index.js";
import { CardProblem, fid, hex, u16 } from "../bytes/index.js";
import {
  decodeFci,
  lifeCycle,
  readBinary,
  readRecord,
  type SelectAnswer,
  selectByAid,
  selectByFid,
  selectMf,
} from "../iso7816/index.js";
import { findTlv, parseTlv, type Tlv } from "../tlv/index.js";
import type { Ask } from "./ask.js";
import { knownApplications, standardFiles } from "./known.js";
import type { Fact, FoundApplication, FoundFile, WantedFiles } from "./types.js";

/** 6A86, 6A81, 6B00: the card knows the file perhaps, but not this form of the question (ISO/IEC 7816-4, 7.1.1). */
const otherForm: ReadonlySet<number> = new Set([0x6a86, 0x6a81, 0x6b00]);

type Select = (answer: SelectAnswer) => Command;

/** The answer of a SELECT that found something, with the form that was understood, or undefined. */
async function selected(
  ask: Ask,
  forms: readonly SelectAnswer[],
  select: Select,
): Promise<{ readonly data: Uint8Array; readonly form: SelectAnswer } | undefined> {
  for (const form of forms) {
    const { data, sw } = await ask(select(form));
    // 62XX: found, with a warning (deactivated, terminated, badly formatted).
    if (sw === 0x9000 || sw >> 8 === 0x62) return { data, form };
    if (!otherForm.has(sw)) return undefined;
  }
  return undefined;
}

/** SELECTs from the MF on; the last one is of the file itself. */
type Way = readonly [last: Select] | readonly [before: Select, last: Select];

const lastOf = (way: Way): Select => way[1] ?? way[0];

/**
 * Looks for files and applications in two rounds. The first only asks whether they are there: SELECT without an answer is the question
 * that costs a card the least. The second asks those that are there for their control parameters, so that a card which does not bear that
 * has told everything else.
 */
export class Looking {
  readonly #ask: Ask;
  readonly #silently: boolean;
  readonly #undescribed: { readonly file: FoundFile; readonly way: Way; readonly among: FoundFile[] }[] = [];

  /** `silently`: no SELECT ever asks for an answer, and there is no second round. */
  constructor(ask: Ask, { silently }: { readonly silently: boolean }) {
    this.#ask = ask;
    this.#silently = silently;
  }

  async isThere(select: Select): Promise<boolean> {
    return (await this.#look(select)) !== undefined;
  }

  /** Whether the file is there, and then it is noted `among` others. What stands before it in its way is selected already. */
  async find(named: Pick<FoundFile, "path" | "fid">, way: Way, among: FoundFile[]): Promise<boolean> {
    const found = await this.#look(lastOf(way));
    if (found === undefined) return false;
    const file = fileOf(named, found.data);
    among.push(file);
    if (found.form === "none" && !this.#silently) this.#undescribed.push({ file, way, among });
    return true;
  }

  /** The second round: structures, sizes and life cycles. */
  async describe(): Promise<void> {
    for (const { file, way, among } of this.#undescribed) {
      if (way.length === 2) await this.isThere(way[0]);
      const told = await selected(this.#ask, ["fcp", "fci"], lastOf(way));
      if (told !== undefined) among[among.indexOf(file)] = fileOf(file, told.data);
    }
  }

  #look(select: Select): ReturnType<typeof selected> {
    return selected(this.#ask, this.#silently ? ["none"] : ["none", "fcp", "fci"], select);
  }
}

/** A card that answers no FCP, or a damaged one, has the file all the same. */
function fileOf({ path, fid: id }: Pick<FoundFile, "path" | "fid">, data: Uint8Array): FoundFile {
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

const mf: Select = (answer) => selectMf({ answer });

/** MF and the files that standards put under it; what EF.DIR lists and EF.ATR says goes to `listed` and `facts`. */
export async function learnFiles(
  ask: Ask,
  looking: Looking,
  into: { readonly files: FoundFile[]; readonly facts: Fact[]; readonly listed: FoundApplication[] },
): Promise<void> {
  await looking.find({ path: "MF", fid: "3F00" }, [mf], into.files);
  for (const { name, fid: id } of standardFiles) {
    const own: Select = (answer) => selectByFid(fid(id), { answer });
    if (!(await looking.find({ path: name, fid: hex(u16(id)) }, [mf, own], into.files))) continue;
    if (name === "EF.DIR") into.listed.push(...(await directory(ask)));
    if (name === "EF.ATR/INFO") into.facts.push(await cardInfo(ask));
    // Back to the MF: what comes next is looked for there, wherever a DF among these has led.
    if (name.startsWith("DF.")) await looking.isThere(mf);
  }
}

const whole = { offset: 0, length: 256 } as const;
const mostEntries = 32;

/** Application templates 61 in EF.DIR, record by record or in one transparent piece (ISO/IEC 7816-4, 8.2.1.1). */
async function directory(ask: Ask): Promise<FoundApplication[]> {
  const found: FoundApplication[] = [];
  for (let number = 1; number <= mostEntries; number++) {
    const { data, sw } = await ask(readRecord({ number }));
    if (sw !== 0x9000) {
      // No records: a transparent file, then, unless the first of them is only empty.
      if (number === 1 && sw !== 0x6a83) found.push(...entriesOf((await ask(readBinary(whole))).data));
      break;
    }
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
  const { data, sw } = await ask(readBinary(whole));
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

/** Known applications by name, and the wanted files within theirs. Answers what of the wanted is not there. */
export async function learnApplications(
  looking: Looking,
  wanted: readonly WantedFiles[],
  into: { readonly files: FoundFile[]; readonly selected: FoundApplication[] },
): Promise<string[]> {
  for (const { name, aid } of knownApplications) {
    if (await looking.isThere((answer) => selectByAid(aid, { answer })))
      into.selected.push({ aid: hex(aid), name, seen: "selected" });
  }
  const missing: string[] = [];
  for (const { name, aid, files } of wanted) {
    const df: Select = (answer) => (aid === undefined ? selectMf({ answer }) : selectByAid(aid, { answer }));
    // The MF itself was looked at among the standard files.
    const there = await (aid === undefined
      ? looking.isThere(df)
      : looking.find({ path: name, fid: "" }, [df], into.files));
    if (!there) {
      missing.push(name);
      continue;
    }
    if (aid !== undefined) into.selected.push({ aid: hex(aid), name, seen: "selected" });
    for (const { name: own, fid: id } of files) {
      const ef: Select = (answer) => selectByFid(fid(id), { in: "child-ef", answer });
      const path = `${name}/${own}`;
      if (!(await looking.find({ path, fid: hex(u16(id)) }, [df, ef], into.files))) missing.push(path);
    }
  }
  return missing;
}

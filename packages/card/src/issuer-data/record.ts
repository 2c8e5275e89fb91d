/** What a record holds once its MAC is right: the person's data, and data groupings for each application. */
import { fromUtf8 } from "../bytes/index.js";
import { parseDgis } from "../tlv/index.js";
import { Cursor } from "./cursor.js";
import { dataOf, judgedApplications, recordMark } from "./forms.js";
import { identifierList, identifierLists, type Instructions } from "./instructions.js";
import { jsonRecord } from "./json.js";
import { IssuerDataProblem } from "./problem.js";
import { strictJson } from "./strict-json.js";
import type { FramedRecord, IssuerApplication, IssuerRecord, Preamble, TransportMode } from "./types.js";

const mostApplications = 16;
const MODES: ReadonlyMap<number, TransportMode> = new Map([
  [0x10, "3des-cbc"],
  [0x11, "3des-ecb"],
  [0x12, "aes-wrap"],
]);

/** Throws IssuerDataProblem for unknown modules, sections and instructions, and for bytes left over. */
export function parseRecord(
  form: Preamble["form"],
  { number, bytes }: Omit<FramedRecord, "mac">,
): IssuerRecord {
  if (form === "json") return jsonRecord(number, bytes);
  const where = `record ${String(number)}`;
  const cursor = new Cursor(bytes, where);
  cursor.take(recordMark.length, "the mark");
  const modules = new Map<string, Uint8Array>();
  while (cursor.left > 0) {
    const name = cursor.text("a module's name", /^[A-Z]{1,7}$/);
    if (name !== "DATA" && name !== "CHIP")
      throw cursor.problem(`module ${name} is none that this line has; known are DATA and CHIP`);
    if (modules.has(name)) throw cursor.problem(`module ${name} is there twice`);
    modules.set(name, cursor.take(cursor.decimal(7, `the length of module ${name}`), `module ${name}`));
  }
  const [data, chip] = [modules.get("DATA"), modules.get("CHIP")];
  if (data === undefined) throw cursor.problem("module DATA is missing");
  let text: string;
  try {
    text = fromUtf8(data);
  } catch {
    throw new IssuerDataProblem(where, "module DATA is not JSON in UTF-8");
  }
  return {
    number,
    data: dataOf(where, strictJson(`${where}, module DATA`, text)),
    applications: chip === undefined ? [] : applicationsOf(where, chip),
  };
}

function applicationsOf(where: string, chip: Uint8Array): IssuerApplication[] {
  const cursor = new Cursor(chip, `${where}, module CHIP`);
  cursor.text("the version of the layout", /^02\.1$/);
  const count = cursor.number(1, "the number of applications");
  if (count > mostApplications)
    throw cursor.problem(`a record has at most ${String(mostApplications)} applications`);
  const applications = Array.from({ length: count }, () => applicationOf(cursor));
  cursor.end("the last application");
  return judgedApplications(where, applications);
}

const identifiers = (bytes: Uint8Array): number[] => {
  const found: number[] = [];
  for (let at = 0; at + 1 < bytes.length; at += 2) found.push(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
  return found;
};

function applicationOf(cursor: Cursor): IssuerApplication {
  const aid = cursor.field(1, "an AID");
  if (aid.length < 5 || aid.length > 16) throw cursor.problem("an AID has 5 to 16 bytes");
  const tk = new Cursor(cursor.field(1, "the transport key's data"), cursor.where);
  if (tk.number(1, "TKDATA's version") !== 1) throw cursor.problem("TKDATA has another version than 01");
  const mode = MODES.get(tk.number(1, "the transport mode"));
  if (mode === undefined) throw cursor.problem("the transport mode is unknown; known are 10, 11 and 12");
  const secret = identifiers(
    tk.take(2 * tk.number(1, "the number of secret groupings"), "the list of secret groupings"),
  );
  tk.end("TKDATA");
  const { level, instructions } = instructionsOf(
    new Cursor(cursor.field(2, "the instructions"), cursor.where),
    secret,
  );
  if (cursor.field(2, "the log").length > 0) throw cursor.problem("log data are not known here");
  if (cursor.number(1, "the data's tag") !== 0xef) throw cursor.problem("the data do not begin with tag EF");
  const data = cursor.take(berLength(cursor), "the data");
  let groupings: ReturnType<typeof parseDgis>;
  try {
    groupings = parseDgis(data);
  } catch (problem) {
    throw cursor.problem(problem instanceof Error ? problem.message : "the data groupings are damaged");
  }
  const missing = secret.find((id) => !groupings.some((one) => one.id === id));
  if (missing !== undefined) throw cursor.problem("a secret grouping of the list is not among the data");
  return {
    aid,
    mode,
    level,
    instructions,
    groupings: groupings.map((one) => ({ ...one, secret: secret.includes(one.id) })),
  };
}

function berLength(cursor: Cursor): number {
  const first = cursor.number(1, "the data's length");
  if (first < 0x80) return first;
  if (first === 0x81) return cursor.number(1, "the data's length");
  if (first === 0x82) return cursor.number(2, "the data's length");
  throw cursor.problem("the data's length has a form that is not used here");
}

const sorted = (ids: readonly number[]): string => ids.toSorted((a, b) => a - b).join();

/** Personalization device instructions in their order (CPS). */
function instructionsOf(
  cursor: Cursor,
  secret: readonly number[],
): { readonly level: number; readonly instructions: Instructions } {
  const list = (name: string): Cursor => new Cursor(cursor.field(2, name), `${cursor.where}, ${name}`);
  const order = identifierLists(list("ORDER"), "ORDER");
  const optional = identifierList(list("VERCNTL"), "VERCNTL");
  const enc = list("ENC");
  const encrypted: number[] = [];
  while (enc.left > 0) {
    encrypted.push(enc.number(2, "ENC's grouping"));
    if (enc.number(1, "ENC's form") !== 0x11)
      throw cursor.problem("ENC asks for another encryption than the session's");
  }
  const random = identifierList(list("RANDOM"), "RANDOM");
  const groups = identifierLists(list("GROUP"), "GROUP");
  if (sorted(encrypted) !== sorted(secret))
    throw cursor.problem("ENC and the list of secret groupings are not the same");
  const level = cursor.number(1, "SECLEV");
  if (level !== 0x00 && level !== 0x01 && level !== 0x03)
    throw cursor.problem("SECLEV is none of 00, 01 and 03");
  if (cursor.number(1, "UPDATECPLC") !== 0)
    throw cursor.problem("instruction UPDATECPLC is not followed by this line");
  cursor.end("the instructions");
  return { level, instructions: { order, groups, optional, random } };
}

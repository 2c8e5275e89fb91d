/** The same file as lines of JSON: preamble, head, then one record a line. MACs and proof are over the bytes as they stand. */
import { concat, fromUtf8, unhex, utf8 } from "../bytes/index.js";
import { dataOf, type FramedFile, headForms, judgedApplications, judgedHead, mostRecords } from "./forms.js";
import type { Instructions } from "./instructions.js";
import { IssuerDataProblem } from "./problem.js";
import { strictJson } from "./strict-json.js";
import type {
  FramedRecord,
  IssuerApplication,
  IssuerHead,
  IssuerRecord,
  Preamble,
  TransportMode,
} from "./types.js";

const NEWLINE = 0x0a;
const preambleForm =
  /^(\{"format":"persoline-issuer-data","version":1,"algorithm":"(AES-CMAC|Ed25519)","key":"([a-z][a-z0-9-]{0,31})","kcv":"([0-9A-F]{6}|)"),"proof":"([0-9A-F]{32}|[0-9A-F]{128})"\}$/;
const recordForm = /^\{"mac":"([0-9A-F]{32})","record":$/;
const recordStart = '{"mac":"","record":'.length + 32;

export function jsonPreamble(first: Uint8Array): Preamble {
  const end = first.indexOf(NEWLINE);
  const text = ascii(first.subarray(0, Math.max(0, end)));
  const [, covered, algorithm, key, kcv, proof] = preambleForm.exec(text) ?? [];
  if (covered === undefined || key === undefined || kcv === undefined || proof === undefined)
    throw new IssuerDataProblem("preamble", "this does not begin as issuer data do, in neither form");
  const isMac = algorithm === "AES-CMAC";
  if ((proof.length === 32) !== isMac || (kcv !== "") !== isMac)
    throw new IssuerDataProblem("preamble", "the proof has not the form of its algorithm");
  return {
    form: "json",
    algorithm: isMac ? "AES-CMAC" : "Ed25519",
    key,
    kcv,
    proof: unhex(proof),
    covered: utf8(covered),
    length: end + 1,
  };
}

const ascii = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

export function frameJson(body: Uint8Array): FramedFile {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < body.length; ) {
    const end = body.indexOf(NEWLINE, at);
    if (end < 0) throw new IssuerDataProblem("body", "the last line has no end");
    lines.push(body.subarray(at, end));
    at = end + 1;
    if (lines.length > mostRecords + 1) throw new IssuerDataProblem("body", "too many lines");
  }
  const [head = new Uint8Array(0), ...rest] = lines;
  const count = jsonHead(head).records;
  if (rest.length !== count)
    throw new IssuerDataProblem(
      "body",
      `the head announces ${String(count)} records, ${String(rest.length)} are there`,
    );
  return { head, records: rest.map((line, at) => framed(at + 1, line)) };
}

function framed(number: number, line: Uint8Array): FramedRecord {
  const mac = recordForm.exec(ascii(line.subarray(0, recordStart)))?.[1];
  if (mac === undefined || line.at(-1) !== 0x7d)
    throw new IssuerDataProblem(
      `record ${String(number)}`,
      'the line has not the form {"mac":"…","record":{…}}',
    );
  return { number, bytes: line.subarray(recordStart, -1), mac: unhex(mac) };
}

type Json = Readonly<Record<string, unknown>>;

function objectOf(where: string, value: unknown, known: readonly string[]): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new IssuerDataProblem(where, "an object was expected");
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) throw new IssuerDataProblem(where, `key "${strange.slice(0, 40)}" is unknown`);
  return value as Json;
}

function parsed(where: string, bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch {
    throw new IssuerDataProblem(where, "this is not JSON in UTF-8");
  }
  return strictJson(where, text);
}

export function jsonHead(bytes: Uint8Array): IssuerHead {
  const head = objectOf("head", parsed("head", bytes), [...headForms.map(([name]) => name), "records"]);
  const texts = headForms.map(([name, form]) => {
    const text = head[name];
    if (typeof text !== "string" || !form.test(text))
      throw new IssuerDataProblem("head", `"${name}" has not the form it must have`);
    return [name, text] as const;
  });
  const { records } = head;
  if (typeof records !== "number" || !Number.isInteger(records))
    throw new IssuerDataProblem("head", '"records" is no whole number');
  return judgedHead({ ...(Object.fromEntries(texts) as Omit<IssuerHead, "records">), records });
}

export function jsonRecord(number: number, bytes: Uint8Array): IssuerRecord {
  const where = `record ${String(number)}`;
  const record = objectOf(where, parsed(where, bytes), ["data", "applications"]);
  const { applications = [] } = record;
  if (!Array.isArray(applications)) throw new IssuerDataProblem(where, '"applications" is no list');
  return {
    number,
    data: dataOf(where, record["data"]),
    applications: judgedApplications(
      where,
      applications.map((one) => jsonApplication(where, one)),
    ),
  };
}

const MODES: readonly TransportMode[] = ["aes-wrap", "3des-cbc", "3des-ecb"];

function jsonApplication(where: string, value: unknown): IssuerApplication {
  const {
    aid,
    mode,
    level = 0,
    plain,
    secret,
    instructions,
  } = objectOf(where, value, ["aid", "mode", "level", "plain", "secret", "instructions"]);
  if (typeof aid !== "string" || !/^(?:[0-9A-F]{2}){5,16}$/.test(aid))
    throw new IssuerDataProblem(where, "an AID has 5 to 16 bytes, hexadecimal in capitals");
  const found = MODES.find((one) => one === mode);
  if (found === undefined)
    throw new IssuerDataProblem(where, `the transport mode is one of ${MODES.join(", ")}`);
  if (level !== 0 && level !== 1 && level !== 3) throw new IssuerDataProblem(where, "the level is 0, 1 or 3");
  return {
    aid: unhex(aid),
    mode: found,
    level,
    instructions: jsonInstructions(where, instructions),
    groupings: [...jsonGroupings(where, plain, false), ...jsonGroupings(where, secret, true)],
  };
}

function jsonInstructions(where: string, value: unknown = {}): Instructions {
  const {
    order = [],
    group = [],
    vercntl = [],
    random = [],
  } = objectOf(where, value, ["order", "group", "vercntl", "random"]);
  const ids = (list: unknown): number[] => {
    if (!Array.isArray(list) || !list.every((id) => typeof id === "string" && /^[0-9A-F]{4}$/.test(id)))
      throw new IssuerDataProblem(
        where,
        "an instruction lists groupings by four hexadecimal digits, in capitals",
      );
    return list.map((id) => Number.parseInt(String(id), 16));
  };
  const lists = (list: unknown): number[][] => {
    if (!Array.isArray(list)) throw new IssuerDataProblem(where, "order and group are lists of lists");
    return list.map(ids);
  };
  return { order: lists(order), groups: lists(group), optional: ids(vercntl), random: ids(random) };
}

function jsonGroupings(where: string, value: unknown = {}, secret: boolean): IssuerApplication["groupings"] {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new IssuerDataProblem(where, "data groupings are an object");
  return Object.entries(value).map(([id, content]) => {
    if (!/^[0-9A-F]{4}$/.test(id) || typeof content !== "string" || !/^(?:[0-9A-F]{2})*$/.test(content))
      throw new IssuerDataProblem(
        where,
        "a data grouping is four hexadecimal digits and its bytes, in capitals",
      );
    return { id: Number.parseInt(id, 16), value: concat(unhex(content)), secret };
  });
}

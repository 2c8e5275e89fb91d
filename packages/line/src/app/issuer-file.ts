/** An issuer's file before it is read: proved by the security module, then framed, then each record's MAC, then what it holds. */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { concat, hex } from "@persoline/card/bytes";
import {
  frameBody,
  type FramedFile,
  isIssuerFile,
  IssuerDataProblem,
  type IssuerHead,
  type IssuerRecord,
  parseHead,
  parsePreamble,
  parseRecord,
  type Preamble,
} from "@persoline/card/issuer-data";
import { DeviceFault } from "../devices/problem.js";
import { type Hsm, issuerRecordsAtOnce } from "../devices/hsm/port.js";
import { isIssuerInput, type ProvedIssuerFile } from "../orders/input.js";
import { clearFields, groupingOf, instructionFields, sealedField } from "../orders/issuer.js";
import { DataProblem } from "../orders/problem.js";
import type { GpProduct } from "../plan/gp/model.js";
import type { Job } from "./job.js";

/** Such a file is read whole. */
const mostBytes = 1 << 26;

interface Ask {
  readonly job: Job;
  readonly hsm: Pick<Hsm, "proveIssuerFile" | "takeIssuerRecords" | "random">;
  /** Milliseconds of the epoch. */
  readonly now: number;
}

const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

/** Nothing for other inputs. Throws DataProblem with the first thing that is wrong: the file is refused whole. */
export async function proveIssuerInput(ask: Ask): Promise<ProvedIssuerFile | undefined> {
  const { job, hsm, now } = ask;
  const { order } = job;
  if (!isIssuerInput(order.input)) {
    const needy = issuerApplications(job).find(({ issuer }) => issuer.length > 0);
    if (needy === undefined) return undefined;
    throw refused(
      order.input.file,
      "no-issuer-data",
      `application ${needy.name} needs groupings from an issuer's file, and this is none`,
      "name the issuer's file (.issuer) as the order's input",
    );
  }
  const { file } = order.input;
  const bytes = await readWhole(file);
  try {
    if (!isIssuerFile(bytes))
      throw new IssuerDataProblem("preamble", "this does not begin as issuer data do");
    const preamble = parsePreamble(bytes);
    const body = bytes.subarray(preamble.length);
    const proof = await hsm.proveIssuerFile({
      preamble: bytes.slice(0, preamble.length),
      bodyDigest: sha256(body),
    });
    if (proof === "wrong")
      throw refused(
        file,
        "issuer-proof",
        `the proof of the whole file is wrong: it was altered or cut off, or is not of whom it says (key ${preamble.key})`,
        "nothing of it was read; ask the issuer for it again",
      );
    const framed = frameBody(preamble.form, body);
    const head = parseHead(preamble.form, framed.head);
    judgeHead(ask, head, now);
    return { sha256: hex(sha256(bytes)).toLowerCase(), fields: await recordFields(ask, preamble, framed) };
  } catch (problem) {
    if (problem instanceof IssuerDataProblem)
      throw refused(file, "issuer-data", problem.message, "ask the issuer for a new file");
    // What the module refuses is the file's fault here; a module that is gone says so itself.
    if (problem instanceof DeviceFault && problem.code === "security-module")
      throw refused(file, "issuer-data", problem.message, "nothing of the file was taken in");
    throw problem;
  }
}

const refused = (file: string, code: string, message: string, remedy: string): DataProblem =>
  new DataProblem([{ file, code, message, remedy }]);

async function readWhole(file: string): Promise<Uint8Array> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size > mostBytes)
      throw refused(
        file,
        "file-too-big",
        `the file has ${String(Math.ceil(size / (1 << 20)))} MiB, an issuer's file at most 64`,
        "ask the issuer to split it",
      );
    return new Uint8Array(await handle.readFile());
  } finally {
    await handle.close();
  }
}

const issuerApplications = ({ planned }: Job): GpProduct["applications"] =>
  planned.product.kind === "globalplatform" ? planned.product.applications : [];

/** The head must be of this order, made for it and for nothing else: a replayed file belongs to another. */
function judgeHead({ job }: Ask, head: IssuerHead, now: number): void {
  const { order, planned } = job;
  const wrong = (hint: string) => new IssuerDataProblem("head", hint);
  if (head.order !== order.order) throw wrong(`the file is for order ${head.order}, not for ${order.order}`);
  if (head.product !== planned.name)
    throw wrong(`the file is for product ${head.product}, not for ${planned.name}`);
  if (head.environment !== order.environment)
    throw wrong(`the file is for ${head.environment} cards, the order for ${order.environment} ones`);
  if (now >= Date.parse(head.expires)) throw wrong(`the file expired on ${head.expires}`);
  // A clock may be a little behind the issuer's.
  if (now + 3_600_000 < Date.parse(head.created))
    throw wrong(`the file was made on ${head.created}, which is to come`);
}

async function recordFields(
  { job, hsm }: Ask,
  { form }: Preamble,
  { head, records }: FramedFile,
): Promise<ProvedIssuerFile["fields"]> {
  const fields = new Map<number, Readonly<Record<string, string>>>();
  for (let first = 0; first < records.length; first += issuerRecordsAtOnce) {
    const page = records.slice(first, first + issuerRecordsAtOnce).map(({ number, bytes, mac }) => ({
      number,
      bytes: bytes.slice(),
      mac: mac.slice(),
    }));
    const sealed = await hsm.takeIssuerRecords({
      order: job.order.order,
      form,
      head: head.slice(),
      records: page,
    });
    for (const [at, framed] of page.entries()) {
      const read = parseRecord(form, framed);
      const wanted = judgeRecord(job, read);
      const record = { ...read, applications: await filledUp(hsm, read.applications, wanted) };
      const secrets = Object.entries(sealed[at] ?? {}).map(
        ([name, value]) => [sealedField(name), Buffer.from(value).toString("base64")] as const,
      );
      fields.set(record.number, {
        ...clearFields(record),
        ...instructionFields(record),
        ...Object.fromEntries(secrets),
      });
    }
  }
  return fields;
}

/** RANDOM: to the length that the product says, by the security module; once a record, so that its proofs and remakes have the same. */
const filledUp = (
  hsm: Pick<Hsm, "random">,
  applications: IssuerRecord["applications"],
  wanted: Wanted,
): Promise<IssuerRecord["applications"]> =>
  Promise.all(
    applications.map(async (app) => ({
      ...app,
      groupings: await Promise.all(
        app.groupings.map(async (one) => {
          const { bytes = 0 } = wanted.get(groupingOf(hex(app.aid), one.id)) ?? {};
          const missing = bytes - one.value.length;
          if (!app.instructions.random.includes(one.id) || missing <= 0) return one;
          return { ...one, value: concat(one.value, await hsm.random(missing)) };
        }),
      ),
    })),
  );

type Wanted = ReadonlyMap<string, { readonly bytes: number; readonly secret: boolean; readonly app: string }>;

/** The groupings must be those that the product declares, secret where it says so. By "AID/grouping". */
function judgeRecord(job: Job, { number, applications }: IssuerRecord): Wanted {
  const wrong = (hint: string) => new IssuerDataProblem(`record ${String(number)}`, hint);
  const wanted = new Map(
    issuerApplications(job).flatMap((app) =>
      app.issuer.map((one) => [groupingOf(hex(app.aid), one.id), { ...one, app: app.name }] as const),
    ),
  );
  const seen = new Set<string>();
  const { product } = job.planned;
  if (product.kind !== "globalplatform" && applications.length > 0)
    throw wrong(
      "it has groupings for the chip; cards of this product take the person's data from an issuer's file, and their keys and PINs from the security module (a PIN of the issuer's own is a field: pin: method: issuer)",
    );
  const level = product.kind === "globalplatform" ? product.initial.level : 0;
  for (const { aid, groupings, level: asked, instructions } of applications) {
    if ((asked & ~level) !== 0)
      throw wrong(
        `its instructions ask for a session of level ${asked.toString(16).padStart(2, "0")}, the product's has ${level.toString(16).padStart(2, "0")}`,
      );
    for (const { id, value, secret } of groupings) {
      const name = groupingOf(hex(aid), id);
      const declared = wanted.get(name);
      if (declared === undefined) throw wrong(`the product has no place for grouping ${name}`);
      if (declared.secret !== secret)
        throw wrong(`grouping ${name} is ${secret ? "secret" : "in clear"}, and the product says otherwise`);
      const fits = instructions.random.includes(id)
        ? value.length <= declared.bytes
        : value.length === declared.bytes;
      if (!secret && !fits)
        throw wrong(
          `grouping ${name} has ${String(value.length)} bytes, the product says ${String(declared.bytes)}`,
        );
      seen.add(name);
    }
  }
  for (const [name, { app }] of wanted)
    if (!seen.has(name)) throw wrong(`grouping ${name} of application ${app} is missing`);
  return wanted;
}

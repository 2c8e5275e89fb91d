/** The line file: which stations a line has, with what devices, and what its simulated stock is like. A carousel, a belt and a desk are files. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { unhex } from "@persoline/card/bytes";
import type { Fault } from "@persoline/card/virtual";
import { z } from "zod";
import { stripeFlawKinds, visualFlawKinds } from "../devices/flaw-kinds.js";
import { bins } from "../devices/transport/port.js";
import { DataProblem } from "../orders/problem.js";
import { type SecurityLevels, securitySchema } from "../orders/security.js";
import { type FileProblem, type ReadYaml, strictYaml } from "../orders/yaml.js";
import {
  deviceProblems,
  type EmbosserFile,
  embosserFile,
  type EncoderFile,
  encoderFile,
  type IndenterFile,
  indenterFile,
  withPaths,
} from "./line-devices.js";
import { type EngraverFile, engraverFile, engraverProblems, realEngraver } from "./line-engravers.js";
import {
  type CameraFile,
  pictureProblems,
  profileFile,
  type PrinterFile,
  realCamera,
  realPrinter,
} from "./line-pictures.js";
import { simulatedProblems } from "./line-simulated.js";
import { type MailingFile, mailingFile, mailingOf } from "./line-mailing.js";
import { type ReaderFile, readerProblems, realReader } from "./line-readers.js";
import { type Limits, usualLimits, type Work, workOrder } from "./station.js";

const name = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,31}$/, "a name has 1 to 32 small letters, digits and dashes");
const count = (max: number) => z.number().int().min(1).max(max);
const milliseconds = z.number().min(0).max(600_000);
const instruction = z
  .string()
  .regex(/^[0-9A-F]{2}$/, "an instruction byte has two hexadecimal digits, in quotes")
  .transform((text) => Number.parseInt(text, 16));
const page = z.number().int().min(0).max(511);

/** One planted fault of a chip, as people write it. */
export const faultSchema = z
  .discriminatedUnion("kind", [
    z.strictObject({ kind: z.enum(["dead", "rom-fault", "ram-fault", "wrong-loader-key"]) }),
    z.strictObject({ kind: z.literal("bad-seat"), times: count(100) }),
    z.strictObject({
      kind: z.literal("wrong-atr"),
      atr: z.string().regex(/^([0-9A-F]{2}){2,64}$/, "an ATR is written as pairs of hexadecimal digits"),
    }),
    z.strictObject({ kind: z.enum(["weak-page", "flips-back"]), page }),
    z.strictObject({ kind: z.enum(["mute-at", "dies-at"]), ins: instruction, nth: count(100_000) }),
    z.strictObject({ kind: z.literal("torn-at"), write: count(1_000_000) }),
    z.strictObject({ kind: z.literal("bad-mac"), nth: count(100_000) }),
    z.strictObject({ kind: z.literal("slow"), factor: z.number().min(1).max(1000) }),
    z.strictObject({
      kind: z.enum(["lying", "over-long", "endless-more", "endless-length", "waits-for-ever"]),
      ins: instruction,
    }),
    z.strictObject({
      kind: z.literal("stores-wrong"),
      grouping: z
        .string()
        .regex(/^[0-9A-F]{4}$/, "a data grouping has four hexadecimal digits, in quotes")
        .transform((text) => Number.parseInt(text, 16)),
      byte: z.number().int().min(0).max(1023),
    }),
    z.strictObject({
      kind: z.literal("says"),
      ins: instruction,
      answer: z
        .string()
        .regex(
          /^([0-9A-F]{2}){0,600}$/,
          "an answer is written as pairs of hexadecimal digits, up to 600 bytes",
        ),
    }),
    z.strictObject({ kind: z.literal("floods"), ins: instruction, bytes: count(1_000_000) }),
    z.strictObject({ kind: z.literal("weak-random"), how: z.enum(["constant", "counts", "repeats"]) }),
  ])
  .describe("What is wrong with the chip");

const planted = {
  blanks: z
    .union([count(1_000_000), z.strictObject({ number: count(1_000_000) })])
    .describe(
      "so many blanks, chosen by the seed, or the one with this number; the first three are blanks: 3, among: 3",
    ),
  among: count(1_000_000).optional().describe("Only among the first so many of the lot"),
};

const flaw = z
  .string()
  .regex(
    new RegExp(
      `^((print )?(${visualFlawKinds.join("|")})( (front|back)( [a-z][a-z0-9-]*)?)?|${stripeFlawKinds.join("|")})$`,
    ),
    `a flaw is ${visualFlawKinds.join(", ")}, then perhaps front or back, then perhaps a field, and before it print when the printer makes it; or ${stripeFlawKinds.join(", ")}`,
  );

const percent = z.number().min(0.1).max(100);
const spoils = z
  .union([
    percent.transform((share) => ({ percent: share })),
    z.strictObject({
      percent,
      kinds: z
        .array(z.enum([...visualFlawKinds, ...stripeFlawKinds]))
        .min(1)
        .optional(),
    }),
  ])
  .describe(
    "For trials: its simulated machines spoil so many percent of its cards, by the seed, each kind of flaw in turn; spoilt.jsonl on the shop floor tells which",
  );

const lot = z.strictObject({
  lot: z.string().regex(/^[A-Z0-9]{1,12}$/, "a lot has 1 to 12 capital letters and digits"),
  count: count(1_000_000),
  faults: z.array(z.strictObject({ ...planted, fault: faultSchema })).default([]),
  flaws: z
    .array(z.strictObject({ ...planted, flaw }))
    .default([])
    .describe("What goes wrong when such a body is engraved or its stripe is written"),
});

const device = z.literal("simulated").describe("Only simulated devices so far");

const station = z.strictObject({
  name,
  does: z
    .array(z.enum(workOrder as [Work, ...Work[]]))
    .min(1)
    .optional()
    .describe("What is done at each of its heads, in order; without it, what its name says"),
  heads: count(64).describe("Equal positions that work side by side"),
  queue: count(64).default(1).describe("Places before the heads; a full queue holds the station before it"),
  reader: z
    .union([device, realReader, z.array(realReader).min(1)])
    .describe("simulated, or the real reader of its head, or a list of them, one a head"),
  engraver: z.union([device, realEngraver]).optional().describe("simulated, or engravers that take files"),
  embosser: embosserFile.optional().describe("Raises characters"),
  indenter: indenterFile.optional().describe("Presses characters in"),
  encoder: encoderFile
    .optional()
    .describe("Writes the magnetic stripe, or at quality control reads it once more"),
  camera: z
    .union([device, realCamera, z.array(realCamera).min(1)])
    .optional()
    .describe("simulated, or the real camera of its head, or a list of them, one a head"),
  profile: profileFile.optional(),
  printer: z
    .union([device, realPrinter, z.array(realPrinter).min(1)])
    .optional()
    .describe("simulated, or the card printer of its head, or a list of them, one a head"),
  spoils: spoils.optional(),
});

const lineSchema = z.strictObject({
  line: name.describe("The line's name: cards in work are known by it"),
  mode: z
    .enum(["ideal", "timed", "virtual"])
    .describe(
      "ideal: no waiting; timed: cards and machines take their time; virtual: the same on a clock of its own, as fast as it goes",
    ),
  speed: z
    .number()
    .min(0.1)
    .max(1000)
    .optional()
    .describe("timed only: how many times as fast as a real machine"),
  seed: z.number().int().min(0).max(0xffffffff).default(1),
  transport: z.discriminatedUnion("kind", [
    z.strictObject({
      kind: z.literal("simulated-carousel"),
      moveMs: milliseconds.describe("Milliseconds of one move from place to place"),
      jams: z.array(count(1_000_000)).default([]).describe("Moves that get stuck, counted from 1"),
      bins: z
        .strictObject({ reject: count(1_000_000), hold: count(1_000_000), good: count(1_000_000) })
        .partial()
        .default({})
        .describe(
          "So many bodies fit into the reject bin, the hold bin and the output tray; no blank is fed unless each has room for all bodies in the machine",
        ),
    }),
    z.strictObject({
      kind: z.literal("operator").describe("A person at a desk, who is told which card to put where"),
      moveMs: milliseconds.default(4_000).describe("Milliseconds a person takes, for the planner"),
    }),
  ]),
  limits: z
    .strictObject({
      reseats: z.number().int().min(0).max(10),
      resumes: z.number().int().min(1).max(100),
      rejectsInARow: count(1000).describe("So many rejects of one work in a row stop the line (8)"),
      rejectsAtHead: count(1000).describe(
        "So many rejects in a row at one head, while others pass cards, stop that head alone (5)",
      ),
      cryptogramsInARow: count(100).describe(
        "So many cards in a row that do not know the key set halt the line (3)",
      ),
      jams: z.number().int().min(0).max(10),
      cardsPerRecord: count(100).describe(
        "A record is held, for two people to decide, when so many of its cards failed in a row (8)",
      ),
    })
    .partial()
    .default({}),
  contacts: z
    .enum(["t0", "t1"])
    .optional()
    .describe(
      "Readers and virtual cards speak T=0 or T=1 character by character; without it they exchange whole APDUs",
    ),
  stations: z.array(station).min(1),
  mailing: mailingFile.optional(),
  security: securitySchema.optional(),
  without: z
    .array(z.literal("visual"))
    .default([])
    .describe("Work that this line does not do: its cards stay unmarked"),
  stock: z
    .array(lot)
    .default([])
    .describe("Virtual blanks, received by themselves into an empty data folder"),
});

type LineYaml = z.output<typeof lineSchema>;

export interface StationFile
  extends Omit<
    LineYaml["stations"][number],
    "does" | "reader" | "engraver" | "camera" | "profile" | "printer"
  > {
  readonly does: readonly Work[];
  /** One a head. */
  readonly reader: "simulated" | readonly ReaderFile[];
  readonly engraver?: "simulated" | EngraverFile;
  readonly camera?: "simulated" | readonly CameraFile[];
  /** Quality profiles of its cameras, one a head. */
  readonly profile?: readonly string[];
  readonly printer?: "simulated" | readonly PrinterFile[];
}

export interface StockFile {
  readonly lot: string;
  readonly count: number;
  readonly faults: readonly {
    readonly blanks: number | { readonly number: number };
    readonly among?: number;
    readonly what: Fault;
  }[];
  readonly flaws: readonly {
    readonly blanks: number | { readonly number: number };
    readonly among?: number;
    readonly what: string;
  }[];
}

export interface LineFile {
  readonly line: string;
  readonly mode: LineYaml["mode"];
  readonly speed: number;
  readonly seed: number;
  readonly transport: LineYaml["transport"];
  readonly limits: Limits;
  readonly contacts?: "t0" | "t1";
  readonly stations: readonly StationFile[];
  /** Where its good cards are put into letters. */
  readonly mailing?: MailingFile;
  readonly security?: SecurityLevels;
  readonly without: readonly Work[];
  readonly stock: readonly StockFile[];
}

/** JSON Schema (draft 2020-12) of line files, for editors. */
export const lineJsonSchema = (): unknown => ({
  title: "Persoline line",
  ...z.toJSONSchema(lineSchema, { io: "input" }),
});

/** What the line is to make: live cards come from nothing that is simulated. Without it nothing is asked of the line. */
interface Wanted {
  readonly environment?: "test" | "live";
}

/** Reads a line file. Throws DataProblem with everything that is wrong with it. */
export async function readLine(file: string, wanted: Wanted = {}): Promise<LineFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: "the line file cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "check the path and the file's permissions" }]);
  }
  return parseLine(text, file, wanted);
}

/** `file` is only for messages. Throws DataProblem. */
export function parseLine(text: string, file: string, { environment }: Wanted = {}): LineFile {
  const read = strictYaml(lineSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { value } = read;
  const stations = value.stations.map(({ engraver, camera, profile, printer, ...one }) => ({
    ...one,
    ...(engraver === undefined
      ? {}
      : { engraver: engraverFile(engraver, (path) => resolve(dirname(file), path)) }),
    does: one.does ?? workNamed(one.name),
    reader: one.reader === "simulated" ? one.reader : [one.reader].flat(),
    ...(camera === undefined
      ? {}
      : {
          camera:
            camera === "simulated" ? camera : [camera].flat().map((one) => withPaths(one, dirname(file))),
        }),
    ...(profile === undefined ? {} : { profile: [profile].flat().map((one) => resolve(dirname(file), one)) }),
    ...(printer === undefined
      ? {}
      : {
          printer:
            printer === "simulated" ? printer : [printer].flat().map((one) => withPaths(one, dirname(file))),
        }),
    ...devicesOf(one, dirname(file)),
  }));
  const problems = [
    ...sequenceProblems(read, stations),
    ...readerProblems(read, stations),
    ...deviceProblems(read, stations),
    ...pictureProblems(read, stations),
    ...engraverProblems(read, stations),
    ...binProblems(read),
    ...stockProblems(read),
    ...(environment === "live" ? simulatedProblems(read, { transport: value.transport, stations }) : []),
  ];
  if (problems.length > 0) throw new DataProblem(problems);
  return {
    line: value.line,
    mode: value.mode,
    speed: value.speed ?? 1,
    seed: value.seed,
    transport: value.transport,
    limits: { ...usualLimits, ...definedOf(value.limits) },
    ...(value.contacts === undefined ? {} : { contacts: value.contacts }),
    stations,
    ...(value.mailing === undefined ? {} : { mailing: mailingOf(value.mailing, dirname(file)) }),
    ...(value.security === undefined ? {} : { security: value.security }),
    without: value.without,
    stock: value.stock.map(({ faults, flaws, ...rest }) => ({
      ...rest,
      faults: faults.map(({ fault: what, ...where }) => ({ ...placesOf(where), what: faultOf(what) })),
      flaws: flaws.map(({ flaw: what, ...where }) => ({ ...placesOf(where), what })),
    })),
  };
}

/** As written, with the files they name made absolute. */
const devicesOf = (
  { embosser, indenter, encoder }: LineYaml["stations"][number],
  folder: string,
): {
  readonly embosser?: EmbosserFile;
  readonly indenter?: IndenterFile;
  readonly encoder?: EncoderFile;
} => ({
  ...(embosser === undefined ? {} : { embosser: withPaths(embosser, folder) }),
  ...(indenter === undefined ? {} : { indenter: withPaths(indenter, folder) }),
  ...(encoder === undefined ? {} : { encoder: withPaths(encoder, folder) }),
});

const workNamed = (station: string): Work[] => workOrder.filter((work) => work === station);

const definedOf = (limits: LineYaml["limits"]): Partial<Limits> =>
  Object.fromEntries(Object.entries(limits).filter(([, value]) => value !== undefined));

const placesOf = ({
  blanks,
  among,
}: {
  blanks: number | { number: number };
  among?: number | undefined;
}) => ({
  blanks,
  ...(among === undefined ? {} : { among }),
});

export function faultOf(read: z.output<typeof faultSchema>): Fault {
  if (read.kind === "wrong-atr") return { kind: read.kind, atr: unhex(read.atr) };
  return read.kind === "says" ? { ...read, answer: unhex(read.answer) } : read;
}

/** Everything a card needs is done once, in order, by heads that have the devices for it. */
function sequenceProblems(read: ReadYaml<LineYaml>, stations: readonly StationFile[]): FileProblem[] {
  const { value } = read;
  const problems: FileProblem[] = [];
  const say = (path: (string | number)[], code: string, message: string, remedy: string): void => {
    problems.push(read.problem(path, code, message, remedy));
  };
  // A line that only embosses needs no camera, and its report says that nobody saw the characters; what is engraved or printed is looked at.
  const pictures = stations.some(({ engraver, printer }) => engraver !== undefined || printer !== undefined);
  for (const [at, station] of stations.entries()) {
    const {
      name: own,
      does,
      engraver,
      embosser,
      printer,
      indenter,
      encoder,
      camera,
      spoils: spoiling,
    } = station;
    const path = ["stations", at];
    if (stations.findIndex((other) => other.name === own) !== at) {
      say(
        [...path, "name"],
        "twice",
        `the name ${own} is there twice`,
        "give each station a name of its own",
      );
    }
    if (does.length === 0) {
      say(
        [...path, "name"],
        "no-work",
        `nobody knows what ${own} does`,
        `say it: does: [${workOrder.join(", ")}]`,
      );
    }
    if (
      does.includes("visual") &&
      engraver === undefined &&
      embosser === undefined &&
      printer === undefined
    ) {
      const remedy = "add engraver: simulated, name one that takes files, or add a printer";
      say(path, "no-engraver", `${own} marks cards, but has no engraver`, remedy);
    }
    const machines = { engraver, embosser, printer, indenter, encoder };
    if (
      spoiling !== undefined &&
      (!does.includes("visual") || !Object.values(machines).includes("simulated"))
    ) {
      const remedy = "take spoils away, or give it to a station whose machines are simulated";
      say(
        [...path, "spoils"],
        "nothing-to-spoil",
        `${own} has no simulated machine that marks cards`,
        remedy,
      );
    }
    if (does.includes("quality") && camera === undefined && pictures) {
      say(path, "no-camera", `${own} judges cards, but has no camera`, "add camera: simulated");
    }
  }
  const done = stations.flatMap(({ does }) => does);
  const needed = workOrder.filter((work) => !value.without.some((without) => without === work));
  if (done.join() !== needed.join()) {
    const remedy = `a card goes through ${needed.join(", ")}, each once and in this order`;
    say(["stations"], "wrong-sequence", `these stations do ${done.join(", ") || "nothing"}`, remedy);
  }
  if (value.speed !== undefined && value.mode !== "timed") {
    say(["speed"], "no-speed", `a line in mode ${value.mode} has no speed`, "remove it, or set mode: timed");
  }
  return problems;
}

/** With a bin smaller than the machine the machine would never be full. */
function binProblems(read: ReadYaml<LineYaml>): FileProblem[] {
  const { stations, transport } = read.value;
  // At a desk a person sees when a bin is full.
  if (transport.kind === "operator") return [];
  const places = stations.reduce(
    (sum, { heads, queue, embosser }, at) => sum + heads + (at === 0 ? 0 : queue) + inTraysOf(embosser),
    0,
  );
  return bins
    .filter((bin) => (transport.bins[bin] ?? Number.POSITIVE_INFINITY) <= places)
    .map((bin) =>
      read.problem(
        ["transport", "bins", bin],
        "bin-too-small",
        `this machine holds ${String(places)} bodies, and each of them may end in this bin`,
        `make room for more than ${String(places)}, or leave it out if it never fills`,
      ),
    );
}

/** Whether cards leave this line by the tray, for an embosser in another room. */
export const sendsTrays = ({ stations }: Pick<LineFile, "stations">): boolean =>
  stations.some(({ embosser }) => inTraysOf(embosser) > 0);

/** Cards that may lie in a station's trays. */
const inTraysOf = (embosser: EmbosserFile | undefined): number =>
  typeof embosser === "object" && "remote" in embosser && embosser.cards > 1
    ? embosser.cards * embosser.trays
    : 0;

function stockProblems(read: ReadYaml<LineYaml>): FileProblem[] {
  const { stock } = read.value;
  return stock.flatMap(({ lot: own, count: of, faults, flaws }, at) => {
    const twice = stock.findIndex((other) => other.lot === own) !== at;
    const asked = [...faults, ...flaws].reduce(
      (sum, { blanks }) => sum + (typeof blanks === "number" ? blanks : 1),
      0,
    );
    return [
      ...(twice
        ? [
            read.problem(
              ["stock", at, "lot"],
              "twice",
              `lot ${own} is there twice`,
              "give each lot a name of its own",
            ),
          ]
        : []),
      ...(asked > of
        ? [
            read.problem(
              ["stock", at, "count"],
              "too-many-faults",
              `${String(asked)} faults are planted in ${String(of)} blanks`,
              "a blank gets one at most: plant fewer",
            ),
          ]
        : []),
    ];
  });
}

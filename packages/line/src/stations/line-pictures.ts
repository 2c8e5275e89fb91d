/** The real cameras and printers of a line file: how they are named, and what cannot be. */
import { z } from "zod";
import type { FileProblem, ReadYaml } from "../orders/yaml.js";

const seconds = z.number().min(0.1).max(600);
const address = z
  .string()
  .regex(/^[^\s/@]+:\d{1,5}$/, "an address is written HOST:PORT")
  .describe("HOST:PORT of cupsd; this computer's without it");

const cameraWait = {
  seconds: seconds.optional().describe("From the card to its picture, at most; usually 5"),
};

/** Which camera looks at a head. */
export const realCamera = z.union([
  z.strictObject({
    folder: z
      .string()
      .min(1)
      .describe(
        "Folder into which the capturing program puts one file for each card and side; its clock is this computer's",
      ),
    ask: z
      .string()
      .min(1)
      .optional()
      .describe(
        'File that tells it to expose: "NUMBER SIDE"; the picture is then called NUMBER-SIDE.jpg. Without it the next new file counts',
      ),
    ...cameraWait,
  }),
  z.strictObject({
    http: z
      .string()
      .regex(
        /^https?:\/\/[^\s@]+$/,
        "the address of a snapshot is an http or https URL without user and password",
      )
      .describe("Address that answers with a JPEG or PNG"),
    discard: z
      .number()
      .int()
      .min(0)
      .max(10)
      .optional()
      .describe(
        "Pictures thrown away after the card came; usually 1, 0 only for a camera that exposes when it is asked",
      ),
    ...cameraWait,
  }),
  z.strictObject({
    v4l2: z
      .string()
      .startsWith("/dev/")
      .describe('Video4Linux device ("persoline doctor"), best by /dev/v4l/by-id; read by ffmpeg'),
    width: z.number().int().min(160).max(10_000),
    height: z.number().int().min(120).max(10_000),
    format: z
      .string()
      .regex(/^[a-z0-9_]{1,16}$/, "a format is written as ffmpeg names it, such as mjpeg or yuyv422")
      .optional(),
    framesASecond: z.number().int().min(1).max(240).optional(),
    exposureMs: z
      .number()
      .min(0)
      .max(5_000)
      .optional()
      .describe("Time of exposure: frames that may have begun before the card came are let go"),
    ...cameraWait,
  }),
]);
export type CameraFile = z.output<typeof realCamera>;

const path = z.string().min(1);

/** Which quality profiles a station's cameras are judged by. */
export const profileFile = z
  .union([path, z.array(path).min(1)])
  .describe(
    'Quality profile of its camera ("persoline quality learn"), or a list of them, one a head; without it the built-in limits of the simulated camera',
  );

const printed = {
  dpi: z.union([z.literal(300), z.literal(600)]).default(300),
  bleed: z
    .number()
    .min(0)
    .max(5)
    .default(0)
    .describe("Millimetres printed beyond each edge, where the printer takes them"),
  margin: z
    .number()
    .min(0)
    .max(10)
    .optional()
    .describe("Millimetres at each edge that its head leaves white; 0 when not said"),
  ribbon: z.boolean().default(true).describe("Its ribbon keeps the images, which the record then says"),
};

/** Which printer stands at a head. */
export const realPrinter = z.union([
  z.strictObject({
    cups: z
      .string()
      .regex(/^[^\s/#]{1,127}$/, "a queue is called as lpstat -e shows it")
      .describe('CUPS queue ("persoline doctor"), with printer-error-policy=abort-job'),
    server: address.optional(),
    media: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe("The driver's name for a card: lpoptions -p QUEUE -l"),
    confirmedBy: z
      .enum(["camera", "machine"])
      .default("camera")
      .describe("machine: only where the driver counts the cards that came out"),
    seconds: seconds.optional().describe("From sending a card to the end of its job, at most; usually 180"),
    ...printed,
  }),
  z.strictObject({
    folder: z
      .string()
      .min(1)
      .describe("Folder into which each card is put as a file, for a printer with software of its own"),
    format: z.enum(["pdf", "png"]).default("pdf"),
    ...printed,
  }),
]);
export type PrinterFile = z.output<typeof realPrinter>;

/** Dots an inch and bleed of the simulated printer. */
export const simulatedPrinting = { dpi: 300, bleed: 0 } as const;

interface StationOfDevices {
  readonly name: string;
  readonly heads: number;
  readonly does: readonly string[];
  readonly camera?: "simulated" | readonly CameraFile[] | undefined;
  readonly profile?: readonly string[] | undefined;
  readonly printer?: "simulated" | readonly PrinterFile[] | undefined;
}

const cameraKey = (camera: CameraFile): string =>
  "folder" in camera ? camera.folder : "http" in camera ? camera.http : camera.v4l2;
const printerKey = (printer: PrinterFile): string =>
  "cups" in printer ? `${printer.server ?? ""} ${printer.cups}` : printer.folder;

export function pictureProblems(
  read: ReadYaml<{ readonly mode: string }>,
  stations: readonly StationOfDevices[],
): FileProblem[] {
  const problems: FileProblem[] = [];
  const say = (path: (string | number)[], code: string, message: string, remedy: string): void => {
    problems.push(read.problem(path, code, message, remedy));
  };
  const used = new Set<string>();
  const printers: Pick<PrinterFile, "dpi" | "bleed">[] = [];
  const each = (
    path: (string | number)[],
    { name, heads }: StationOfDevices,
    what: "camera" | "printer",
    keys: readonly string[],
  ): void => {
    if (keys.length !== heads)
      say(
        path,
        `heads-and-${what}s`,
        `${name} has ${String(heads)} heads and ${String(keys.length)} ${what}s`,
        `name one ${what} for each head`,
      );
    if (read.value.mode === "virtual")
      say(
        ["mode"],
        "real-on-virtual-time",
        `${name} has real ${what}s, which know no virtual time`,
        "set mode: timed, or ideal",
      );
    for (const key of keys) {
      if (used.has(`${what} ${key}`))
        say(
          path,
          `${what}-twice`,
          `one ${what} stands at two heads`,
          `give each head a ${what} of its own: a picture or print of another head's card is none of its own`,
        );
      used.add(`${what} ${key}`);
    }
  };
  for (const [at, station] of stations.entries()) {
    const { name, heads, does, camera, profile, printer } = station;
    if (profile !== undefined && (camera === undefined || profile.length !== heads))
      say(
        ["stations", at, "profile"],
        "heads-and-profiles",
        `${name} has ${camera === undefined ? "no camera" : `${String(heads)} heads`} and ${String(profile.length)} quality profiles`,
        "name one profile for each head's camera: no two see alike",
      );
    if (camera !== undefined && camera !== "simulated")
      each(["stations", at, "camera"], station, "camera", camera.map(cameraKey));
    if (printer === undefined) continue;
    const path = ["stations", at, "printer"];
    if (printer !== "simulated") each(path, station, "printer", printer.map(printerKey));
    printers.push(...(printer === "simulated" ? [simulatedPrinting] : printer));
    if (!does.includes("visual"))
      say(
        path,
        "no-print",
        `${name} has a printer, but marks no cards`,
        "let it do visual, or remove its printer",
      );
  }
  const [first] = printers;
  if (printers.some(({ dpi, bleed }) => dpi !== first?.dpi || bleed !== first.bleed))
    say(
      ["stations"],
      "printers-differ",
      "the printers of this line differ in dpi or bleed: a card may come to any of them",
      "give all of them the same",
    );
  return problems;
}

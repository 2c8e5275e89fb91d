/** Embossers, indent printers and stripe encoders of a line file: simulated, at a wire, behind a program, or in another room. */
import { resolve } from "node:path";
import { z } from "zod";
import { escapeTemplate, folderTemplate } from "../devices/escape-template.js";
import type { FileProblem, ReadYaml } from "../orders/yaml.js";

const seconds = z.number().min(1).max(600);
const recordsText = "Escape-style records and answers, as the machine's manual gives them";
const certificates = {
  ca: z.string().min(1).describe("Certificate of the house's authority, PEM"),
  cert: z.string().min(1).describe("Own certificate under it, PEM"),
  key: z.string().min(1).describe("Its private key, PEM"),
  crl: z
    .string()
    .min(1)
    .optional()
    .describe("The authority's revocation list, PEM; read again whenever it has changed"),
};

/** A machine that takes records, at its wire. */
const wired = [
  z.strictObject({
    serial: z.string().startsWith("/dev/").describe("Its serial port; /dev/serial/by-id/… stays the same"),
    baud: z
      .union([
        z.literal(2400),
        z.literal(4800),
        z.literal(9600),
        z.literal(19200),
        z.literal(38400),
        z.literal(57600),
        z.literal(115200),
      ])
      .default(9600),
    flow: z.enum(["none", "rts-cts", "xon-xoff"]).default("none"),
    records: escapeTemplate.describe(recordsText),
    cardSeconds: seconds.default(60).describe("So long a card may take; then it is unknown"),
  }),
  z.strictObject({
    folder: z.string().min(1).describe("Cards are put here as files, for a program that answers beside them"),
    records: folderTemplate.describe(recordsText),
    cardSeconds: seconds.default(60).describe("So long a card may take; then it is unknown"),
  }),
] as const;

const simulated = z.literal("simulated");

export const embosserFile = z.union([
  simulated,
  ...wired,
  z.strictObject({
    remote: z
      .string()
      .regex(/^[^:\s]+:[0-9]{1,5}$/, "HOST:PORT")
      .describe('HOST:PORT of "persoline station emboss" in another room'),
    station: z.string().min(1).max(64).describe("The name in its certificate"),
    ...certificates,
    cards: z
      .number()
      .int()
      .min(1)
      .max(500)
      .default(50)
      .describe("Cards in a full tray (50); the last one is shorter. 1: each card goes there from its head"),
    trays: z.number().int().min(1).max(16).default(2).describe("Trays, at the line or away (2)"),
    cardSeconds: seconds
      .default(120)
      .describe(
        "So long no card of a tray may be struck, or the station be out of reach; then the tray is taken back",
      ),
  }),
]);
export const indenterFile = z.union([simulated, ...wired]);
export const encoderFile = z.union([
  simulated,
  z.strictObject({
    command: z
      .array(z.string().min(1).max(400))
      .min(1)
      .max(32)
      .describe("A program that writes and reads stripes, and its arguments"),
    answerSeconds: seconds.default(20),
  }),
  z.strictObject({
    folder: z
      .string()
      .min(1)
      .describe("Questions are put here as files, for a program that answers beside them"),
    answerSeconds: seconds.default(20),
  }),
]);
export type EmbosserFile = z.output<typeof embosserFile>;
export type IndenterFile = z.output<typeof indenterFile>;
export type EncoderFile = z.output<typeof encoderFile>;

/** A remote station's own file (`persoline station emboss`). */
export const embossStationSchema = z.strictObject({
  station: z.string().min(1).max(64).describe("Its name, as its certificate has it"),
  line: z.string().min(1).max(64).describe("The name in the certificate of the only line it hears"),
  ...certificates,
  reader: z
    .union([
      z.strictObject({
        shopFloor: z
          .string()
          .min(1)
          .describe("Data folder of a simulated line, whose bodies lie before this machine"),
        station: z.string().min(1).describe("The visual station at whose heads they lie"),
      }),
      z.strictObject({
        pcsc: z.string().min(1).describe('Reader before the wheels, as PC/SC shows it ("persoline doctor")'),
        serial: z.string().min(1).optional(),
      }),
    ])
    .describe("How the chip is read again before a card is struck"),
  embosser: z.union([simulated, ...wired]).optional(),
  indenter: indenterFile.optional(),
  rejectsInARow: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .describe(
      "So many rejects in a row, and no further card is begun until the station is started again (3)",
    ),
});
export type EmbossStationFile = z.output<typeof embossStationSchema>;

/** Files named in a device stand relative to the file that names them. */
export function withPaths<D extends "simulated" | object>(device: D, folder: string): D {
  if (device === "simulated") return device;
  const entries: readonly [string, unknown][] = Object.entries(device);
  const paths = entries.map(([key, value]): [string, unknown] => [
    key,
    ["folder", "ask", "ca", "cert", "key", "crl"].includes(key) && typeof value === "string"
      ? resolve(folder, value)
      : value,
  ]);
  return Object.fromEntries(paths) as D;
}

interface StationOfDevices {
  readonly name: string;
  readonly heads: number;
  readonly embosser?: EmbosserFile | undefined;
  readonly indenter?: IndenterFile | undefined;
  readonly encoder?: EncoderFile | undefined;
}

/** One machine stands at one head, and real machines know no virtual time. */
export function deviceProblems(
  read: ReadYaml<{ readonly mode: string; readonly transport: { readonly kind: string } }>,
  stations: readonly StationOfDevices[],
): FileProblem[] {
  return stations.flatMap((station, at) =>
    (["embosser", "indenter", "encoder"] as const).flatMap((what) => {
      const device = station[what];
      if (device === undefined || device === "simulated") return [];
      const path = ["stations", at, what];
      return [
        ...(read.value.mode === "virtual"
          ? [
              read.problem(
                path,
                "real-on-virtual-time",
                `${station.name} has a real ${what}, which knows no virtual time`,
                "set mode: timed, or ideal",
              ),
            ]
          : []),
        ...("remote" in device && device.cards > 1 && read.value.transport.kind === "operator"
          ? [
              read.problem(
                [...path, "cards"],
                "trays-at-a-desk",
                `${station.name} sends its cards to another room by the tray, and a desk has no trays`,
                "set cards: 1, so that each card goes there by itself",
              ),
            ]
          : []),
        ...(station.heads > 1 && !("remote" in device)
          ? [
              read.problem(
                path,
                "one-machine-many-heads",
                `${station.name} has ${String(station.heads)} heads and one ${what}`,
                "give the station one head, or each machine a station of its own",
              ),
            ]
          : []),
      ];
    }),
  );
}

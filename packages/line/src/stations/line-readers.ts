/** The real readers of a line file: how they are named, and what cannot be. */
import { z } from "zod";
import type { FileProblem, ReadYaml } from "../orders/yaml.js";

const seconds = z.number().min(1).max(3600);
const protocol = z.enum(["T=0", "T=1"]);
/** Which reader stands at a head. */
export const realReader = z.union([
  z.strictObject({
    pcsc: z
      .string()
      .min(1)
      .describe('Model as PC/SC shows it ("persoline doctor"), without the numbers at its end'),
    serial: z.string().min(1).optional().describe("Its serial number: in brackets in its PC/SC name"),
    slot: z
      .number()
      .int()
      .min(0)
      .max(255)
      .optional()
      .describe("Contact unit: the last number of its PC/SC name"),
    usb: z
      .string()
      .regex(
        /^(\d+-|[0-9A-Za-z:._-]+\/)\d+(\.\d+)*$/,
        'a USB port is written 1-2.3, or with its controller 0000:00:14.0/2.3, as "persoline doctor" shows it',
      )
      .optional()
      .describe('The USB port it is plugged into ("persoline doctor"): for readers without serial number'),
    protocol: protocol.optional().describe("Only this one; without it T=1 where the card offers it"),
    answerSeconds: seconds.optional().describe("So long a card may think about one APDU; usually 20"),
    presents: z
      .string()
      .optional()
      .describe("HOST:PORT of a vpcd slot into which the virtual card at this head is put"),
  }),
  z.strictObject({
    vpcd: z.number().int().min(1).max(65_535).describe("The line listens at this port, as vpcd does"),
    host: z.string().min(1).optional().describe("Where to listen; usually the loopback address only"),
    answerSeconds: seconds.optional().describe("So long a card may think about one APDU; usually 20"),
    presents: z
      .string()
      .optional()
      .describe("HOST:PORT of a vpcd slot into which the virtual card at this head is put"),
  }),
]);
export type ReaderFile = z.output<typeof realReader>;

/** What of a line file decides whether its readers can be. */
interface LineOfReaders {
  readonly transport: { readonly kind: string };
  readonly mode: string;
  readonly stock: readonly unknown[];
}

interface StationOfReaders {
  readonly name: string;
  readonly heads: number;
  readonly reader: "simulated" | readonly ReaderFile[];
}

/** pcscd drives no more (PCSCLITE_MAX_READERS_CONTEXTS). */
const mostPcscReaders = 16;

export function readerProblems(
  read: ReadYaml<LineOfReaders>,
  stations: readonly StationOfReaders[],
): FileProblem[] {
  const { transport, mode, stock } = read.value;
  const problems: FileProblem[] = [];
  const say = (path: (string | number)[], code: string, message: string, remedy: string): void => {
    problems.push(read.problem(path, code, message, remedy));
  };
  const operator = transport.kind === "operator";
  const bound = new Map<string, number>();
  let pcsc = 0;
  for (const [at, { reader, heads, name: own }] of stations.entries()) {
    const path = ["stations", at, "reader"];
    if (reader === "simulated") {
      if (operator) {
        say(
          path,
          "no-real-reader",
          `a person puts cards into ${own}, whose reader is simulated`,
          "name its PC/SC reader: reader: { pcsc: NAME }",
        );
      }
      continue;
    }
    if (reader.length !== heads) {
      say(
        path,
        "heads-and-readers",
        `${own} has ${String(heads)} heads and ${String(reader.length)} readers`,
        "name one reader for each head",
      );
    }
    if (mode === "virtual") {
      say(
        ["mode"],
        "real-on-virtual-time",
        `${own} has real readers, which know no virtual time`,
        "set mode: timed, or ideal",
      );
    }
    for (const one of reader) {
      if ("pcsc" in one) pcsc++;
      const key =
        "pcsc" in one ? JSON.stringify([one.pcsc, one.serial, one.slot, one.usb]) : String(one.vpcd);
      bound.set(key, (bound.get(key) ?? 0) + 1);
      if (operator === (one.presents !== undefined)) {
        if (operator)
          say(
            path,
            "presents",
            "a person puts real cards into this reader: nothing is presented",
            "remove presents",
          );
        else
          say(
            path,
            "presents",
            "the bodies of a simulated carousel are virtual cards, which no real reader sees",
            "say with presents: HOST:PORT in which vpcd slot they lie, or use transport: { kind: operator }",
          );
      }
    }
  }
  if ([...bound.values()].some((times) => times > 1)) {
    say(
      ["stations"],
      "reader-twice",
      "one reader stands at two heads",
      "give each head a reader of its own: serial, slot or usb tell them apart",
    );
  }
  if (pcsc > mostPcscReaders) {
    say(
      ["stations"],
      "too-many-readers",
      `pcscd drives ${String(mostPcscReaders)} readers and no more, and this line has ${String(pcsc)}`,
      "use several computers, or readers with vpcd: PORT",
    );
  }
  if (operator && (stations.length !== 1 || stations[0]?.heads !== 1)) {
    say(
      ["stations"],
      "one-reader",
      "a desk has one station with one head",
      "let it do everything: does: [...]",
    );
  }
  if (operator && stock.length > 0) {
    say(
      ["stock"],
      "real-blanks",
      "a desk has real blanks",
      'remove stock: they are received by "persoline stock receive"',
    );
  }
  return problems;
}

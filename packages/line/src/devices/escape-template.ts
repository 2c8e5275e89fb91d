/** Escape-style records of desktop embossers, as declared in the line file: a template for each machine, no machine's name in the code. */
import { z } from "zod";

const controls: Readonly<Record<string, number>> = {
  NUL: 0x00,
  SOH: 0x01,
  STX: 0x02,
  ETX: 0x03,
  EOT: 0x04,
  ENQ: 0x05,
  ACK: 0x06,
  BEL: 0x07,
  LF: 0x0a,
  FF: 0x0c,
  CR: 0x0d,
  XON: 0x11,
  XOFF: 0x13,
  NAK: 0x15,
  CAN: 0x18,
  ESC: 0x1b,
  FS: 0x1c,
  GS: 0x1d,
  RS: 0x1e,
  US: 0x1f,
};
const written = /<([0-9A-F]{2}|[A-Z]+)>/g;
/** Fields of a line, perhaps with so many digits. */
export const recordFields = /\{(x|y|wheel|text)(?::([1-9]))?\}/g;

/** Text with control characters between < and >, by name or as two hexadecimal digits. */
const template = (allowed: readonly string[]) =>
  z
    .string()
    .max(200)
    .superRefine((text, context) => {
      for (const [whole, name = ""] of text.matchAll(written))
        if (!(name in controls) && !/^[0-9A-F]{2}$/.test(name))
          context.addIssue({ code: "custom", message: `there is no control character ${whole}` });
      const rest = text.replaceAll(written, "").replaceAll(recordFields, "");
      if (/[^ -~]|[<>{}]/.test(rest))
        context.addIssue({
          code: "custom",
          message: "control characters are written <ESC> or <1B>, fields {x:4}",
        });
      for (const [whole, field = ""] of text.matchAll(recordFields))
        if (!allowed.includes(field))
          context.addIssue({ code: "custom", message: `${whole} has no place here` });
    });

const answer = template([]).refine((text) => text !== "", "an empty answer would be no answer");

const fields = {
  begin: template([]).default("").describe("What begins a card"),
  line: template(["x", "y", "wheel", "text"])
    .refine((text) => text.includes("{text}"), "a line's record holds {text}")
    .describe("What strikes a line: {wheel}, {x:4} and {y:4} (mils, with so many digits), {text}"),
  end: template([]).default("").describe("What ends a card: the machine strikes it then"),
  wheels: z
    .strictObject({ "7B": z.string().max(4), "4B": z.string().max(4), rear: z.string().max(4) })
    .partial()
    .describe("How the machine calls each wheel it has"),
  done: answer.describe("Its answer once a card is struck and out"),
  failed: z.array(answer).default([]).describe("Its answers when a card is not as it should be"),
};

/** Of machines behind a program that watches a folder: there answers bear their card's number, and nothing is asked. */
export const folderTemplate = z.strictObject(fields);

/** Of machines at a port, where an answer does not say whose it is. */
export const escapeTemplate = z
  .strictObject({
    ...fields,
    status: answer
      .optional()
      .describe("Asks whether it holds no card; sent before each card, and after one without an answer"),
    idle: answer
      .optional()
      .describe(
        "Its whole answer to status when it holds none and owes no answer; it says so at no other time",
      ),
  })
  .superRefine(({ status, idle, done, failed }, context) => {
    const wrong = (message: string): void => context.addIssue({ code: "custom", path: ["idle"], message });
    if ((status === undefined) !== (idle === undefined))
      wrong("status and idle go together: a question, and its answer");
    if (idle === undefined) return;
    const said = bytesText(idle);
    if ([done, ...failed].map(bytesText).some((other) => other.includes(said) || said.includes(other)))
      wrong("idle must not be taken for done or failed, nor they for it");
  });
export type EscapeTemplate = z.output<typeof escapeTemplate>;

/** One character a byte. */
function bytesText(text: string): string {
  return text.replaceAll(written, (_, name: string) =>
    String.fromCharCode(controls[name] ?? Number.parseInt(name, 16)),
  );
}

/** Bytes of a template without fields. */
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(bytesText(text), "latin1"));

/** A desktop embosser as a driver meets it: it reads escape-style records by rules of its own, and strikes a body of the shop floor. */
import { DeviceFault } from "../../problem.js";
import { simulatedEmbosser, type SimulatedMarkerOptions } from "../simulated.js";
import { type EscapeTemplate, escapeTemplate } from "../../escape-template.js";

export const machineForm: EscapeTemplate = escapeTemplate.parse({
  begin: "<STX><ESC>C",
  line: "<ESC>F{wheel}<ESC>H{x:4}<ESC>V{y:4}{text}<CR>",
  end: "<ESC>E<ETX>",
  wheels: { "7B": "1", "4B": "2" },
  done: "<ESC>K",
  failed: ["<NAK>", "<ESC>R"],
});

/** Control characters as signs that no wheel carries. */
const seen: Readonly<Record<number, string>> = { 0x02: "{", 0x03: "}", 0x0d: "^", 0x1b: "!" };

const mm = (mils: string): number => (Number(mils) / 1000) * 25.4;

/** Strikes what the bytes say; answers as the machine does. */
export function embossingMachine(options: SimulatedMarkerOptions): (bytes: Uint8Array) => Promise<Buffer> {
  const embosser = simulatedEmbosser(options);
  return async (bytes) => {
    const text = Array.from(bytes, (byte) =>
      byte < 0x20 ? (seen[byte] ?? "?") : String.fromCharCode(byte),
    ).join("");
    const card = /^\{!C((?:!F[12]!H\d{4}!V\d{4}[^{}!?^]+\^)+)!E\}$/.exec(text);
    if (card?.[1] === undefined) return Buffer.from([0x15]);
    const lines = [...card[1].matchAll(/!F([12])!H(\d{4})!V(\d{4})([^^]+)\^/g)].map(
      ([, wheel, x = "", y = "", line = ""]) => ({
        text: line,
        font: wheel === "1" ? ("7B" as const) : ("4B" as const),
        x: mm(x),
        yFromBottom: mm(y),
        pitch: wheel === "1" ? 25.4 / 7 : 2.54,
      }),
    );
    try {
      await embosser.mark({ kind: "emboss", side: "front", lines });
    } catch (thrown) {
      if (thrown instanceof DeviceFault) return Buffer.from([0x1b, 0x52]);
      throw thrown;
    }
    return Buffer.from([0x06, 0x1b, 0x4b]);
  };
}

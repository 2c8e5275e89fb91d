import type { InstructionCases } from "./engine.js";

const secure = 0x04;
/**
 * In plain: no data field, and an answer whose length Le says. READ BINARY, READ RECORD, GET DATA, GET CHALLENGE, ROM CHECKSUM of the
 * loader.
 */
const reads: ReadonlySet<number> = new Set([0xb0, 0xb2, 0xca, 0x84, 0x14]);
/**
 * In plain: a data field and an answer. EEPROM CHECKSUM, INITIALIZE, INTERNAL AUTHENTICATE, PROVE FILE; the odd READ BINARY, READ RECORD,
 * GET DATA; SEARCH RECORD; GET STATUS, and what of content management answers (INSTALL, LOAD, DELETE, PUT KEY).
 */
const answers: ReadonlySet<number> = new Set([
  0x16, 0x50, 0x88, 0x5c, 0xb1, 0xb3, 0xcb, 0xa2, 0xf2, 0xe6, 0xe8, 0xe4, 0xd8,
]);
const select = 0xa4;
const authenticate = 0x82;

/**
 * What the T=0 side of our own chip knows of its instructions (docs/card-os.md 2 and 4): T=0 does not tell Lc from Le, nor that there is
 * an Le at all behind data (ISO/IEC 7816-3, 10.3.2). `loader`: the ROM loader answers its secured commands with a status word alone. The
 * system in the mask does as GlobalPlatform has it. A read that secure messaging gave a data field still needs its Le.
 */
export const ownInstructions =
  (phase: "loader" | "os"): InstructionCases =>
  (header) => {
    const [cla = 0, ins = 0, , p2 = 0, p3 = 0] = header;
    // GP's EXTERNAL AUTHENTICATE answers nothing; the other one may be MUTUAL AUTHENTICATE, by its 32 bytes.
    if (ins === authenticate) return { data: true, answers: (cla & 0x80) === 0 && p3 === 32 };
    if ((cla & secure) !== 0)
      return { data: true, answers: phase === "os", awaitsLe: phase === "os" && reads.has(ins) };
    if (reads.has(ins)) return { data: false, answers: true };
    if (ins === select) return { data: true, answers: (p2 & 0x0c) !== 0x0c };
    return { data: true, answers: answers.has(ins) };
  };

/** Pre-issuing data of our chips: "PSL", then R for the loader, O or G for the systems behind it (docs/card-os.md 1, docs/gp-card.md). */
const maker = [0x66, 0x50, 0x53, 0x4c];
const loader = 0x52;

/** The same by what the chip's own answer to reset says it runs; undefined for another maker's. */
export function instructionsBy(atr: Uint8Array): InstructionCases | undefined {
  const at = atr.findIndex((_, from) => maker.every((byte, place) => atr[from + place] === byte));
  return at < 0 ? undefined : ownInstructions(atr[at + maker.length] === loader ? "loader" : "os");
}

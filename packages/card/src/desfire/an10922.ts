/** Key diversification of NXP AN10922: a CMAC over a constant and up to 31 bytes of input, always padded to two blocks. */
import { CardProblem, concat, xor } from "../bytes/index.js";
import type { BlockCipher, Crypto } from "../crypto/index.js";

export type An10922Kind = "AES-128" | "AES-192" | "AES-256" | "2TDEA" | "3TDEA";

interface Recipe {
  readonly master: number;
  readonly cipher: "aes" | "des3";
  readonly constants: readonly number[];
}

/** Diversification constants (AN10922, 2.2 to 2.6). */
const recipes: Readonly<Record<An10922Kind, Recipe>> = {
  "AES-128": { master: 16, cipher: "aes", constants: [0x01] },
  "AES-192": { master: 24, cipher: "aes", constants: [0x11, 0x12] },
  "AES-256": { master: 32, cipher: "aes", constants: [0x41, 0x42] },
  "2TDEA": { master: 16, cipher: "des3", constants: [0x21, 0x22] },
  "3TDEA": { master: 24, cipher: "des3", constants: [0x31, 0x32, 0x33] },
};

/**
 * A card's own key from a master of the same kind. `input`: M, 1 to 31 bytes (AES) or 1 to 15 (TDEA): UID ‖ AID ‖ system identifier.
 * Throws CardProblem `bad-key` or `bad-value`.
 */
export function diversifyAn10922(
  crypto: Crypto,
  kind: An10922Kind,
  master: Uint8Array,
  input: Uint8Array,
): Uint8Array {
  const recipe = recipes[kind];
  if (master.length !== recipe.master)
    throw new CardProblem("bad-key", "AN10922", `a ${kind} master has ${recipe.master} bytes`);
  const cipher = crypto[recipe.cipher](master);
  try {
    const most = 2 * cipher.blockSize - 1;
    if (input.length < 1 || input.length > most)
      throw new CardProblem("bad-value", "AN10922", `the input has 1 to ${most} bytes, not ${input.length}`);
    const parts = recipe.constants.map((constant) =>
      twoBlocks(cipher, concat(Uint8Array.of(constant), input)),
    );
    if (kind !== "AES-192") return concat(...parts);
    const [a, b] = parts as [Uint8Array, Uint8Array];
    return concat(a.subarray(0, 8), xor(a.subarray(8), b.subarray(0, 8)), b.subarray(8));
  } finally {
    cipher.wipe();
  }
}

/** CMAC's last step over exactly two blocks: its padding would stop at one block for a short message. */
function twoBlocks(cipher: BlockCipher, message: Uint8Array): Uint8Array {
  const size = cipher.blockSize;
  const whole = message.length === 2 * size;
  const padded = new Uint8Array(2 * size);
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;
  const k1 = doubled(cipher.encrypt(new Uint8Array(size)));
  const last = xor(padded.subarray(size), whole ? k1 : doubled(k1));
  return cipher.cbcEncrypt(new Uint8Array(size), concat(padded.subarray(0, size), last)).slice(size);
}

/** Multiplication by x in GF(2^n) (SP 800-38B, 6.1). */
function doubled(block: Uint8Array): Uint8Array {
  const shifted = block.map((byte, at) => ((byte << 1) | ((block[at + 1] ?? 0) >> 7)) & 0xff);
  const last = block.length - 1;
  if (((block[0] ?? 0) & 0x80) !== 0)
    shifted[last] = (shifted[last] ?? 0) ^ (block.length === 16 ? 0x87 : 0x1b);
  return shifted;
}

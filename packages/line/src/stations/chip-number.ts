/** Who a powered card is: by the number in its chip, or by the one that the line wrote into it. */
import { hex } from "@persoline/card/bytes";
import { type CardChannel, plainSent, type Serial } from "@persoline/card/program";
import type { CompiledProduct } from "../plan/types.js";

/** GET DATA, chip number (docs/card-os.md 2); answered in every phase, costs nothing. */
const getChipNumber = {
  command: { cla: 0x80, ins: 0xca, p1: 0x00, p2: 0xcf, le: 256 },
  sw: [{ value: 0x9000, mask: 0xffff }],
};
const numberLength = 10;

/** "none": a chip that the line has yet to number. Undefined: the card does not tell. Throws CardMute, DeviceFault. */
export async function askNumber(
  channel: CardChannel,
  { writtenNumber }: Pick<CompiledProduct, "writtenNumber">,
): Promise<Serial | "none" | undefined> {
  if (writtenNumber === undefined) {
    const [answer] = await channel.exchange([getChipNumber]);
    const data = answer?.data ?? new Uint8Array(0);
    const told =
      answer?.sw === 0x9000 &&
      data.length === 2 + numberLength &&
      data[0] === 0xcf &&
      data[1] === numberLength;
    return told ? (hex(data.subarray(2)) as Serial) : undefined;
  }
  const { ask, absent, begins } = writtenNumber;
  const answers = await channel.exchange(ask.map(plainSent));
  const last = answers.at(-1);
  if (last === undefined) return undefined;
  // Only the files may be missing: a card without an MF is another matter.
  if (answers.length === 2 && (last.sw & absent.mask) === absent.value) return "none";
  if (answers.length < ask.length || last.data.length !== numberLength) return undefined;
  // The file was made, and the line was cut off before it wrote.
  if (last.data.every((byte) => byte === 0x00) || last.data.every((byte) => byte === 0xff)) return "none";
  const number = hex(last.data);
  return number.startsWith(begins) ? (number as Serial) : undefined;
}

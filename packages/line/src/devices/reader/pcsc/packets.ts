/**
 * Commands and answers of one exchange as one block of bytes each. Between processes every object and every array of bytes is written and
 * read by itself, which for a few hundred commands takes longer than the card's first dozen answers.
 */
import { decodeCommand, encodeCommand, type Response, type StatusWord } from "@persoline/card/apdu";
import type { Sent } from "@persoline/card/program";

/** Status patterns: value (2) ‖ mask (2). */
const patternBytes = 4;

/** For each command: number of patterns (2) ‖ length (4) ‖ patterns ‖ APDU. Throws CardProblem for what is no command. */
export function packCommands(commands: readonly Sent[]): Uint8Array {
  const apdus = commands.map(({ command }) => encodeCommand(command));
  const sizes = commands.map(({ sw }, at) => 6 + sw.length * patternBytes + (apdus[at]?.length ?? 0));
  const block = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
  const view = new DataView(block.buffer);
  let at = 0;
  for (const [index, { sw }] of commands.entries()) {
    const apdu = apdus[index] ?? new Uint8Array(0);
    view.setUint16(at, sw.length);
    view.setUint32(at + 2, apdu.length);
    at += 6;
    for (const { value, mask } of sw) {
      view.setUint16(at, value);
      view.setUint16(at + 2, mask);
      at += patternBytes;
    }
    block.set(apdu, at);
    at += apdu.length;
  }
  return block;
}

/** Data fields are views of the block. */
export function unpackCommands(block: Uint8Array): Sent[] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const commands: Sent[] = [];
  for (let at = 0; at < block.length; ) {
    const patterns = view.getUint16(at);
    const length = view.getUint32(at + 2);
    at += 6;
    const sw = Array.from({ length: patterns }, (_, number) => ({
      value: view.getUint16(at + number * patternBytes),
      mask: view.getUint16(at + number * patternBytes + 2),
    }));
    at += patterns * patternBytes;
    commands.push({ command: decodeCommand(block.subarray(at, at + length)), sw });
    at += length;
  }
  return commands;
}

/** For each answer: length of its data (4) ‖ status word (2) ‖ data. */
export function packAnswers(answers: readonly Response[]): Uint8Array {
  const block = new Uint8Array(answers.reduce((sum, { data }) => sum + 6 + data.length, 0));
  const view = new DataView(block.buffer);
  let at = 0;
  for (const { data, sw } of answers) {
    view.setUint32(at, data.length);
    view.setUint16(at + 4, sw);
    block.set(data, at + 6);
    at += 6 + data.length;
  }
  return block;
}

/** Each answer's data is its own. */
export function unpackAnswers(block: Uint8Array): Response[] {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const answers: Response[] = [];
  for (let at = 0; at < block.length; ) {
    const from = at + 6;
    const end = from + view.getUint32(at);
    // A Buffer's own `slice` would share the block.
    const data = new Uint8Array(block.subarray(from, end));
    answers.push({ data, sw: view.getUint16(at + 4) as StatusWord });
    at = end;
  }
  return answers;
}

import { cardState, phase } from "./layout.js";

/** What the phase pair says. */
export interface PhaseRecord {
  readonly phase: number;
  readonly major: number;
  readonly minor: number;
  readonly state: number;
  readonly imageStart: number;
  readonly imageLength: number;
}

export const blankPhase: PhaseRecord = {
  phase: phase.rom,
  major: 0,
  minor: 0,
  state: cardState.none,
  imageStart: 0,
  imageLength: 0,
};

export function phaseContent(record: PhaseRecord): Uint8Array {
  const content = Uint8Array.of(record.phase, record.major, record.minor, record.state, 0, 0, 0, 0);
  const view = new DataView(content.buffer);
  view.setUint16(4, record.imageStart);
  view.setUint16(6, record.imageLength);
  return content;
}

export function readPhase(content: Uint8Array | undefined): PhaseRecord | undefined {
  if (content?.length !== 8) return undefined;
  const view = new DataView(content.buffer, content.byteOffset);
  const [now = 0, major = 0, minor = 0, state = 0] = content;
  return { phase: now, major, minor, state, imageStart: view.getUint16(4), imageLength: view.getUint16(6) };
}

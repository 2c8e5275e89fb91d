/** What can be learned of a card without burning a try: ATR in words, chip number, state, keys, files. Nothing is written, nothing verified. */
import {
  describeSw,
  encodeCommand,
  decodeResponse,
  type Command,
  type Response,
  transmitWhole,
} from "@persoline/card/apdu";
import { describeAtr, parseAtr } from "@persoline/card/atr";
import { aid, fid, hex } from "@persoline/card/bytes";
import { parseCardData, parseKeyInformation } from "@persoline/card/globalplatform";
import { decodeFci, getData, lifeCycle, selectByAid, selectByFid, selectMf } from "@persoline/card/iso7816";
import type { VirtualCard } from "@persoline/card/virtual";
import type { Product } from "../plan/product.js";

export interface Fact {
  readonly what: string;
  readonly value: string;
}

export interface Inspection {
  readonly atr: readonly string[];
  readonly facts: readonly Fact[];
  readonly files: readonly {
    readonly path: string;
    readonly fid: string;
    readonly structure: string;
    readonly size: string;
    readonly lifeCycle: string;
  }[];
}

const phases: Readonly<Record<number, string>> = {
  0x01: "ROM only",
  0x03: "operating system completed",
  0x0f: "terminated",
};
const cardStates: Readonly<Record<number, string>> = {
  0x00: "none yet",
  0x01: "OP_READY",
  0x07: "INITIALIZED",
  0x0f: "SECURED",
  0x7f: "CARD_LOCKED",
  0xff: "TERMINATED",
};

/** `product`: whose files are looked for; without it only the MF is asked about. */
export async function inspect(card: VirtualCard, product?: Product): Promise<Inspection> {
  const atr = card.powerOn();
  if (atr === undefined) return { atr: ["no answer to reset: the card is mute"], facts: [], files: [] };
  const send = (command: Command): Promise<Response> =>
    transmitWhole((one) => {
      const answer = card.transmit(encodeCommand(one));
      // A card that falls silent is asked on: each answer it does not give is one it does not give.
      return Promise.resolve(decodeResponse(answer ?? Uint8Array.of(0x6f, 0x00)));
    }, command);
  try {
    return {
      atr: describeAtr(parseAtr(atr)),
      facts: await factsOf(send),
      files: await filesOf(send, product),
    };
  } finally {
    card.powerOff();
  }
}

type Send = (command: Command) => Promise<Response>;

async function factsOf(send: Send): Promise<Fact[]> {
  const facts: Fact[] = [];
  const ask = async (what: string, tag: number, told: (data: Uint8Array) => string): Promise<void> => {
    // With CLA 80 it is answered in every phase, also by the loader.
    const { data, sw } = await send({ ...getData(tag), cla: 0x80 });
    if (sw !== 0x9000) facts.push({ what, value: `not answered (${describeSw(sw)})` });
    else {
      try {
        facts.push({ what, value: told(data) });
      } catch {
        facts.push({ what, value: `not understood: ${String(data.length)} bytes` });
      }
    }
  };
  await ask("chip number", 0x00cf, (data) => hex(data.subarray(2)));
  await ask("chip status", 0xdf01, statusText);
  await ask("keys", 0x00e0, (data) =>
    parseKeyInformation(data)
      .map(
        ({ id, kvn, components }) =>
          `version ${byte(kvn)} identifier ${byte(id)}: ${components.map(({ type, length }) => `${type === 0x88 ? "AES" : byte(type)} ${String(length * 8)} bits`).join(", ")}`,
      )
      .join("; "),
  );
  await ask("card data", 0x0066, (data) => {
    const { scps } = parseCardData(data);
    return scps.map((one) => `SCP${byte(one.scp)} i=${byte(one.i)}`).join(", ");
  });
  await ask("secure channel counter", 0x00c1, (data) => String(Number.parseInt(hex(data.subarray(2)), 16)));
  return facts;
}

const byte = (n: number): string => n.toString(16).toUpperCase().padStart(2, "0");

/** Chip status (docs/card-os.md 2): `DF01 0B` and eleven bytes. */
function statusText(data: Uint8Array): string {
  const [
    phase = 0,
    romMajor = 0,
    romMinor = 0,
    osMajor = 0,
    osMinor = 0,
    tries = 0,
    high = 0,
    low = 0,
    size = 0,
    state = 0,
  ] = data.subarray(3);
  return [
    phases[phase] ?? `phase ${byte(phase)}`,
    `ROM ${String(romMajor)}.${String(romMinor)}`,
    phase === 0x01 ? `${String(tries)} loader tries left` : `OS ${String(osMajor)}.${String(osMinor)}`,
    `EEPROM ${String((((high << 8) | low) * size) / 1024)} KiB`,
    `card state ${cardStates[state] ?? byte(state)}`,
  ].join(", ");
}

async function filesOf(send: Send, product: Product | undefined): Promise<Inspection["files"][number][]> {
  const files: Inspection["files"][number][] = [];
  const look = async (path: string, command: Command): Promise<boolean> => {
    const { data, sw } = await send(command);
    if (sw !== 0x9000 && sw !== 0x6283) return false;
    const { fcp } = decodeFci(data);
    const { descriptor, size, lcs } = fcp;
    files.push({
      path,
      fid: fcp.fid === undefined ? "" : hex(Uint8Array.of(fcp.fid >> 8, fcp.fid & 0xff)),
      structure: descriptor?.structure ?? "",
      size: size === undefined ? "" : `${String(size)} bytes`,
      lifeCycle: lcs === undefined ? "" : lifeCycle(lcs),
    });
    return true;
  };
  await look("MF", selectMf({ answer: "fcp" }));
  for (const df of product?.dfs ?? []) {
    const select =
      df.aid === undefined ? selectMf({ answer: "fcp" }) : selectByAid(aid(df.aid), { answer: "fcp" });
    // The MF was looked at already: it is only made current again.
    if (df.aid === undefined ? (await send(select)).sw !== 0x9000 : !(await look(df.name, select))) continue;
    for (const ef of df.files)
      await look(`${df.name}/${ef.name}`, selectByFid(fid(ef.fid), { in: "child-ef", answer: "fcp" }));
  }
  return files;
}

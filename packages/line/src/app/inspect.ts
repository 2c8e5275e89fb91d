/** What can be learned of a card without burning a try: ATR in words, chip number, state, keys, files. Nothing is written, nothing verified. */
import { describeSw, type Command, type Response, statusWord } from "@persoline/card/apdu";
import { describeAtr, parseAtr } from "@persoline/card/atr";
import { aid, fid, hex } from "@persoline/card/bytes";
import { parseCardData, parseKeyInformation } from "@persoline/card/globalplatform";
import { decodeFci, getData, lifeCycle, selectByAid, selectByFid, selectMf } from "@persoline/card/iso7816";
import { CardMute } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import type { Reader } from "../devices/reader/port.js";
import { simulatedReader } from "../devices/reader/simulated.js";
import type { Product } from "../plan/product.js";
import { idealWorld } from "../stations/world.js";

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

const mute: Inspection = { atr: ["no answer to reset: the card is mute"], facts: [], files: [] };

/** Powers the card at a reader, asks it and takes the power away. `product`: whose files are looked for beside the usual ones. */
export async function inspectAt(reader: Reader, product?: Product): Promise<Inspection> {
  try {
    const reset = await reader.insert();
    if (reset === "mute") return mute;
    const { atr, channel } = reset;
    const any = [{ value: 0, mask: 0 }];
    const send: Send = async (command) => {
      try {
        const [answer] = await channel.exchange([{ command, sw: any }]);
        return answer ?? refused;
      } catch (thrown) {
        // A card that falls silent is asked on: each answer it does not give is one it does not give.
        if (thrown instanceof CardMute) return refused;
        throw thrown;
      }
    };
    return {
      atr: describeAtr(parseAtr(atr)),
      facts: await factsOf(send),
      files: await filesOf(send, product),
    };
  } finally {
    await reader.remove();
  }
}

const refused: Response = { data: new Uint8Array(0), sw: statusWord(0x6f00) };

/** A virtual card without a place on the shop floor, or a copy of one. */
export function inspectVirtual(card: VirtualCard, product?: Product): Promise<Inspection> {
  const reader = simulatedReader({
    name: "inspection",
    place: { at: "hopper" },
    floor: { cardAt: () => card },
    world: idealWorld(),
    timing: "ideal",
  });
  return inspectAt(reader, product);
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
    if (!(await look(df.name, selectByAid(aid(df.aid), { answer: "fcp" })))) continue;
    for (const ef of df.files)
      await look(`${df.name}/${ef.name}`, selectByFid(fid(ef.fid), { in: "child-ef", answer: "fcp" }));
  }
  return files;
}

// Records the traces of our own card in its two phases: `node packages/card/dist/tools/build-traces.js` after a build.
import { mkdirSync, writeFileSync } from "node:fs";
import { decodeResponse, encodeCommand, transmitWhole } from "../src/apdu/index.js";
import { inspectCard } from "../src/inspect/index.js";
import type { CardChannel } from "../src/program/index.js";
import { recorded, type TraceLine, traceText } from "../src/trace/index.js";
import type { PersolineCard } from "../src/virtual/index.js";
import { complete, fresh, image12, powered } from "./bench.js";

const folder = new URL("../../vectors/traces/", import.meta.url);

async function record(card: PersolineCard, name: string): Promise<void> {
  const atr = card.powerOn() ?? new Uint8Array(0);
  const lines: TraceLine[] = [];
  const channel: CardChannel = {
    exchange: (commands) =>
      Promise.all(
        commands.map(({ command }) =>
          transmitWhole(
            (one) => Promise.resolve(decodeResponse(card.transmit(encodeCommand(one)) ?? new Uint8Array(0))),
            command,
          ),
        ),
      ),
  };
  const began = card.elapsedMicros;
  const now = (): number => Math.round((card.elapsedMicros - began) / 100) / 10;
  await inspectCard(recorded(channel, atr, { now, write: (line) => lines.push(line) }), { atr });
  writeFileSync(new URL(`${name}.jsonl`, folder), traceText(lines));
}

mkdirSync(folder, { recursive: true });
const { card } = fresh();
await record(card, "persoline-blank");
powered(card);
complete(card, image12);
await record(card, "persoline-completed");

/** Cards that prove themselves by MUTUAL AUTHENTICATE (docs/card-os.md 6): the Persoline OS, and GlobalPlatform's access applet. */
import type { Response } from "@persoline/card/apdu";
import { fromUtf8, hex, sfi } from "@persoline/card/bytes";
import {
  getChallenge,
  mutualAuthenticate,
  readBinary,
  readRecord,
  selectByAid,
} from "@persoline/card/iso7816";
import type { CardChannel, Sent, Serial } from "@persoline/card/program";
import type { Hsm } from "../devices/hsm/port.js";
import type { AppletCard, FileCard } from "./gate-card.js";
import { holderIn, ok, said, saidAll, unpadded, word } from "./talk.js";
import type { CardData, KeyProof } from "./types.js";

export type MutualModule = Pick<Hsm, "openMutual" | "judgeMutual">;

const endOfFile: Sent["sw"] = [...ok, { value: 0x6282, mask: 0xffff }];
/** GET DATA, chip number (docs/card-os.md 2): answered in every phase, also by a terminated card. */
const getChipNumber: Sent = { command: { cla: 0x80, ins: 0xca, p1: 0x00, p2: 0xcf, le: 256 }, sw: ok };

export async function chipNumber(channel: CardChannel): Promise<Serial | undefined> {
  const { data, sw } = (await said(channel, getChipNumber)) ?? {};
  return sw === 0x9000 && data?.length === 12 && data[0] === 0xcf && data[1] === 10
    ? // Ten bytes in hexadecimal are what a serial is.
      (hex(data.subarray(2)) as Serial)
    : undefined;
}

/** What a terminated card answers to SELECT (docs/card-os.md 4, docs/gp-card.md 2). */
const TERMINATED: Readonly<Record<(FileCard | AppletCard)["kind"], number>> = {
  "persoline-os": 0x6285,
  globalplatform: 0x6985,
};

/** Once and never again, then what the card tells only a gate. `rights`: how many the register has for the card. */
export async function proved(
  hsm: MutualModule,
  card: FileCard | AppletCard,
  channel: CardChannel,
  { serial, rights }: { readonly serial: Serial; readonly rights: number },
): Promise<KeyProof> {
  const answer = card.kind === "persoline-os" ? ("none" as const) : ("fci" as const);
  const [selected, challenge] = await saidAll(channel, [
    { command: selectByAid(card.aid, { answer }), sw: ok },
    { command: getChallenge(16), sw: ok },
  ]);
  if (selected?.sw === TERMINATED[card.kind])
    return { result: "unavailable", detail: "the card is terminated" };
  if (selected?.sw !== 0x9000 || challenge?.sw !== 0x9000 || challenge.data.length !== 16) {
    const refusal = word(selected?.sw === 0x9000 ? challenge?.sw : selected?.sw);
    return { result: "unavailable", detail: `its access application answers ${refusal}` };
  }
  const { keys, kid } = card;
  const { session, data } = await hsm.openMutual({ keys, kid, serial, cardChallenge: challenge.data });
  const command = mutualAuthenticate({ reference: kid, proof: data });
  let proven: Response | undefined;
  let proof: "right" | "wrong";
  try {
    proven = await said(channel, { command, sw: ok });
  } finally {
    // However the card or the reader ends it: the session in the security module ends here, with a judgement of nothing if need be.
    proof = await hsm.judgeMutual({
      session,
      answer: proven?.sw === 0x9000 ? proven.data : new Uint8Array(16),
    });
  }
  if (proven?.sw === 0x6983) return { result: "blocked", detail: "the card's gate key is blocked" };
  if (proven?.sw !== 0x9000) {
    return { result: "wrong", detail: `the card refuses the gate's proof (${word(proven?.sw)})` };
  }
  if (proof === "wrong") {
    return { result: "wrong", detail: "the card's proof is wrong: it has another key" };
  }
  const told =
    card.kind === "persoline-os" ? await fileData(card, channel, rights) : await appletData(card, channel);
  return told === undefined
    ? { result: "unreadable", detail: "the card proved its key, but its files cannot be read" }
    : { result: "right", data: told };
}

/** Reads one EF record more than there should be rights: it must be empty. */
async function fileData(card: FileCard, channel: CardChannel, rights: number): Promise<CardData | undefined> {
  const { zones, holder } = card;
  const rows = zones === undefined ? 0 : Math.min(zones.count, rights + 1);
  const sent: Sent[] = Array.from({ length: rows }, (_, at) => ({
    command: readRecord({ number: at + 1, sfi: sfi(zones?.sfi ?? 1) }),
    sw: ok,
  }));
  if (holder !== undefined) {
    const place = { offset: 0, sfi: sfi(holder.sfi), length: Math.min(256, holder.size) };
    sent.push({ command: readBinary(place), sw: endOfFile });
  }
  const answers = sent.length === 0 ? [] : await saidAll(channel, sent);
  if (answers.length !== sent.length || answers.some(({ sw }) => sw !== 0x9000 && sw !== 0x6282)) {
    return undefined;
  }
  try {
    const written = answers.slice(0, rows).map(({ data }) => fromUtf8(unpadded(data, 0xff)));
    const objects = unpadded(answers.at(-1)?.data ?? new Uint8Array(0), 0xff);
    return {
      ...(zones === undefined ? {} : { zones: written.filter((right) => right !== "") }),
      ...(holder === undefined ? {} : holderIn(objects, holder)),
    };
  } catch {
    return undefined;
  }
}

/** GET DATA of the applet's groupings (docs/gp-card.md 7). */
async function appletData(card: AppletCard, channel: CardChannel): Promise<CardData | undefined> {
  const { zones, holder } = card;
  const groupings = [zones, holder?.grouping].filter((id) => id !== undefined);
  const answers = await saidAll(
    channel,
    groupings.map((id) => ({
      command: { cla: 0x00, ins: 0xca, p1: id >> 8, p2: id & 0xff, le: 256 },
      sw: ok,
    })),
  );
  if (answers.length !== groupings.length || answers.some(({ sw }) => sw !== 0x9000)) return undefined;
  const of = (id: number | undefined): Uint8Array =>
    answers[groupings.findIndex((one) => one === id)]?.data ?? new Uint8Array(0);
  try {
    return {
      ...(zones === undefined ? {} : { zones: listIn(fromUtf8(of(zones))) }),
      ...(holder === undefined ? {} : holderIn(of(holder.grouping), holder)),
    };
  } catch {
    return undefined;
  }
}

/** As a product's templates write a list. */
const listIn = (text: string): string[] => text.split(", ").filter((one) => one !== "");

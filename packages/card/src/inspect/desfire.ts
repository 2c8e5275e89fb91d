/**
 * What a DESFire-style card tells everybody (docs/desfire-card.md 3): no authentication is begun, so no try can be lost. What its key
 * settings keep to the master key is refused, and shown as refused.
 */
import { CardProblem, concat, hex } from "../bytes/index.js";
import {
  bare,
  getApplicationIds,
  getFileIds,
  getFileSettings,
  getFreeMemory,
  getKeySettings,
  getKeyVersion,
  getVersion,
  type NativeCommand,
  native,
  selectApplication,
  statusOf,
  statusWords,
} from "../desfire/index.js";
import { selectByAid } from "../iso7816/index.js";
import { aid } from "../bytes/index.js";
import type { Ask } from "./ask.js";
import { desfireName } from "./known.js";
import type { Fact, FoundApplication, FoundFile } from "./types.js";

const more = 0xaf;
/** GetVersion has three frames, a full list of applications two. */
const mostFrames = 8;
const mostApplications = 28;
const mostFiles = 32;

type Told = { readonly data: Uint8Array } | { readonly refused: string };

/** A native command and all frames of its answer. */
async function told(ask: Ask, command: NativeCommand): Promise<Told> {
  const parts: Uint8Array[] = [];
  let answer = await ask(bare(command));
  for (let frame = 1; ; frame++) {
    let status: number;
    try {
      status = statusOf(answer);
    } catch (thrown) {
      if (!(thrown instanceof CardProblem)) throw thrown;
      return { refused: thrown.message };
    }
    if (status !== 0 && status !== more) return { refused: `91${statusWords(status)}` };
    parts.push(answer.data);
    if (status === 0) return { data: concat(...parts) };
    if (frame === mostFrames) return { refused: "its answer has no end" };
    answer = await ask(native(more));
  }
}

/** Everything that is free on the card itself, then application by application. The card's own level is selected again at the end. */
export async function learnDesfire(
  ask: Ask,
  into: {
    readonly facts: Fact[];
    readonly files: FoundFile[];
    readonly listed: FoundApplication[];
  },
): Promise<void> {
  await ask(selectByAid(aid(desfireName), { answer: "fci" }));
  const learn = async (
    what: string,
    command: NativeCommand,
    words: (data: Uint8Array) => string | undefined,
  ) => {
    const answer = await told(ask, command);
    if ("refused" in answer) {
      into.facts.push({ what, value: `not answered (${answer.refused})`, state: "refused" });
      return undefined;
    }
    const value = words(answer.data);
    const bytes = `${String(answer.data.length)} bytes that do not belong here`;
    into.facts.push({
      what,
      value: value ?? bytes,
      state: value === undefined ? "not understood" : "told",
    });
    return value === undefined ? undefined : answer.data;
  };

  await learn("DESFire version", getVersion, versionText);
  await learn("DESFire key settings", getKeySettings, keySettingsText);
  await learn("DESFire version of the master key", getKeyVersion(0), (data) =>
    data.length === 1 ? hex(data) : undefined,
  );
  await learn("DESFire free memory", getFreeMemory, (data) =>
    data.length === 3 ? `${String(u24(data, 0))} bytes` : undefined,
  );
  const ids = await learn("DESFire applications", getApplicationIds, (data) =>
    data.length % 3 === 0 && data.length <= 3 * mostApplications ? String(data.length / 3) : undefined,
  );
  for (let at = 0; ids !== undefined && at < ids.length; at += 3) {
    const id = u24(ids, at);
    const name = id.toString(16).toUpperCase().padStart(6, "0");
    into.listed.push({ aid: name, name: "DESFire application", seen: "listed" });
    if ("refused" in (await told(ask, selectApplication(id)))) continue;
    await learn(`keys of application ${name}`, getKeySettings, keySettingsText);
    await learnAppFiles(ask, name, into.files);
  }
  await told(ask, selectApplication(0));
}

async function learnAppFiles(ask: Ask, application: string, files: FoundFile[]): Promise<void> {
  const ids = await told(ask, getFileIds);
  if ("refused" in ids) return;
  for (const number of ids.data.subarray(0, mostFiles)) {
    const fid = hex(Uint8Array.of(number));
    const settings = await told(ask, getFileSettings(number & 0x1f));
    const file = "refused" in settings ? undefined : fileOf(settings.data);
    files.push({
      path: `${application}/${fid}`,
      fid,
      structure: file?.structure ?? "",
      size: file?.size ?? "",
      lifeCycle: "",
    });
  }
}

const u24 = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);

/** Hardware and software: vendor, type, subtype, version, storage (2^(n/2), odd: between that and the next), protocol; then the chip. */
function versionText(data: Uint8Array): string | undefined {
  if (data.length !== 28) return undefined;
  const part = (at: number): string =>
    `${bcd(data[at + 3] ?? 0)}.${bcd(data[at + 4] ?? 0)} (type ${hex(data.subarray(at + 1, at + 3))}, ${storageText(data[at + 5] ?? 0)})`;
  const uid = data.subarray(14, 21);
  const [week = 0, year = 0] = data.subarray(26);
  return [
    data[0] === 0x04 ? "maker NXP (04)" : `maker ${hex(data.subarray(0, 1))}`,
    `hardware ${part(0)}`,
    `software ${part(7)}`,
    uid.every((byte) => byte === 0) ? "UID kept to itself" : `UID ${hex(uid)}`,
    `batch ${hex(data.subarray(21, 26))}`,
    `made in week ${bcd(week)} of 20${bcd(year)}`,
  ].join(", ");
}

/** Digits as they stand: makers write their versions so too. */
const bcd = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");

function storageText(code: number): string {
  const least = 2 ** (code >> 1);
  return (code & 1) === 0 ? `${String(least)} bytes` : `${String(least)} to ${String(least * 2)} bytes`;
}

const algorithms = ["DES", "3K3DES", "AES", "unknown"] as const;

function keySettingsText(data: Uint8Array): string | undefined {
  const [settings, kinds] = data;
  if (settings === undefined || kinds === undefined || data.length > 6) return undefined;
  const may = (bit: number, yes: string, no: string): string => ((settings & bit) === 0 ? no : yes);
  const count = kinds & 0x0f;
  return [
    `${String(count)} ${algorithms[kinds >> 6] ?? "unknown"} key${count === 1 ? "" : "s"}`,
    may(1, "master key changeable", "master key frozen"),
    may(2, "directory free", "directory by master key"),
    may(4, "create and delete free", "create and delete by master key"),
    may(8, "settings changeable", "settings frozen"),
  ].join(", ");
}

const kinds = ["standard", "backup", "value", "linear", "cyclic"] as const;
const modes: Readonly<Record<number, string>> = { 0: "plain", 1: "mac", 3: "full" };

/** Type, communication mode, access rights (2), then sizes as the type has them. */
function fileOf(data: Uint8Array): Pick<FoundFile, "structure" | "size"> | undefined {
  const [type = 255, mode = 255] = data;
  const kind = kinds[type];
  if (kind === undefined || data.length < 7) return undefined;
  const structure = `${kind}, ${modes[mode & 0x03] ?? "plain"}`;
  if (kind === "value") return { structure, size: "4 bytes" };
  if (kind === "standard" || kind === "backup") return { structure, size: `${String(u24(data, 4))} bytes` };
  return { structure, size: `${String(u24(data, 7))} records of ${String(u24(data, 4))} bytes` };
}

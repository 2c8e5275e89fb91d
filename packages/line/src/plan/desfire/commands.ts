/** The native commands of DESFire products as steps, one function each, with the answer they must get (docs/desfire-card.md 3). */
import { concat } from "@persoline/card/bytes";
import {
  bare,
  type CommMode,
  changeKeySettings,
  createFile,
  type FileSpec,
  getFileSettings,
  getKeySettings,
  getKeyVersion,
  getVersion,
  i32le,
  type NativeCommand,
  selectApplication,
  u24le,
} from "@persoline/card/desfire";
import { type DesfireKey, nativeBlocks, type Step, type SwPattern } from "@persoline/card/program";
import { pagesTouched } from "../commands.js";
import type { DesfireApplication } from "./model.js";
import { FREE_DIRECTORY } from "./model.js";

export const status = (...values: readonly number[]): readonly SwPattern[] =>
  values.map((value) => ({ value: 0x9100 | value, mask: 0xffff }));
const hexText = (value: number, digits = 2): string => value.toString(16).toUpperCase().padStart(digits, "0");
export const aidText = (aid: number): string => hexText(aid, 6);
const nothing = new Uint8Array(0);
const CLAUSE = "docs/desfire-card.md 3";

type Words = Pick<Step, "why"> &
  Partial<Pick<Step, "sw" | "answer" | "again" | "reject" | "judge" | "probe">>;

/** A native command inside a session; `pages` it makes the card write. */
export function stepOf(command: NativeCommand, name: string, words: Words, pages = 0): Step {
  const { ins, header = nothing, data = nothing, send, receive, answerLength, endsSession } = command;
  const whole = concat(header, data);
  return {
    cla: 0x90,
    ins,
    p1: 0,
    p2: 0,
    data: whole.length === 0 ? [] : [whole],
    le: 256,
    sw: status(0),
    ...(words.judge === undefined ? { answer: { value: nothing } } : {}),
    native: {
      clear: header.length,
      send,
      receive,
      ...(answerLength === undefined ? {} : { answerLength }),
      ...(endsSession === undefined ? {} : { endsSession }),
    },
    again: "session",
    changes: pages > 0,
    cost: { pages },
    clause: `${CLAUSE}, ${name}`,
    ...words,
  };
}

/** A native command outside any session: nothing it asks costs anything. */
export function plainOf(command: NativeCommand, name: string, words: Words): Step {
  const { data = nothing } = bare(command);
  const { native: _, ...step } = stepOf(command, name, { again: "same", ...words });
  return { ...step, cost: { pages: 0, aesBlocks: nativeBlocks(data.length) } };
}

export const select = (aid: number, why: string, sw = status(0)): Step =>
  plainOf(selectApplication(aid), "SelectApplication", { why, sw });

/** GetVersion in its three frames: hardware, software, UID and production. Bits of `uid` absent: any. */
export function versionFrames(hardware: Uint8Array, uid?: Uint8Array): readonly Step[] {
  const any = (length: number) => ({ value: new Uint8Array(length), mask: new Uint8Array(length) });
  const more = {
    ...plainOf({ ins: 0xaf, send: "session", receive: "session" }, "GetVersion", {
      why: "the version goes on",
    }),
    cost: { pages: 0 },
  };
  const own = new Uint8Array(14);
  own.set(uid ?? nothing);
  const mask = new Uint8Array(14).fill(uid === undefined ? 0 : 0xff, 0, 7);
  return [
    plainOf(getVersion, "GetVersion", {
      why: "which hardware is this?",
      sw: status(0xaf),
      answer: { value: hardware },
      reject: "foreign-card",
    }),
    { ...more, why: "and which software?", sw: status(0xaf), answer: any(7) },
    {
      ...more,
      why: uid === undefined ? "UID and production data" : "the UID is no longer shown",
      answer: { value: own, mask },
    },
  ];
}

const versionAnswer = (key: number, version: number, why: string) => ({
  command: getKeyVersion(key),
  words: { why, answer: { value: Uint8Array.of(version) } },
});

/** Whether a key has this version: needs no key and costs nothing. */
export function askVersion(key: number, version: number, why: string): Step {
  const { command, words } = versionAnswer(key, version, why);
  return plainOf(command, "GetKeyVersion", words);
}
export function readVersion(key: number, version: number, why: string): Step {
  const { command, words } = versionAnswer(key, version, why);
  return stepOf(command, "GetKeyVersion", words);
}

/** Where the question is put, then the question: an application that answers tells, by a version, whose keys it has. */
export const issuerKeys = (aid: number, generation: number): readonly Step[] => [
  select(aid, aid === 0 ? "select the card itself" : `select application ${aidText(aid)}`),
  askVersion(0, generation, `is key 0 of generation ${hexText(generation)}?`),
];

export const keySettingsAre = (settings: number, keys: number): Step =>
  stepOf(getKeySettings, "GetKeySettings", {
    why: `key settings are ${hexText(settings)}, ${keys === 1 ? "one AES key" : `${keys} AES keys`}`,
    answer: { value: Uint8Array.of(settings, 0x80 | keys) },
  });

/**
 * ChangeKeySettings, which a card may refuse the second time. After an interruption it is asked by the settings themselves, or, where the
 * new ones forbid that without a key, by the refusal.
 */
export function newSettings(aid: number, settings: number, keys: number): Step {
  const isOpen = (settings & FREE_DIRECTORY) !== 0;
  const question = plainOf(getKeySettings, "GetKeySettings", {
    why: "are the new settings in force?",
    ...(isOpen ? { answer: { value: Uint8Array.of(settings, 0x80 | keys) } } : { sw: status(0xae) }),
  });
  return stepOf(
    changeKeySettings(settings),
    "ChangeKeySettings",
    {
      why: `key settings ${hexText(settings)}`,
      again: "probe",
      probe: {
        ask: [select(aid, "where the settings are"), question],
        absent: status(0),
        instead: [keySettingsAre(settings, keys)],
      },
    },
    1,
  );
}

/** ChangeKey of an application's key while all of them are the default; key 0, which holds the session, comes last. */
export function newKey(app: DesfireApplication, key: number, generation: number): Step {
  const why = `is key ${key} of generation ${hexText(generation)}?`;
  return changedKey(
    { aid: app.aid, key, version: generation, value: app.key, isOwn: key === 0 },
    `key ${key} of ${app.name}, generation ${hexText(generation)}`,
    {
      again: "probe",
      probe: {
        ask: [select(app.aid, `select application ${app.name}`), askVersion(key, generation, why)],
        absent: status(0),
        instead: [readVersion(key, generation, why)],
      },
    },
  );
}

export function changedKey(
  ask: {
    readonly aid: number;
    readonly key: number;
    readonly version: number;
    readonly value: DesfireKey | "random";
    readonly isOwn: boolean;
  },
  why: string,
  words: Partial<Pick<Step, "again" | "probe">> = {},
): Step {
  const { aid, key, version, value, isOwn } = ask;
  const header = Uint8Array.of(aid === 0 ? 0x80 | key : key);
  const shape: NativeCommand = {
    ins: 0xc4,
    header,
    send: "full",
    receive: isOwn ? "plain" : "session",
    ...(isOwn ? { endsSession: true } : {}),
  };
  return {
    ...stepOf(shape, "ChangeKey", { why, ...words }, 2),
    data: [
      header,
      {
        secret: "desfire-key",
        aid,
        key,
        version,
        value,
        ...(isOwn ? {} : { old: "default" as const }),
      },
    ],
  };
}

const kinds = { standard: 0, backup: 1, value: 2, linear: 3, cyclic: 4 } as const;

/** What GetFileSettings answers; `held`: records in it. */
export function fileSettings(spec: FileSpec, held = 0): Uint8Array {
  // Communication mode and rights as CreateFile sends them.
  const access = createFile(spec).data?.subarray(1, 4) ?? nothing;
  const head = concat(Uint8Array.of(kinds[spec.kind]), access);
  switch (spec.kind) {
    case "standard":
    case "backup":
      return concat(head, u24le(spec.size));
    case "value":
      return concat(
        head,
        i32le(spec.lower),
        i32le(spec.upper),
        i32le(0),
        Uint8Array.of(spec.limitedCredit ? 1 : 0),
      );
    default:
      return concat(head, u24le(spec.recordSize), u24le(spec.records), u24le(held));
  }
}

export const settingsAre = (spec: FileSpec, name: string, held = 0): Step =>
  stepOf(getFileSettings(spec.file), "GetFileSettings", {
    why: `settings of file ${name}`,
    answer: { value: fileSettings(spec, held) },
  });

/** Pages of data that a file takes, as docs/desfire-card.md 2 lays them out. */
export function dataPages(spec: FileSpec): number {
  switch (spec.kind) {
    case "standard":
      return pagesTouched(0, spec.size);
    case "backup":
      return 2 * pagesTouched(0, spec.size);
    case "value":
      return 0;
    default:
      return pagesTouched(0, spec.recordSize * spec.records);
  }
}

export const newFile = (aid: number, spec: FileSpec, name: string): Step =>
  stepOf(
    createFile(spec),
    `create ${spec.kind} file`,
    {
      why: `create ${spec.kind} file ${name} (${hexText(spec.file)})`,
      again: "probe",
      probe: {
        ask: [
          select(aid, `select application ${aidText(aid)}`),
          plainOf(getFileSettings(spec.file), "GetFileSettings", {
            why: `is file ${name} there, as it is to be?`,
            answer: { value: fileSettings(spec) },
          }),
        ],
        absent: status(0xf0),
        instead: [settingsAre(spec, name)],
      },
    },
    2 + dataPages(spec),
  );

/** Most bytes of data that a write, or the answer to a read, has in one frame of 54 and 59 bytes (docs/desfire-card.md 1, 4). */
export const mostWritten = (version: "ev1" | "ev2", comm: CommMode): number =>
  comm === "plain" ? 47 : comm === "mac" ? 39 : version === "ev1" ? 28 : 31;
export const mostRead = (version: "ev1" | "ev2", comm: CommMode): number => {
  if (comm === "full") return version === "ev1" ? 44 : 47;
  return comm === "plain" && version === "ev2" ? 59 : 51;
};

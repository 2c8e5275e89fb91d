/** The key office as the command line sees it: a process for each call. Passphrases and pieces go past this process, by descriptors. */
import { fork, type StdioOptions } from "node:child_process";
import { randomBytes } from "node:crypto";
import { DeviceFault } from "../../problem.js";
import { KeystoreProblem } from "../keystore.js";
import type { Hsm, IssuerFileAsk, IssuerRecordsAsk } from "../port.js";
import type { TokenPlace } from "../pkcs11/token-session.js";
import { type Descriptors } from "./counter.js";
import { OfficeRefusal } from "./refusal.js";
import type { OfficeAnswer, OfficeAsk } from "./types.js";

const processFile = new URL("../../../../dist/devices/hsm/office/office-process.js", import.meta.url);

/** What the office says of an issuer's file before a ceremony is held over it; it goes on afterwards with the same keys open. */
export type OfficeProof =
  | { readonly prove: "file"; readonly file: IssuerFileAsk }
  | { readonly prove: "records"; readonly records: IssuerRecordsAsk };

export interface OfficeCall {
  /** The keystore or the register of a token's keys, the folder of the ceremonies' records, and the file of the office's acts. */
  readonly file: string;
  readonly records: string;
  readonly acts: string;
  readonly unlock:
    | { readonly keyFile: string }
    | { readonly passphraseFrom: number }
    | { readonly token: TokenPlace & { readonly pinFrom?: number } };
  readonly ask: OfficeAsk | OfficeProof;
  readonly descriptors: Descriptors;
  /** ISO 8601. */
  readonly at: string;
  readonly program: string;
  /** So long a ceremony may wait for its custodians, milliseconds. */
  readonly patienceMs: number;
  /** Whoever answers for live keys accepts that this machine may write its memory to a disk. */
  readonly swapAccepted: boolean;
}

export type OfficeReply =
  | { readonly reply: "done"; readonly answer: OfficeAnswer }
  | { readonly reply: "proved"; readonly result: unknown }
  | { readonly reply: "keystore"; readonly code: KeystoreProblem["code"]; readonly message: string }
  | { readonly reply: "refused" | "failed"; readonly message: string };

export interface OfficeCallOptions extends Omit<OfficeCall, "descriptors" | "unlock" | "ask"> {
  /** Of this process: what each is for. A descriptor that is not named is asked for at the terminal. */
  readonly unlock:
    | { readonly keyFile: string }
    | { readonly passphraseFd: number }
    | {
        readonly token: TokenPlace;
        readonly pinFd?: number;
        readonly environment: Readonly<Record<string, string>>;
      };
  readonly custodianFd?: number;
  readonly pieceFd?: number;
  readonly pieceOutFd?: number;
}

/** Descriptors 0 to 2 are closed, 3 is the channel; these come after. */
const FIRST = 4;

/** One opening of the office's keys: what opens them is heard once, whatever is asked. */
export interface OfficeDesk extends Pick<Hsm, "proveIssuerFile" | "takeIssuerRecords" | "random"> {
  /** The last thing that is asked: the process ends with it. Throws OfficeRefusal, KeystoreProblem, DeviceFault. */
  ask(ask: OfficeAsk): Promise<OfficeAnswer>;
  /** For whoever has asked nothing more. */
  close(): void;
}

/** Its process begins with the first thing that is asked. */
export function openDesk(options: OfficeCallOptions): OfficeDesk {
  let process: OfficeProcess | undefined;
  const send = async (ask: OfficeCall["ask"]) => (process ??= startOffice(options)).send(ask);
  return {
    ask: async (ask) => (await send(ask)) as OfficeAnswer,
    proveIssuerFile: async (file) => ((await send({ prove: "file", file })) === true ? "right" : "wrong"),
    takeIssuerRecords: async (records) =>
      (await send({ prove: "records", records })) as Awaited<ReturnType<Hsm["takeIssuerRecords"]>>,
    // What an issuer left to be drawn only stands in its place here: no card gets it.
    random: (length) => Promise.resolve(new Uint8Array(randomBytes(length))),
    close: () => process?.end(),
  };
}

/** Throws OfficeRefusal, KeystoreProblem, DeviceFault. */
export const callOffice = (options: OfficeCallOptions, ask: OfficeAsk): Promise<OfficeAnswer> =>
  openDesk(options).ask(ask);

interface OfficeProcess {
  /** One at a time. */
  readonly send: (ask: OfficeCall["ask"]) => Promise<unknown>;
  readonly end: () => void;
}

const fault = (message: string) => new DeviceFault("key office", "security-module", message);

/** Throws OfficeRefusal. */
function startOffice(options: OfficeCallOptions): OfficeProcess {
  const { unlock, custodianFd, pieceFd, pieceOutFd, ...rest } = options;
  const keystoreFd =
    "passphraseFd" in unlock ? unlock.passphraseFd : "token" in unlock ? unlock.pinFd : undefined;
  const given = [keystoreFd, custodianFd, pieceFd, pieceOutFd].filter((fd) => fd !== undefined);
  if (new Set(given).size !== given.length)
    throw new OfficeRefusal(
      "each secret comes from a file descriptor of its own; two options name the same one",
    );
  const stdio: StdioOptions = ["ignore", "ignore", "ignore", "ipc"];
  const inChild = (fd: number | undefined): number | undefined => {
    if (fd === undefined) return undefined;
    stdio.push(fd);
    return stdio.length - 1;
  };
  const passphraseFrom = inChild(keystoreFd);
  const [passphrase, piece, out] = [inChild(custodianFd), inChild(pieceFd), inChild(pieceOutFd)];
  const call: Omit<OfficeCall, "ask"> = {
    ...rest,
    unlock:
      "token" in unlock
        ? { token: { ...unlock.token, ...(passphraseFrom === undefined ? {} : { pinFrom: passphraseFrom }) } }
        : "keyFile" in unlock
          ? unlock
          : { passphraseFrom: passphraseFrom ?? FIRST },
    descriptors: {
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(piece === undefined ? {} : { piece }),
      ...(out === undefined ? {} : { out }),
    },
  };
  // Of the environment only what a token's library reads.
  const env = "token" in unlock ? { ...unlock.environment } : {};
  const child = fork(processFile, [], { serialization: "advanced", execArgv: [], env, stdio });
  let waiting: { resolve: (said: unknown) => void; reject: (problem: Error) => void } | undefined;
  const refuse = (problem: Error): void => {
    waiting?.reject(problem);
    waiting = undefined;
  };
  child.on("error", (error) => refuse(fault(`the key office's process failed: ${error.message}`)));
  child.on("exit", () =>
    refuse(
      fault(
        'the key office\'s process ended before it answered; look at the state with "persoline keys list"',
      ),
    ),
  );
  child.on("message", (reply: OfficeReply) => {
    if (reply.reply === "done") waiting?.resolve(reply.answer);
    else if (reply.reply === "proved") waiting?.resolve(reply.result);
    else if (reply.reply === "keystore") refuse(new KeystoreProblem(reply.code, reply.message));
    else if (reply.reply === "refused") refuse(new OfficeRefusal(reply.message));
    else refuse(fault(reply.message));
    waiting = undefined;
  });
  return {
    send: (ask) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        child.send({ ...call, ask }, (error) => {
          if (error !== null) refuse(fault(`the key office does not hear: ${error.message}`));
        });
      }),
    end: () => {
      if (child.connected) child.disconnect();
    },
  };
}

/**
 * Loaded before the program (`node --import stuck.test.data.js?once=FILE`), and by it before its security module: from the moment that FILE is
 * there, the module's generator gives the same bytes again and again, be it the operating system's or the token's. Changes nothing else.
 */
import childProcess from "node:child_process";
import crypto from "node:crypto";
import { existsSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import pkcs11 from "pkcs11js";

const isStuck = (): boolean => existsSync(new URL(import.meta.url).searchParams.get("once") ?? "");

const { fork } = childProcess;
childProcess.fork = ((file: URL, words: readonly string[], options: childProcess.ForkOptions) =>
  fork(file, words, {
    ...options,
    execArgv: [...(options.execArgv ?? []), "--import", import.meta.url],
  })) as typeof fork;

const fill = crypto.randomFillSync;
crypto.randomFillSync = ((bytes: Uint8Array) =>
  isStuck() ? bytes.fill(7) : fill(bytes)) as typeof crypto.randomFillSync;

// The method as it stands in the class: called on each session below.
const generate = Reflect.get(pkcs11.PKCS11.prototype, "C_GenerateRandom") as (
  session: Buffer,
  bytes: Buffer,
) => Buffer;
pkcs11.PKCS11.prototype.C_GenerateRandom = function (session, bytes) {
  return isStuck() ? bytes.fill(7) : generate.call(this, session, bytes);
};

syncBuiltinESMExports();

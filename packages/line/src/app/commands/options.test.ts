import { mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { passphrase } from "./options.js";

test("a secret is not read here: only where it comes from is handed on", () => {
  const folder = mkdtempSync(join(tmpdir(), "persoline-options-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "secret"), "a passphrase");
  const fd = openSync(join(folder, "secret"), "r");
  expect(passphrase({ passphraseFd: fd })).toEqual({ passphrase: { fd } });
  const token = { security: "pkcs11", token: "t", tokenLibrary: "/lib.so" } as const;
  expect(passphrase({ ...token, tokenPinFd: fd })).toEqual({
    token: { label: "t", library: "/lib.so", pin: { fd } },
  });
  expect(passphrase(token)).toEqual({
    token: {
      label: "t",
      library: "/lib.so",
      pin: { question: "PIN of token t", instead: "give a file descriptor with --token-pin-fd" },
    },
  });
  expect(passphrase({})).toBeUndefined();
});

test("a descriptor that is not open is told with the option that names it", () => {
  expect(() => passphrase({ passphraseFd: 987 })).toThrow(
    "--passphrase-fd 987: no such file descriptor is open",
  );
});

/** Tests with real PC/SC run where `tools/pcsc.mjs` has made a world for them, and nowhere else: a machine's own readers are no test bench. */
export default function inside(): void {
  if (process.env["PERSOLINE_PRIVATE_PCSC"] !== undefined) return;
  throw new Error(
    "these tests need a private PC/SC world: node tools/pcsc.mjs namespace npx vitest run --project pcsc [FILE]",
  );
}

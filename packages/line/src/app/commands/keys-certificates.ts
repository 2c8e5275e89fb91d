/** `persoline keys request | certificate`: an issuer's RSA key and the scheme that certifies it. */
import { writeFileSync } from "node:fs";
import type { Command } from "commander";
import { z } from "zod";
import type { CertificateFile } from "../../devices/hsm/office/types.js";
import { office } from "../key-office.js";
import { Refusal } from "../problem.js";
import { begin, fileOf, type Options, text, told, withCustodian, withKeystore } from "./keys-options.js";
import { print, printJson } from "./options.js";

const hexadecimal = z
  .string()
  .regex(/^(?:[0-9A-Fa-f]{2})*$/, "hexadecimal digits, two for each byte")
  .transform((digits) => digits.toUpperCase());
const certificateSchema = z.strictObject({
  format: z.literal("persoline-issuer-certificate"),
  version: z.literal(1),
  authorityIndex: z.number().int().min(0).max(255),
  authority: z.strictObject({ modulus: hexadecimal, exponent: hexadecimal }),
  certificate: hexadecimal,
  remainder: hexadecimal,
  exponent: hexadecimal,
});

function certificateFile(file: string): CertificateFile {
  let content: unknown;
  try {
    content = JSON.parse(text(file));
  } catch (problem) {
    if (problem instanceof Refusal) throw problem;
    throw new Refusal(`${file}: this is no JSON; docs/keys.md shows a certificate's file`);
  }
  const read = certificateSchema.safeParse(content);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new Refusal(
      `${file}: ${issue?.path.join(".") ?? ""}: ${issue?.message ?? "it is wrong"}; docs/keys.md shows a certificate's file`,
    );
  }
  const { authorityIndex, authority, certificate, remainder, exponent } = read.data;
  return { authorityIndex, authority, certificate, remainder, exponent };
}

/** Of an issuer's RSA key and the scheme that certifies it. */
export function addCertificates(keys: Command): void {
  withKeystore(keys.command("request"))
    .description("the public half of an issuer's RSA key, for the scheme's authority to certify")
    .argument("<key>", "its name")
    .option("--out <file>", "where it goes (default: printed)")
    .addHelpText("after", "\nExample:\n  $ persoline keys request pay-issuer --out pay-issuer.request.json")
    .action(async (name: string, options: Options & { readonly out?: string }) => {
      const { request = "" } = await office({ ask: "request", name }, options);
      if (options.out !== undefined) writeFileSync(options.out, `${request}\n`);
      if (options.json === true) return printJson({ key: name, request, ...fileOf(options.out) });
      if (options.out === undefined) return print(request);
      print(`The request is in ${options.out}: send it to the authority, and read them its fingerprint.`);
    });

  withCustodian(keys.command("certificate"))
    .description(
      "take in the authority's certificate of an issuer's RSA key; it is judged with the authority's key",
    )
    .argument("<key>", "its name")
    .requiredOption("--file <file>", "the certificate, as docs/keys.md shows")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys certificate pay-issuer --file pay-issuer.certificate.json --by 'A. Meyer'",
    )
    .action(async (name: string, options: Options & { readonly by: string; readonly file: string }) => {
      const action = { do: "certificate" as const, name, file: certificateFile(options.file) };
      told(await begin(action, options), options.json);
    });
}

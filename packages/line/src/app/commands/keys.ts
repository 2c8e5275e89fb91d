/** `persoline keys`: the key office at the command line. Secrets come by prompt or file descriptor, never by an argument. */
import { readFileSync, writeFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { keyUses } from "../../devices/hsm/office/check-action.js";
import {
  type CertificateFile,
  type KcvMethod,
  kcvMethods,
  type KeyAction,
  type KeyPlan,
  type Leaving,
  type OfficeAnswer,
} from "../../devices/hsm/office/types.js";
import { deedText } from "../../devices/hsm/office/words.js";
import type { KeyStanding } from "../../devices/hsm/port.js";
import { policyOfFile } from "../order-policy.js";
import { makeOffice, office, type OfficeOptions } from "../key-office.js";
import { recordPage, recordText } from "../key-record.js";
import { Refusal } from "../problem.js";
import { print, printJson, textTable, whole, withData, withPassphrase } from "./options.js";

const withKeystore = (command: Command): Command => withPassphrase(withData(command));

/** A custodian sits: who, and where the passphrase comes from. */
const withCustodian = (command: Command): Command =>
  withKeystore(command)
    .requiredOption("--by <name>", "the custodian who sits here")
    .option(
      "--custodian-fd <number>",
      "file descriptor of the custodian's passphrase (default: asked at the terminal)",
      whole,
    );

const withPiece = (command: Command): Command =>
  withCustodian(command)
    .option(
      "--piece-fd <number>",
      "file descriptor of the component or share (default: asked at the terminal)",
      whole,
    )
    .option("--piece-kcv <digits>", "check value of the component that is entered")
    .option(
      "--piece-out-fd <number>",
      "file descriptor that the component or share is handed out to (default: the terminal)",
      whole,
    );

/** A day stands for its first moment, UTC. */
function moment(text: string): string {
  const time = Date.parse(text);
  if (!/^\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-]\d\d:\d\d))?$/.test(text) || Number.isNaN(time))
    throw new InvalidArgumentError("write 2027-01-01, or 2027-01-01T00:00:00Z");
  return new Date(time).toISOString();
}

const withPlan = (command: Command): Command =>
  command
    .addOption(
      new Option("--use <use>", "what it is for, and for nothing else")
        .choices(keyUses)
        .makeOptionMandatory(),
    )
    .addOption(
      new Option(
        "--algorithm <name>",
        "default: AES-128; scp02 and payment masters: 3DES; emv-issuer: RSA-1408; issuer-signature: Ed25519; stripe-encoder: X25519; scp11, card-authority: P-256",
      ).choices([
        "AES-128",
        "AES-192",
        "AES-256",
        "3DES",
        "RSA-1152",
        "RSA-1408",
        "Ed25519",
        "X25519",
        "P-256",
      ]),
    )
    .option("--from <date>", "the cryptoperiod begins", moment)
    .option("--until <date>", "the cryptoperiod ends: no new cards from then on", moment);

interface PlanOptions {
  readonly use: KeyPlan["use"];
  readonly algorithm?: KeyPlan["algorithm"];
  readonly from?: string;
  readonly until?: string;
}

const USUAL: Readonly<Partial<Record<KeyPlan["use"], KeyPlan["algorithm"]>>> = {
  scp02: "3DES",
  "emv-ac": "3DES",
  "emv-smi": "3DES",
  "emv-smc": "3DES",
  "emv-cvk": "3DES",
  "emv-pvk": "3DES",
  "ibm-3624": "3DES",
  "emv-issuer": "RSA-1408",
  "issuer-signature": "Ed25519",
  "stripe-encoder": "X25519",
  scp11: "P-256",
  "card-authority": "P-256",
};
const usual = (use: KeyPlan["use"]): KeyPlan["algorithm"] => USUAL[use] ?? "AES-128";

const planOf = (name: string, { use, algorithm = usual(use), from, until }: PlanOptions): KeyPlan => ({
  name,
  use,
  algorithm,
  ...(from === undefined ? {} : { from }),
  ...(until === undefined ? {} : { until }),
});

function mOfN(text: string): { readonly needed: number; readonly count: number } {
  const [, needed, count] = /^(\d{1,2})-of-(\d{1,2})$/.exec(text) ?? [];
  if (needed === undefined || count === undefined) throw new InvalidArgumentError("write it as 2-of-3");
  return { needed: Number(needed), count: Number(count) };
}

const text = (file: string): string => {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new Refusal(`${file} cannot be read: check the path`);
  }
};

const fileOf = (file: string | undefined): { readonly file?: string } => (file === undefined ? {} : { file });

/** `more`: what the ceremony gave out, for programs. */
function told(answer: OfficeAnswer, json: boolean | undefined, more: object = {}): void {
  if (json === true) {
    printJson({ ceremony: answer.ceremony, keys: answer.keys, pending: answer.pending, ...more });
    return;
  }
  const { ceremony } = answer;
  if (ceremony === undefined) return;
  const { number, left, what } = ceremony;
  print(
    left === 0
      ? `Ceremony ${number} is whole (${what}); "persoline keys record ${number}" prints its record.`
      : `Ceremony ${number} (${what}) waits for ${String(left)} more: each goes on with "persoline keys confirm ${number} --by NAME".`,
  );
}

type Options = OfficeOptions & { readonly json?: boolean; readonly pieceKcv?: string };

async function begin(action: KeyAction, options: Options & { readonly by: string }): Promise<OfficeAnswer> {
  const { by, pieceKcv } = options;
  return office({ ask: "begin", action, by, ...(pieceKcv === undefined ? {} : { pieceKcv }) }, options);
}

export function addKeyCommands(program: Command): void {
  const keys = program.command("keys").description("keys from their birth to their end, by two custodians");
  addOffice(keys);
  addBirths(keys);
  addLives(keys);
  addCertificates(keys);
  addLists(keys);
  addCeremonies(keys);
}

function addOffice(keys: Command): void {
  withKeystore(keys.command("init"))
    .description("make a keystore, or what a token needs, without cards' keys")
    .addOption(
      new Option("--environment <name>", "test and live keys never meet")
        .choices(["test", "live"])
        .makeOptionMandatory(),
    )
    .option(
      "--letter-printer <file>",
      "public key of the letter printer (X25519, PEM); live keystores need it",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys init --environment live --letter-printer printer.pem --passphrase-fd 3 3<pass",
    )
    .action(
      async (
        options: Options & { readonly environment: "test" | "live"; readonly letterPrinter?: string },
      ) => {
        const what = await makeOffice(options);
        if (options.json === true) return printJson({ made: what, environment: options.environment });
        print(
          `${what} is made, for ${options.environment} cards. Enrol two custodians with "persoline keys custodian".`,
        );
      },
    );

  withKeystore(keys.command("custodian"))
    .description("enrol a custodian: the first two by themselves, later ones confirmed by two others")
    .argument("<name>", "who")
    .option(
      "--custodian-fd <number>",
      "file descriptor of the new passphrase (default: asked at the terminal)",
      whole,
    )
    .addHelpText("after", "\nExample:\n  $ persoline keys custodian 'A. Meyer'")
    .action(async (name: string, options: Options) => {
      told(await begin({ do: "custodian", name }, { ...options, by: name }), options.json);
    });

  withKeystore(keys.command("list"))
    .description("all keys: use, check value, state, cryptoperiod; no value")
    .addHelpText("after", "\nExample:\n  $ persoline keys list")
    .action(async (options: Options) => {
      const { keys: list, custodians, environment, revision } = await office({ ask: "list" }, options);
      if (options.json === true) return printJson({ environment, revision, keys: list, custodians });
      const inToken = list.some(({ standing }) => standing !== undefined);
      print(
        textTable(
          [
            "key",
            "use",
            "algorithm",
            "check value",
            "state",
            "from",
            "until",
            "origin",
            ...(inToken ? ["in the token"] : []),
          ],
          list.map(({ name, use, algorithm, kcv, published, life, standing }) => [
            name,
            use,
            algorithm,
            kcv,
            life?.state ?? "active",
            life?.from?.slice(0, 10) ?? "",
            life?.until?.slice(0, 10) ?? "",
            published ? "published" : (life?.source ?? "drawn"),
            ...(inToken ? [standing === undefined ? "" : standingText(standing)] : []),
          ]),
        ),
      );
      const names = custodians.map(({ name, locked }) => (locked ? `${name} (locked out)` : name));
      print(
        `\nKeystore for ${environment} cards, revision ${String(revision)}. Custodians: ${names.join(", ") || "none"}.`,
      );
    });
}

/** What the token says of a key; one that was made before this was asked for works on, and is told. */
const standingText = ({ born, fixed }: KeyStanding): string =>
  `${born ? "drawn there" : "brought in"}, ${fixed ? "fixed" : "MAY BE CHANGED OR COPIED: replace it"}`;

function addBirths(keys: Command): void {
  withPlan(withPiece(keys.command("generate")))
    .description("draw a key in the security module; it can leave now, in pieces or wrapped, and never later")
    .argument("<name>", "small letters, digits, dashes")
    .option("--components <n>", "XOR components, one handed to each of n custodians", whole)
    .option("--shares <m-of-n>", "shares, one handed to each of n custodians; any m give the key back", mOfN)
    .option("--under <key>", "a key block (X9.143) under this key-block key")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys generate issuer-2027 --use scp03 --algorithm AES-256 --until 2029-01-01 --by 'A. Meyer'",
    )
    .action(
      async (
        name: string,
        options: Options &
          PlanOptions & {
            readonly by: string;
            readonly components?: number;
            readonly shares?: { readonly needed: number; readonly count: number };
            readonly under?: string;
          },
      ) => {
        const { components, shares, under } = options;
        const ways: Leaving[] = [
          ...(components === undefined ? [] : [{ as: "components" as const, count: components }]),
          ...(shares === undefined ? [] : [{ as: "shares" as const, ...shares }]),
          ...(under === undefined ? [] : [{ as: "block" as const, under }]),
        ];
        const [leaves, second] = ways;
        if (second !== undefined)
          throw new Refusal("a key leaves in one way: --components, --shares or --under");
        const key = planOf(name, options);
        told(
          await begin({ do: "generate", key, ...(leaves === undefined ? {} : { leaves }) }, options),
          options.json,
        );
      },
    );

  withPlan(withPiece(keys.command("import")))
    .description("bring a key in: components or shares by their custodians, a key block, or a public key")
    .argument("<name>", "small letters, digits, dashes")
    .option("--components <n>", "XOR components, one from each of n custodians", whole)
    .option("--shares <m>", "m shares, one from each of m custodians", whole)
    .option("--kcv <digits>", "check value of the whole key, as its sender states it")
    .addOption(new Option("--kcv-method <name>", "how it is taken").choices([...kcvMethods]).default("gp"))
    .option("--block <file>", "a key block (X9.143, version B or D)")
    .option("--under <key>", "the key-block key that protects it")
    .option(
      "--public <file>",
      "a public key, PEM: an issuer's (Ed25519), a card authority's (P-256) or a stripe encoder's (X25519)",
    )
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys import zmk --use key-block --algorithm AES-256 --components 2 --kcv 1A2B3C --piece-kcv 445566 --by 'A. Meyer'",
    )
    .action(async (name: string, options: ImportOptions) => {
      told(await begin(importAction(planOf(name, options), options), options), options.json);
    });
}

interface ImportOptions extends Options, PlanOptions {
  readonly by: string;
  readonly components?: number;
  readonly shares?: number;
  readonly kcv?: string;
  readonly kcvMethod: KcvMethod;
  readonly block?: string;
  readonly under?: string;
  readonly public?: string;
}

function importAction(key: KeyPlan, options: ImportOptions): KeyAction {
  const { components, shares, kcv, kcvMethod: method, block, under, public: open } = options;
  const ways = [components, shares, block, open].filter((way) => way !== undefined);
  if (ways.length !== 1)
    throw new Refusal("say how it comes: --components, --shares, --block or --public, one of them");
  if (open !== undefined) return { do: "import-public", key, pem: text(open) };
  if (block !== undefined) {
    if (under === undefined) throw new Refusal("a key block needs --under, the key that protects it");
    return { do: "import-block", key, under, block: text(block) };
  }
  if (kcv === undefined) throw new Refusal("pieces need --kcv, the check value of the whole key");
  const common = { do: "import" as const, key, kcv: kcv.toUpperCase(), method };
  if (components !== undefined) return { ...common, form: "components", count: components };
  return { ...common, form: "shares", count: shares ?? 0 };
}

function addLives(keys: Command): void {
  withPlan(withCustodian(keys.command("rotate")))
    .description("draw a successor; the old key makes no new cards from then on")
    .argument("<key>", "the old one")
    .requiredOption("--to <name>", "name of the new one")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys rotate issuer-2027 --to issuer-2028 --use scp03 --algorithm AES-256 --by 'A. Meyer'",
    )
    .action(
      async (old: string, options: Options & PlanOptions & { readonly by: string; readonly to: string }) => {
        told(await begin({ do: "rotate", old, key: planOf(options.to, options) }, options), options.json);
      },
    );

  for (const [command, state, description] of [
    ["activate", "active", "let a waiting or suspended key make cards"],
    ["suspend", "suspended", "let a key do nothing until it is activated again"],
    ["retire", "deactivated", "end a key: it makes no new cards, and still checks old ones"],
    ["compromise", "compromised", "declare a key compromised: it is used for nothing any more"],
    ["destroy", "destroyed", "wipe a retired or compromised key's value for ever"],
  ] as const) {
    withCustodian(keys.command(command))
      .description(description)
      .argument("<key>", "its name")
      .requiredOption("--reason <text>", "why; it stands in the record")
      .addHelpText(
        "after",
        `\nExample:\n  $ persoline keys ${command} issuer-2026 --reason 'end of its period' --by 'A. Meyer'`,
      )
      .action(async (name: string, options: Options & { readonly by: string; readonly reason: string }) => {
        told(await begin({ do: "state", name, state, reason: options.reason }, options), options.json);
      });
  }

  withCustodian(keys.command("export-block"))
    .description("hand out the key block that was made at a key's birth; any other key cannot leave")
    .argument("<key>", "its name")
    .addHelpText("after", "\nExample:\n  $ persoline keys export-block tk-bank --by 'A. Meyer'")
    .action(async (name: string, options: Options & { readonly by: string }) => {
      told(await begin({ do: "export-block", name }, options), options.json);
    });
}

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
function addCertificates(keys: Command): void {
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

/** What orders may have done with their secrets. */
function addLists(keys: Command): void {
  withCustodian(keys.command("allow"))
    .description(
      "let the module put an order's secrets where its product says; in live no order goes without",
    )
    .argument("<order>", "an order file of the product")
    .addHelpText("after", "\nExample:\n  $ persoline keys allow order.yaml --by 'A. Meyer'")
    .action(async (order: string, options: Options & { readonly by: string }) => {
      const { name, sentences } = await policyOfFile(order, options);
      if (options.json !== true) print(`Orders of ${name} may have done:\n  ${sentences.join("\n  ")}\n`);
      told(await begin({ do: "allow", name, sentences }, options), options.json);
    });

  withCustodian(keys.command("forbid"))
    .description("end a list: orders that were opened with it put no more secrets anywhere")
    .argument("<list>", "eight or more digits of its SHA-256")
    .requiredOption("--reason <text>", "why; it stands in the record")
    .addHelpText(
      "after",
      "\nExample:\n  $ persoline keys forbid 5f0c9a1b --reason 'the product has a new application' --by 'A. Meyer'",
    )
    .action(async (name: string, options: Options & { readonly by: string; readonly reason: string }) => {
      told(await begin({ do: "forbid", name, reason: options.reason }, options), options.json);
    });

  withKeystore(keys.command("allowed"))
    .description("what orders may have done with their secrets, product by product")
    .addHelpText("after", "\nExample:\n  $ persoline keys allowed")
    .action(async (options: Options) => {
      const { lists } = await office({ ask: "list" }, options);
      if (options.json === true) return printJson({ lists });
      for (const { name, digest, sentences, ceremony, since, ended } of lists)
        print(
          `${name}, SHA-256 ${digest}, ${ceremony}, from ${since}${ended === undefined ? "" : ` to ${ended}`}\n  ${sentences.join("\n  ")}\n`,
        );
      if (lists.length === 0) print("Nothing was allowed yet.");
    });
}

function addCeremonies(keys: Command): void {
  withKeystore(keys.command("ceremonies"))
    .description("ceremonies that wait for a custodian, and those that are whole")
    .addHelpText("after", "\nExample:\n  $ persoline keys ceremonies")
    .action(async (options: Options) => {
      const { pending, records } = await office({ ask: "list" }, options);
      if (options.json === true) return printJson({ pending, records });
      print(
        textTable(
          ["ceremony", "what", "sat", "needed"],
          pending.map(({ number, action, sittings, needed }) => [
            number,
            deedText(action),
            sittings.map(({ by }) => by).join(", "),
            needed,
          ]),
        ),
      );
      for (const { number, action } of pending)
        if (action.do === "allow") print(`\n${number} would allow:\n  ${action.sentences.join("\n  ")}`);
      print(`\n${String(records.length)} ceremonies are whole; all their records are in order.`);
    });

  withPiece(keys.command("confirm"))
    .description("the next custodian's sitting; the last one makes the ceremony whole")
    .argument("<ceremony>", "its number, C-0001")
    .option("--out <file>", "where a key block goes that leaves now")
    .addHelpText("after", "\nExample:\n  $ persoline keys confirm C-0003 --by 'B. Novak'")
    .action(async (number: string, options: Options & { readonly by: string; readonly out?: string }) => {
      const { by, pieceKcv, out } = options;
      const answer = await office(
        { ask: "confirm", number, by, ...(pieceKcv === undefined ? {} : { pieceKcv }) },
        options,
      );
      const { block } = answer;
      if (block !== undefined && out !== undefined) writeFileSync(out, `${block}\n`, { mode: 0o600 });
      told(answer, options.json, block === undefined ? {} : out === undefined ? { block } : fileOf(out));
      if (block === undefined || options.json === true) return;
      print(out === undefined ? block : `The key block is in ${out}.`);
    });

  withCustodian(keys.command("cancel"))
    .description("end a ceremony that is not whole; its pieces are forgotten")
    .argument("<ceremony>", "its number")
    .addHelpText("after", "\nExample:\n  $ persoline keys cancel C-0003 --by 'A. Meyer'")
    .action(async (number: string, options: Options & { readonly by: string }) => {
      await office({ ask: "cancel", number, by: options.by }, options);
      if (options.json === true) return printJson({ ceremony: number, state: "cancelled" });
      print(`Ceremony ${number} is over; nothing of it stays.`);
    });

  withKeystore(keys.command("record"))
    .description("the signed record of a whole ceremony, to print and to sign by hand")
    .argument("<ceremony>", "its number")
    .option("--html <file>", "as a page that prints well")
    .addHelpText("after", "\nExample:\n  $ persoline keys record C-0003 --html C-0003.html")
    .action(async (number: string, options: Options & { readonly html?: string }) => {
      const { records, signedBy } = await office({ ask: "list" }, options);
      const record = records.find((one) => one.text.includes(`"number": "${number}"`));
      if (record === undefined)
        throw new Refusal(
          `no ceremony ${number} is whole; "persoline keys ceremonies" shows those that wait`,
        );
      if (options.html !== undefined) writeFileSync(options.html, recordPage(record, signedBy));
      if (options.json === true) return printJson({ ...record, signedBy, ...fileOf(options.html) });
      if (options.html === undefined) return print(recordText(record, signedBy));
      print(`The record is in ${options.html}.`);
    });
}

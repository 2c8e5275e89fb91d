/** `persoline keys generate | import`: how keys come to be. */
import { type Command, InvalidArgumentError, Option } from "commander";
import {
  type KcvMethod,
  kcvMethods,
  type KeyAction,
  type KeyPlan,
  type Leaving,
} from "../../devices/hsm/office/types.js";
import { WrongUsage } from "../problem.js";
import { begin, judgeAction, type Options, text, told, withPiece } from "./keys-options.js";
import { planOf, type PlanOptions, withPlan } from "./keys-plan.js";
import { whole } from "./options.js";

function mOfN(text: string): { readonly needed: number; readonly count: number } {
  const [, needed, count] = /^(\d{1,2})-of-(\d{1,2})$/.exec(text) ?? [];
  if (needed === undefined || count === undefined) throw new InvalidArgumentError("write it as 2-of-3");
  return { needed: Number(needed), count: Number(count) };
}

export function addBirths(keys: Command): void {
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
          throw new WrongUsage("a key leaves in one way: --components, --shares or --under");
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
    .addOption(new Option("--kcv-method <name>", "how it is taken (default: gp)").choices([...kcvMethods]))
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
  readonly kcvMethod?: KcvMethod;
  readonly block?: string;
  readonly under?: string;
  readonly public?: string;
}

/** Throws WrongUsage. */
function importAction(key: KeyPlan, options: ImportOptions): KeyAction {
  const { components, shares, kcv, kcvMethod: method, block, under, public: open } = options;
  const ways = [components, shares, block, open].filter((way) => way !== undefined);
  if (ways.length !== 1)
    throw new WrongUsage("say how it comes: --components, --shares, --block or --public, one of them");
  if (block === undefined && under !== undefined)
    throw new WrongUsage("--under is the key that protects a key block: it goes with --block");
  const inPieces = components !== undefined || shares !== undefined;
  if (!inPieces && (kcv !== undefined || method !== undefined))
    throw new WrongUsage(
      "--kcv and --kcv-method are for a key in pieces: they go with --components or --shares",
    );
  if (open !== undefined) {
    // The words first: a file that is not there is another matter.
    judgeAction({ do: "import-public", key, pem: "" });
    return { do: "import-public", key, pem: text(open) };
  }
  if (block !== undefined) {
    if (under === undefined) throw new WrongUsage("a key block needs --under, the key that protects it");
    judgeAction({ do: "import-block", key, under, block: "" });
    return { do: "import-block", key, under, block: text(block) };
  }
  if (kcv === undefined) throw new WrongUsage("pieces need --kcv, the check value of the whole key");
  const common = { do: "import" as const, key, kcv: kcv.toUpperCase(), method: method ?? "gp" };
  if (components !== undefined) return { ...common, form: "components", count: components };
  return { ...common, form: "shares", count: shares ?? 0 };
}

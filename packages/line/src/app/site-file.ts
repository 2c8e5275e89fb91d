/** The gates file: a site's zones and gates, and which cards open them. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { z } from "zod";
import { isTimeZone } from "../access/calendar.js";
import type { GateCard } from "../access/gate-card.js";
import { outside, type Site } from "../access/types.js";
import { DataProblem } from "../orders/problem.js";
import { type ReadYaml, strictYaml } from "../orders/yaml.js";
import type { AnyProduct } from "../plan/product.js";
import { gateCard } from "./gate-cards.js";
import { readAnyProduct } from "./job.js";

const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9-]{0,31}$/, "a name has 1 to 32 letters, digits and dashes");

const siteSchema = z.strictObject({
  site: z.string().min(1).max(80).describe("What people call the place"),
  "time-zone": z.string().min(1).describe('IANA name: "Europe/Berlin". Days and validity are local'),
  product: z
    .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(16)])
    .describe(
      "The product files of the cards that open these gates; one, or a list: cards of all kinds may pass",
    ),
  keys: z.string().min(1).describe("The key file of the security module"),
  forgive: z
    .string()
    .regex(/^([01]\d|2[0-3]):[0-5]\d$/, "a time of day has the form HH:MM, in quotes")
    .optional()
    .describe("When, each day, anti-passback forgets where everybody is"),
  zones: z
    .array(
      z.strictObject({
        name,
        in: name.optional().describe("The zone it lies in"),
        rights: z
          .array(name)
          .default([])
          .describe("Rights on the card of which one lets its holder in; none: everybody"),
        limit: z.number().int().min(1).max(100_000).optional().describe("At most so many people at a time"),
        muster: z.boolean().default(false).describe("People gather here in an emergency"),
      }),
    )
    .min(1),
  gates: z
    .array(
      z.strictObject({
        name,
        from: name.describe('A zone, or "outside"'),
        to: name,
        passback: z
          .union([
            z.enum(["off", "soft", "hard"]),
            z.strictObject({ minutes: z.number().int().min(1).max(1440) }),
          ])
          .default("off")
          .describe("Anti-passback"),
      }),
    )
    .min(1),
});

type SiteYaml = z.output<typeof siteSchema>;

export interface SiteProduct {
  readonly product: AnyProduct;
  /** Absolute. */
  readonly file: string;
}

export interface SiteFile {
  readonly file: string;
  readonly site: Site;
  /** One for each product. */
  readonly cards: readonly GateCard[];
  readonly products: readonly SiteProduct[];
  /** Absolute. */
  readonly keys: string;
}

/** JSON Schema (draft 2020-12), for editors. */
export const siteJsonSchema = (): unknown => ({
  title: "Persoline gates",
  ...z.toJSONSchema(siteSchema, { io: "input" }),
});

/** Throws DataProblem with everything that is wrong with the file. */
export async function readSite(file: string): Promise<SiteFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: "the gates file cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "name it with --gates" }]);
  }
  const read = strictYaml(siteSchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const problems = meaning(read);
  if (problems.length > 0) throw new DataProblem(problems);
  const { value } = read;
  const home = dirname(resolve(file));
  const products: SiteProduct[] = [];
  for (const named of [value.product].flat()) {
    const productFile = resolve(home, named);
    products.push({ product: (await readAnyProduct(productFile)).product, file: productFile });
  }
  return {
    file: resolve(file),
    site: {
      name: value.site,
      timeZone: value["time-zone"],
      ...(value.forgive === undefined ? {} : { forgive: value.forgive }),
      zones: value.zones.map(({ in: parent, limit, ...zone }) => ({
        ...zone,
        ...(parent === undefined ? {} : { parent }),
        ...(limit === undefined ? {} : { limit }),
      })),
      gates: value.gates.map(({ passback, ...gate }) => ({
        ...gate,
        passback:
          typeof passback === "string" ? { kind: passback } : { kind: "timed", minutes: passback.minutes },
      })),
    },
    cards: products.map(({ product }) => gateCard(product, file)),
    products,
    keys: resolve(home, value.keys),
  };
}

function meaning({ value, problem }: ReadYaml<SiteYaml>): ReturnType<typeof problem>[] {
  const problems: ReturnType<typeof problem>[] = [];
  const say = (path: (string | number)[], code: string, message: string, remedy: string): void => {
    problems.push(problem(path, code, message, remedy));
  };
  const zones = value.zones.map((zone) => zone.name);
  if (!isTimeZone(value["time-zone"])) {
    say(["time-zone"], "time-zone", "this is no time zone", 'use an IANA name, for example "Europe/Berlin"');
  }
  const products = [value.product].flat();
  if (new Set(products).size < products.length)
    say(["product"], "twice", "a product is there twice", "keep one");
  for (const [at, zone] of value.zones.entries()) {
    if (zones.indexOf(zone.name) !== at)
      say(["zones", at, "name"], "twice", `the zone ${zone.name} is there twice`, "keep one");
    if (zone.name === outside)
      say(["zones", at, "name"], "outside", "outside is no zone", "give the zone another name");
    if (zone.in !== undefined && !zones.slice(0, at).includes(zone.in)) {
      say(
        ["zones", at, "in"],
        "unknown-zone",
        `the zone ${zone.in} does not stand above this one`,
        "name a zone that stands further up",
      );
    }
  }
  for (const [at, gate] of value.gates.entries()) {
    if (value.gates.findIndex((other) => other.name === gate.name) !== at) {
      say(
        ["gates", at, "name"],
        "twice",
        `the gate ${gate.name} is there twice`,
        "give each gate a name of its own",
      );
    }
    for (const side of ["from", "to"] as const) {
      if (gate[side] !== outside && !zones.includes(gate[side])) {
        say(
          ["gates", at, side],
          "unknown-zone",
          `there is no zone ${gate[side]}`,
          `use one of ${[outside, ...zones].join(", ")}`,
        );
      }
    }
    if (gate.from === gate.to)
      say(["gates", at, "to"], "same-zone", "a gate leads from one zone into another", "change from or to");
  }
  return problems;
}

import { aid, hex, unhex } from "@persoline/card/bytes";
import { clearField, groupingOf, instructionsIn } from "../../orders/issuer.js";
import { arranged } from "@persoline/card/issuer-data";
import { preparePayment } from "@persoline/card/emv";
import { installForPersonalization, storeDgis } from "@persoline/card/globalplatform";
import { type CardProgram, dataLength, type Part, type Step } from "@persoline/card/program";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import {
  ContentProblem,
  fieldsOf,
  plainForms,
  templateOf,
  tlvBytes,
  type ValueForm,
  type Values,
  valueBytes,
} from "../content.js";
import type { ContentModel } from "../product-model.js";
import {
  cardState,
  dismissAuthority,
  exactly,
  groupingHead,
  groupingName,
  installed,
  noReceipt,
  putKeys,
  select,
  stepOf,
  store,
} from "./commands.js";
import { mostData, type PlannedGp } from "./compile.js";
import type { GpApplication, GpProduct, IssuerGrouping } from "./model.js";
import { paymentCard, paymentFaults } from "./payment/record.js";
import { paymentSegment } from "./payment/steps.js";
import { pinProblems } from "../pin-origin.js";

/** Most bytes of a grouping that GET DATA gives back in one answer. */
const mostRead = 239;
const mostIssuer = { identification: 16, cardImage: 32 } as const;
/** Grouping of the access applet's PIN (docs/gp-card.md 7). */
const PIN = 0x8281;

const formsOf = (content: ContentModel): readonly ValueForm[] =>
  content.kind === "tlv"
    ? content.objects.map(([, form]) => form)
    : content.kind === "value"
      ? [content.form]
      : [];

/** What stands in a grouping of the product's own. Throws ContentProblem. */
export function bytesOf(app: GpApplication, id: number, content: ContentModel, values: Values): Uint8Array {
  const bytes =
    content.kind === "tlv"
      ? tlvBytes(content.objects, values)
      : content.kind === "value"
        ? valueBytes(content.form, values)
        : new Uint8Array(0);
  const most = app.read.includes(id) ? mostRead : 1024;
  if (bytes.length <= most) return bytes;
  throw new ContentProblem(
    `needs ${bytes.length} bytes, grouping ${groupingName(id)} of ${app.name} takes ${most}`,
  );
}

/** Issuer identification number and card image number, as STORE DATA of the security domain. Throws ContentProblem. */
function issuerSteps({ issuer }: GpProduct, values: Values): Step[] {
  const object = (name: keyof typeof mostIssuer, tag: number) => {
    const form = issuer[name];
    if (form === undefined) return [];
    const value = valueBytes(form, values);
    if (value.length > mostIssuer[name])
      throw new ContentProblem(
        `needs ${value.length} bytes, tag ${tag.toString(16)} takes ${mostIssuer[name]}`,
      );
    return [tlv(tag, value)];
  };
  const objects = [...object("identification", 0x42), ...object("cardImage", 0x45)];
  if (objects.length === 0) return [];
  const data = encodeTlv(objects);
  return [
    store(
      { structure: "ber-tlv", block: 0, last: true },
      [data],
      "issuer identification and card image number",
    ),
  ];
}

interface StoredBlock {
  readonly parts: readonly Part[];
  readonly secret: boolean;
  readonly what: string;
  /** The card may not know it, and goes on without it. */
  readonly optional?: true;
}

/** A grouping of the issuer's: as it is, or filled in by the security module. `block`: the session's data key works in such blocks. */
function issuerBlock(
  app: GpApplication,
  { id, bytes, secret, pad }: IssuerGrouping,
  block: 8 | 16,
  values: Values,
): StoredBlock {
  const name = groupingOf(hex(app.aid), id);
  const what = `the issuer's grouping ${groupingName(id)} of ${app.name}`;
  if (!secret) {
    const value = values[clearField(name)];
    if (typeof value !== "string" || value.length !== 2 * bytes)
      throw new ContentProblem(`has no grouping ${groupingName(id)} of ${bytes} bytes from the issuer`);
    return { parts: [groupingHead(id, bytes), unhex(value)], secret, what };
  }
  const padded = pad ? bytes + block - (bytes % block) : bytes;
  const part: Part = {
    secret: "issuer-dgi",
    application: hex(app.aid),
    dgi: id,
    length: bytes,
    ...(pad ? { pad: block } : {}),
  };
  return {
    parts: [groupingHead(id, padded), part],
    secret,
    what: `${what}, from the transport key to the session's data key`,
  };
}

/** The issuer's groupings as its instructions have them sent (docs/issuer-data.md). Throws ContentProblem. */
function issuerBlocks(app: GpApplication, most: number, block: 8 | 16, values: Values): StoredBlock[] {
  if (app.issuer.length === 0) return [];
  const instructions = instructionsIn(values, hex(app.aid));
  return arranged(
    app.issuer.map(({ id }) => id),
    instructions,
  ).map(({ ids, optional }) => {
    const blocks = ids.flatMap((id) => {
      const found = app.issuer.find((one) => one.id === id);
      return found === undefined ? [] : [issuerBlock(app, found, block, values)];
    });
    const parts = blocks.flatMap((one) => one.parts);
    const length = dataLength({ data: parts }, "scp03");
    if (blocks.length > 1 && length > most)
      throw new ContentProblem(
        `has groupings ${ids.map(groupingName).join(", ")} of ${app.name} in one command (GROUP): they need ${length} bytes, a command takes ${most}`,
      );
    return {
      parts,
      secret: blocks.some(({ secret }) => secret),
      what: `${blocks.map(({ what }) => what).join("; ")}${optional ? " (6A88: this version of the application does not know it)" : ""}`,
      ...(optional ? { optional } : {}),
    };
  });
}

/** INSTALL [for personalization], then all groupings of one application; they count once the last block is in. */
function applicationSteps(
  app: GpApplication,
  pin: GpProduct["pin"],
  most: number,
  block: 8 | 16,
  values: Values,
): Step[] {
  const { keys } = app;
  const own = pin?.application === app.name ? pin : undefined;
  if (app.data.length === 0 && keys === undefined && own === undefined && app.issuer.length === 0) return [];
  const groupings = app.data.map(({ id, content }) => ({ id, value: bytesOf(app, id, content, values) }));
  const blocks: StoredBlock[] = [];
  if (groupings.length > 0) {
    for (const { data = new Uint8Array(0) } of storeDgis(groupings, { blockSize: most, together: true }))
      blocks.push({ parts: [data], secret: false, what: `data of ${app.name}` });
  }
  const named = keys === undefined ? [] : keys.ids.map((kid) => ({ keys: keys.master, kid }));
  for (const one of named) {
    const { kid } = one;
    const [checkValue, key] = [0x9000 | kid, 0x8100 | kid];
    blocks.push(
      {
        parts: [groupingHead(checkValue, 3), { secret: "check-value", ...one }],
        secret: false,
        what: `check value of key ${groupingName(kid).slice(2)} of ${app.name}`,
      },
      {
        parts: [groupingHead(key, 16), { secret: "wrapped-key", ...one }],
        secret: true,
        what: `key ${groupingName(kid).slice(2)} of ${app.name}, under the data encryption key`,
      },
    );
  }
  if (own !== undefined)
    blocks.push({
      parts: [groupingHead(PIN, 16), { secret: "pin", pin: own.name, tries: own.tries }],
      secret: true,
      what: `the PIN of ${app.name} (${own.length} digits, ${own.tries} tries), under the data encryption key`,
    });
  blocks.push(...issuerBlocks(app, most, block, values));
  return [
    stepOf(installForPersonalization(aid(app.aid)), {
      why: `what follows is for application ${app.name}`,
      clause: "GlobalPlatform 2.3.1 11.5.2.3.6, INSTALL [for personalization]",
      ...noReceipt,
    }),
    ...blocks.map(({ parts, secret, what, optional }, block) => ({
      ...store(
        {
          structure: "dgi",
          encryption: secret ? "encrypted" : "none",
          block,
          last: block === blocks.length - 1,
        },
        parts,
        `store ${what}`,
      ),
      ...(optional === true ? { sw: exactly(0x9000, 0x6a88) } : {}),
    })),
  ];
}

/**
 * One session under the initial keys, from the issuer's data to the issuer's keys, which come last (but for the maker's authority, which
 * then goes): what the key information template then
 * shows tells after an interruption whether all of it is done, and no key is ever tried.
 */
export function gpPersonalization(planned: PlannedGp, values: Values, attempt = 1): CardProgram {
  const { product, payment } = planned;
  const { initial, channel, form, isd, applications, stayingKeys } = product;
  const most = mostData(initial);
  const block = initial.protocol === "scp02" ? 8 : 16;
  const domain = select(isd, "the security domain");
  return {
    name: `${product.name}/personalization`,
    segments: [
      ...(payment === undefined
        ? []
        : [
            paymentSegment({
              app: payment.app,
              prepared: preparePayment(payment.profile, paymentCard(payment, values, attempt)),
              channel: initial,
              isd,
              most,
            }),
          ]),
      {
        name: "personalize",
        channel: initial,
        steps: [
          ...issuerSteps(product, values),
          ...applications.flatMap((app) => applicationSteps(app, product.pin, most, block, values)),
          ...cardState("secured", isd),
          putKeys(product),
          ...(initial.protocol === "scp11" && initial.host !== undefined
            ? [dismissAuthority(initial.host.authorityKvn)]
            : []),
        ],
        // What was asked of the payment application has left it selected.
        ...(payment === undefined ? {} : { before: [domain] }),
        done: [...(payment === undefined ? [] : [domain]), installed(channel.kvn, form, stayingKeys)],
      },
    ],
  };
}

export interface GpProblem {
  readonly columns: readonly string[];
  readonly message: string;
  /** Where the usual ones would not help. */
  readonly code?: string;
  readonly remedy?: string;
}

/** The columns of what does not fit, with the reason; nothing of the values. */
export function gpProblems({ product, payment }: PlannedGp, values: Values): readonly GpProblem[] {
  const columnOf = (field: string): string =>
    product.columns.find((column) => column.field === field)?.column ?? field;
  const paid = payment === undefined ? [] : paymentFaults(payment, values);
  const fitting = (forms: readonly ValueForm[], make: () => unknown) => {
    try {
      make();
      return [];
    } catch (thrown) {
      if (!(thrown instanceof ContentProblem)) throw thrown;
      const fields = forms.flatMap(plainForms).flatMap((form) => fieldsOf(templateOf(form) ?? ""));
      const columns = product.columns.filter(({ field }) => fields.includes(field));
      return [{ columns: columns.map(({ column }) => column), message: thrown.message }];
    }
  };
  const { identification, cardImage } = product.issuer;
  const issuer = [identification, cardImage].filter((form) => form !== undefined);
  return [
    ...pinProblems(product, values),
    ...paid.map(({ field, ...told }) => ({ columns: [columnOf(field)], ...told })),
    ...fitting(issuer, () => issuerSteps(product, values)),
    ...product.applications.flatMap((app) =>
      fitting([], () =>
        issuerBlocks(app, mostData(product.initial), product.initial.protocol === "scp02" ? 8 : 16, values),
      ),
    ),
    ...product.applications.flatMap((app) =>
      app.data.flatMap(({ id, content }) =>
        fitting(formsOf(content), () => bytesOf(app, id, content, values)),
      ),
    ),
  ];
}

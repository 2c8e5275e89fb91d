/** How a finished GlobalPlatform card shows what it has: readable data by content, all else by a proof that tells nothing of it. */
import { hex, unhex } from "@persoline/card/bytes";
import { preparePayment } from "@persoline/card/emv";
import type { CardProgram, IssuerSecret, ProvedKey, Step } from "@persoline/card/program";
import { clearField, groupingOf, instructionsIn } from "../../orders/issuer.js";
import { internalAuthenticate, pinSet, pinState } from "../commands.js";
import type { Values } from "../content.js";
import type { ShownContent } from "../told.js";
import { getObject, groupingName, installed, proveGrouping, select, statusOf } from "./commands.js";
import type { PlannedGp } from "./compile.js";
import type { GpApplication, GpProduct, IssuerGrouping } from "./model.js";
import { paymentCard } from "./payment/record.js";
import { directoryReading, paymentReading } from "./payment/steps.js";
import { bytesOf } from "./prepare.js";

const SELECTABLE = 0x07;
/** The access applet of the mask, which proves keys and groupings (docs/gp-card.md 7); what other modules have to prove is their own. */
const accessApplet = "A0000008760201";
/** Kinds of the applet's groupings, by their high byte. */
const KIND = { firstData: 0x01, lastData: 0x04, key: 0x81, pin: 0x82 } as const;

const isAccess = ({ module }: GpApplication): boolean => hex(module) === accessApplet;
const isData = (id: number): boolean => id >> 8 >= KIND.firstData && id >> 8 <= KIND.lastData;

const issuerSecret = (
  app: GpApplication,
  { id, bytes, pad }: IssuerGrouping,
  block: 8 | 16,
): IssuerSecret => ({
  application: hex(app.aid),
  dgi: id,
  length: bytes,
  ...(pad ? { pad: block } : {}),
});

/** Keys of the session that wrote, and so of padding, work in such blocks. */
const blockOf = ({ initial }: GpProduct): 8 | 16 => (initial.protocol === "scp02" ? 8 : 16);

/** What a card of every version has: groupings that it may refuse (VERCNTL) may not be there to be asked for. */
function kept(app: GpApplication, values: Values): GpApplication {
  const { optional } = instructionsIn(values, hex(app.aid));
  return optional.length === 0
    ? app
    : { ...app, issuer: app.issuer.filter(({ id }) => !optional.includes(id)) };
}

/** Every key of the applet's that the module can know: made from a master, or the issuer's. */
function keysOf(whole: GpApplication, product: GpProduct, values: Values): readonly ProvedKey[] {
  const app = kept(whole, values);
  if (!isAccess(app)) return [];
  const { keys } = app;
  return [
    ...(keys === undefined ? [] : keys.ids.map((kid) => ({ keys: keys.master, kid }))),
    ...app.issuer
      .filter(({ id, secret }) => secret && id >> 8 === KIND.key)
      .map((one) => ({ issuer: issuerSecret(app, one, blockOf(product)), kid: one.id & 0xff })),
  ];
}

/** Each key shows that it is the one for this chip, and costs no try. */
const keyProof = (app: GpApplication, key: ProvedKey): Step =>
  internalAuthenticate(
    key,
    `${app.name} proves ${"issuer" in key ? "the issuer's " : ""}key ${groupingName(key.kid).slice(2)}, which nobody can read`,
  );

/** The issuer's clear bytes of a grouping. */
function clearBytes(app: GpApplication, id: number, values: Values): Uint8Array {
  const value = values[clearField(groupingOf(hex(app.aid), id))];
  return unhex(typeof value === "string" ? value : "");
}

/** What is in the applet and not read, grouping by grouping; the issuer's secrets among it are known to the security module alone. */
const unread = (app: GpApplication) => ({
  own: app.data.filter(({ id }) => !app.read.includes(id)),
  issuer: app.issuer.filter(({ id, secret }) => isData(id) && (secret || !app.read.includes(id))),
});

/** One application after it was selected. Throws ContentProblem. */
function applicationProof(whole: GpApplication, product: GpProduct, values: Values): readonly Step[] {
  const app = kept(whole, values);
  const named = (id: number, whose = ""): string => `${whose}grouping ${groupingName(id)} of ${app.name}`;
  const keys = keysOf(app, product, values);
  const [key] = keys;
  const hidden = unread(app);
  const own = product.pin?.application === app.name ? product.pin : undefined;
  const isPinIssuers = isAccess(app) && app.issuer.some(({ id, secret }) => secret && id >> 8 === KIND.pin);
  return [
    ...app.data
      .filter(({ id }) => app.read.includes(id))
      .map(({ id, content }) => getObject(id, bytesOf(app, id, content, values), named(id))),
    ...app.issuer
      .filter(({ id, secret }) => !secret && app.read.includes(id))
      .map(({ id }) => getObject(id, clearBytes(app, id, values), named(id, "the issuer's "))),
    ...keys.map((one) => keyProof(app, one)),
    ...(key === undefined
      ? []
      : [
          ...hidden.own
            .filter(({ id }) => isData(id))
            .map(({ id, content }) =>
              proveGrouping({ ...key, id, content: bytesOf(app, id, content, values) }, named(id)),
            ),
          ...hidden.issuer.map((one) => {
            const { id, secret } = one;
            const content = secret ? issuerSecret(app, one, blockOf(product)) : clearBytes(app, id, values);
            return proveGrouping({ ...key, id, content }, named(id, "the issuer's "));
          }),
        ]),
    ...(own === undefined ? [] : [pinState(own.tries)]),
    ...(own === undefined && isPinIssuers ? [pinSet()] : []),
  ];
}

/** What the proof shows: groupings that are read, and those that the applet proves; also the issuer's in clear, which are data objects or nothing. */
export function gpShown(product: GpProduct, values: Values): readonly ShownContent[] {
  return product.applications.flatMap((whole) => {
    const app = kept(whole, values);
    const provable = keysOf(app, product, values).length > 0;
    const isShown = (id: number): boolean => app.read.includes(id) || (provable && isData(id));
    return [
      ...app.data
        .filter(({ id }) => isShown(id))
        .map(({ id, content }) => ({ content, bytes: bytesOf(app, id, content, values) })),
      ...app.issuer
        .filter(({ id, secret }) => !secret && isShown(id))
        .map(({ id }) => ({ bytes: clearBytes(app, id, values) })),
    ];
  });
}

/** What no proof of these cards shows, a sentence each: quality control says so rather than passing over it. */
export function gpUnproved(product: GpProduct, values: Values = {}): readonly string[] {
  return product.applications.flatMap((whole) => {
    if (whole.payment !== undefined || whole.directory !== undefined) return [];
    const app = kept(whole, values);
    const { optional } = instructionsIn(values, hex(app.aid));
    const hidden = unread(app);
    const provable = isAccess(app) && keysOf(app, product, values).length > 0;
    // Keys, PINs and check values of the applet prove themselves, or are told below; what those of others hold is theirs alone.
    const issuers = isAccess(app)
      ? hidden.issuer
      : app.issuer.filter(({ id, secret }) => secret || !app.read.includes(id));
    const told = provable ? [] : [...hidden.own, ...issuers].map(({ id }) => id);
    const missing = told.toSorted((a, b) => a - b).map(groupingName);
    const why = isAccess(app)
      ? "the application has no key to prove it with"
      : "they are not read, and the application is asked for no proof";
    const hasPin =
      product.pin?.application === app.name ||
      app.issuer.some(({ id, secret }) => isAccess(app) && secret && id >> 8 === KIND.pin);
    return [
      ...(optional.length === 0
        ? []
        : [
            `groupings ${optional.map(groupingName).join(", ")} of ${app.name}: the card may have refused them (VERCNTL)`,
          ]),
      ...(missing.length === 0 ? [] : [`content of groupings ${missing.join(", ")} of ${app.name}: ${why}`]),
      ...(!isAccess(app) && app.keys !== undefined
        ? [`keys of ${app.name}: the application is asked for no proof of them`]
        : []),
      ...(hasPin
        ? [
            `digits of the PIN of ${app.name}: a try would go out in clear; that it is set and has its tries is asked`,
          ]
        : []),
    ];
  });
}

/** What anyone can read, then what the issuer's channel shows; that it opens proves the keys on both sides. Throws ContentProblem. */
export function gpProof({ product, payment }: PlannedGp, values: Values, attempt = 1): CardProgram {
  const { channel, form, isd, applications, stayingKeys } = product;
  const paid =
    payment === undefined
      ? []
      : [
          ...applications.flatMap((app) =>
            app.directory === undefined ? [] : directoryReading(app, payment.profile),
          ),
          ...paymentReading(
            payment.app,
            preparePayment(payment.profile, paymentCard(payment, values, attempt)).dgis,
          ),
        ];
  const data = applications.flatMap((app) => {
    const steps = applicationProof(app, product, values);
    return steps.length === 0 ? [] : [select(app.aid, `application ${app.name}`), ...steps];
  });
  const read = [...paid, ...data];
  return {
    name: `${product.name}/proof`,
    segments: [
      {
        name: "read what is open",
        channel: "plain",
        steps: [
          {
            ...installed(channel.kvn, form, stayingKeys),
            why: "the issuer's keys are in the card, and no others",
          },
          ...read,
          ...(read.length === 0 ? [] : [select(isd, "the security domain again")]),
        ],
      },
      {
        name: "prove keys and states",
        channel,
        steps: [
          statusOf(isd, 0x80, 0x0f, "the card is SECURED"),
          ...applications.map((app) =>
            statusOf(app.aid, 0x40, SELECTABLE, `application ${app.name} is installed and selectable`),
          ),
        ],
      },
    ],
  };
}

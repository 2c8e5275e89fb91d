import { getApplicationIds, getCardUid, getFileIds, setConfiguration } from "@persoline/card/desfire";
import type { CardProgram, Segment, Step } from "@persoline/card/program";
import { ContentProblem, type Values } from "../content.js";
import { type Content, contentFields, shownOf } from "../personal.js";
import type { ShownContent } from "../told.js";
import {
  askVersion,
  changedKey,
  issuerKeys,
  keySettingsAre,
  newKey,
  newSettings,
  readVersion,
  select,
  settingsAre,
  stepOf,
  versionFrames,
} from "./commands.js";
import {
  applicationIds,
  freshChannel,
  initialChannel,
  issuerChannel,
  type PlannedDesfire,
} from "./compile.js";
import { desfireContent, readerOf, readSteps, writerOf, writeSteps } from "./contents.js";
import { type DesfireApplication, type DesfireFile, type DesfireProduct, OPEN_SETTINGS } from "./model.js";

interface Filled {
  readonly file: DesfireFile;
  readonly content: Content;
}

/** Throws ContentProblem. */
const filled = (app: DesfireApplication, values: Values): readonly Filled[] =>
  app.files.map((file) => ({ file, content: desfireContent(file, values) }));

/** Steps that share a key, by key, in ascending order. */
function byKey(pairs: readonly (readonly [key: number | undefined, steps: readonly Step[]])[]) {
  const grouped = new Map<number, Step[]>();
  for (const [key, steps] of pairs) {
    if (key !== undefined && steps.length > 0) grouped.set(key, [...(grouped.get(key) ?? []), ...steps]);
  }
  return [...grouped].toSorted(([a], [b]) => a - b);
}

/**
 * The safe order: contents are written and read back under the default keys, then keys n to 1 and 0, application by application; the card's
 * own key; its settings; last what can never be taken back. Versions tell after an interruption how far it came; no key is ever tried.
 */
export function desfirePersonalization({ product }: PlannedDesfire, values: Values): CardProgram {
  return {
    name: `${product.name}/personalization`,
    segments: [
      ...product.applications.flatMap((app) => [
        ...contentSegments(product, app, filled(app, values)),
        keysSegment(product, app),
        ...settingsSegments(product, app),
      ]),
      ...piccSegments(product),
    ],
  };
}

function contentSegments(
  product: DesfireProduct,
  app: DesfireApplication,
  files: readonly Filled[],
): Segment[] {
  const { version, generation } = product;
  const own = files.filter(({ file }) => file.content !== undefined);
  const segment = (what: string, [key, steps]: readonly [number, readonly Step[]]): Segment => ({
    name: `${what} ${app.name}, key ${key}`,
    channel: freshChannel(product, app.aid, key),
    steps,
    // Its keys are changed after everything else: an application with the issuer's has all its contents.
    done: issuerKeys(app.aid, generation),
  });
  const written = byKey(
    own.map(({ file, content }) => {
      const key = writerOf(file);
      if (key === undefined) return [key, []];
      const back = readerOf(file, key) === key ? readSteps(version, file, content, key) : [];
      return [key, [...writeSteps(version, file, content, key), ...back]];
    }),
  );
  const elsewhere = byKey(
    own.map(({ file, content }) => {
      const key = readerOf(file, writerOf(file));
      return key === undefined || key === writerOf(file)
        ? [undefined, []]
        : [key, readSteps(version, file, content, key)];
    }),
  );
  return [
    ...written.map((one) => segment("fill", one)),
    ...elsewhere.map((one) => segment("read back", one)),
  ];
}

function keysSegment(product: DesfireProduct, app: DesfireApplication): Segment {
  const { generation } = product;
  const numbers = Array.from({ length: app.count }, (_, at) => app.count - 1 - at);
  return {
    name: `keys of ${app.name}`,
    channel: freshChannel(product, app.aid),
    steps: numbers.map((key) => newKey(app, key, generation)),
    done: issuerKeys(app.aid, generation),
  };
}

/** Under the issuer's key 0: whatever the new settings forbid, nothing more is to be done. */
function settingsSegments(product: DesfireProduct, app: DesfireApplication): Segment[] {
  if (app.settings === OPEN_SETTINGS) return [];
  return [
    {
      name: `settings of ${app.name}`,
      channel: { ...freshChannel(product, app.aid), key: app.key },
      ...settled(newSettings(app.aid, app.settings, app.count)),
    },
  ];
}

/** What the step asks for itself after an interruption tells of its whole segment. */
const settled = (step: Step): Pick<Segment, "steps" | "done"> => ({
  steps: [step],
  done: step.probe?.ask ?? [],
});

function piccSegments(product: DesfireProduct): Segment[] {
  const { picc, generation, hardware } = product;
  const { randomUid, noFormat } = picc;
  const own = { aid: 0, key: 0, version: generation, value: picc.key, isOwn: true } as const;
  const configured = [
    ...(randomUid ? ["a random UID"] : []),
    ...(noFormat ? ["no more formatting"] : []),
  ].join(" and ");
  const channel = issuerChannel(product);
  return [
    {
      name: "the card's own key",
      channel: initialChannel(product),
      steps: [changedKey(own, "the issuer's key of the card itself")],
      done: issuerKeys(0, generation),
    },
    ...(picc.settings === OPEN_SETTINGS
      ? []
      : [{ name: "the card's settings", channel, ...settled(newSettings(0, picc.settings, 1)) }]),
    ...(configured === ""
      ? []
      : [
          {
            name: "what is never taken back",
            channel,
            // Asking twice for what is so already changes nothing.
            steps: [
              stepOf(
                setConfiguration({ noFormat, randomUid }),
                "SetConfiguration",
                { why: `for ever: ${configured}` },
                1,
              ),
            ],
            ...(randomUid ? { done: versionFrames(hardware, new Uint8Array(7)) } : {}),
          },
        ]),
  ];
}

/** Versions that anyone may ask, then a session under each key of the issuer: that it opens proves the key on both sides. */
export function desfireProof({ product }: PlannedDesfire, values: Values): CardProgram {
  const { picc, generation, applications, hardware } = product;
  const hidden = picc.randomUid ? versionFrames(hardware, new Uint8Array(7)) : [];
  return {
    name: `${product.name}/proof`,
    segments: [
      {
        name: "ask for the versions of all keys",
        channel: "plain",
        steps: [
          ...hidden,
          askVersion(0, generation, "the card's own key is the issuer's"),
          ...applications.flatMap((app) => [
            select(app.aid, `select application ${app.name}`),
            ...Array.from({ length: app.count }, (_, key) =>
              askVersion(key, generation, `key ${key} of ${app.name} is the issuer's`),
            ),
          ]),
        ],
      },
      {
        name: "prove the card itself",
        channel: issuerChannel(product),
        steps: [
          keySettingsAre(picc.settings, 1),
          stepOf(getApplicationIds, "GetApplicationIDs", {
            why: "these applications, and no others",
            answer: { value: applicationIds(product) },
          }),
          stepOf(getCardUid, "GetCardUID", { why: "its true UID", judge: { proof: "uid" } }),
        ],
      },
      ...applications.flatMap((app) => proofOf(product, app, filled(app, values))),
    ],
  };
}

/** What the proof reads: contents of files that some key may read. Throws ContentProblem. */
export const desfireShown = ({ applications }: DesfireProduct, values: Values): readonly ShownContent[] =>
  applications.flatMap((app) =>
    filled(app, values).flatMap(({ file, content }) =>
      file.content === undefined || readerOf(file) === undefined ? [] : shownOf(file.content, content),
    ),
  );

function proofOf(product: DesfireProduct, app: DesfireApplication, files: readonly Filled[]): Segment[] {
  const { version, generation } = product;
  const read = new Map(
    byKey(
      files.map(({ file, content }) => {
        const key = readerOf(file);
        return [key, key === undefined ? [] : readSteps(version, file, content, key)];
      }),
    ),
  );
  return Array.from({ length: app.count }, (_, key): Segment => {
    const own = read.get(key) ?? [];
    const master = [
      keySettingsAre(app.settings, app.count),
      stepOf(getFileIds, "GetFileIDs", {
        why: "these files, and no others",
        answer: { value: Uint8Array.from(app.files, ({ spec }) => spec.file) },
      }),
      ...files.map(({ file, content }) =>
        settingsAre(file.spec, file.name, content.kind === "records" ? content.records.length : 0),
      ),
    ];
    const steps = key === 0 ? [...master, ...own] : own;
    return {
      name: `prove key ${key} of ${app.name}`,
      channel: { ...freshChannel(product, app.aid, key), key: app.key },
      steps:
        steps.length > 0
          ? steps
          : [readVersion(key, generation, `key ${key} of ${app.name} is the issuer's`)],
    };
  });
}

/** The columns of what does not fit, with the reason; nothing of the values. */
export function desfireProblems(
  { product }: PlannedDesfire,
  values: Values,
): readonly { readonly columns: readonly string[]; readonly message: string }[] {
  return product.applications.flatMap((app) =>
    app.files.flatMap((file) => {
      try {
        desfireContent(file, values);
        return [];
      } catch (thrown) {
        if (!(thrown instanceof ContentProblem)) throw thrown;
        const fields = contentFields(file.content === undefined ? {} : { content: file.content });
        const columns = product.columns.filter(({ field }) => fields.includes(field));
        return [{ columns: columns.map(({ column }) => column), message: thrown.message }];
      }
    }),
  );
}

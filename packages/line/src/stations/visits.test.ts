import { createHash, createHmac } from "node:crypto";
import { unhex } from "@persoline/card/bytes";
import { CardMute, type Note, type Serial } from "@persoline/card/program";
import type { StatusWord } from "@persoline/card/apdu";
import { describe, expect, test } from "vitest";
import { engraverGeometry, wheelsGeometry } from "../devices/marker/geometry.js";
import type { Camera, Picture } from "../devices/camera/port.js";
import type { Encoder, StripeProblem } from "../devices/encoder/port.js";
import type { Marker, MarkJob } from "../devices/marker/port.js";
import { DeviceFault } from "../devices/problem.js";
import type { Reader } from "../devices/reader/port.js";
import { Challenges } from "./challenges.js";
import { chipProof, electricalTest } from "./chip.js";
import { remind } from "./history.js";
import { MemoryJournal } from "./memory.test.data.js";
import { leftOf, machineOf } from "./machine.js";
import { quality } from "./quality-control.js";
import {
  type CardInWork,
  type FacesVerdict,
  newCard,
  usualLimits,
  usualOutside,
  type Visit,
} from "./station.js";
import { placedStripe } from "./stripe.js";
import { visual } from "./visual.js";
import { idealWorld } from "./world.js";

const blank = unhex("3B98968131FE45806650534C520100FF");
const completed = unhex("3B9C968131FE458073B621006650534C4F010200");
const foreign = unhex("3B6500002063CB6600");
const chip = "504C0102030400000001" as Serial;
const none = { name: "none", segments: [] };

type Seat = "mute" | { readonly atr: Uint8Array; readonly chip?: string };

/** What lies under the contacts, seating by seating; the last stays. Counts re-seats. */
function reader(
  seats: readonly Seat[],
): Reader & { readonly reseats: () => number; readonly powered: () => boolean } {
  let at = 0;
  let reseats = 0;
  let powered = false;
  return {
    name: "reader",
    kind: "simulated",
    reseats: () => reseats,
    powered: () => powered,
    insert: () => {
      const seat = seats[Math.min(at++, seats.length - 1)] ?? "mute";
      powered = true;
      if (seat === "mute") return Promise.resolve("mute");
      const exchange = () => {
        if (seat.chip === "silent") return Promise.reject(new CardMute([]));
        const data = unhex(`CF0A${seat.chip ?? chip}`);
        return Promise.resolve([{ data, sw: 0x9000 as StatusWord }]);
      };
      return Promise.resolve({
        atr: seat.atr,
        channel: { exchange },
        findings: [{ what: "contact currents", result: "simulated" }],
      });
    },
    reseat: () => {
      reseats++;
      return Promise.resolve();
    },
    remove: () => {
      powered = false;
      return Promise.resolve();
    },
  };
}

const nobody = (): never => {
  throw new Error("not asked for in this test");
};

const raster = (side: "front" | "back"): MarkJob => ({
  kind: "raster",
  side,
  dpi: 300,
  width: 8,
  height: 1,
  bits: Uint8Array.of(0xff),
});
const jobs: readonly MarkJob[] = [
  raster("front"),
  raster("back"),
  { kind: "emboss", side: "front", lines: [{ text: "1", font: "7B", x: 10, yFromBottom: 20, pitch: 3.63 }] },
];

interface Scene {
  readonly visit: Visit;
  readonly journal: MemoryJournal;
  readonly done: string[];
}

function scene(
  seats: readonly Seat[],
  more: {
    fails?: number;
    camera?: Camera;
    verdict?: FacesVerdict;
    under?: Reader;
    encoder?: Encoder;
    marker?: Partial<Marker>;
    markers?: readonly MarkJob["kind"][];
    jobs?: readonly MarkJob[];
  } = {},
): Scene {
  const journal = new MemoryJournal();
  const done: string[] = [];
  const marker = (does: MarkJob["kind"]): Marker => ({
    name: does,
    kind: "simulated",
    does,
    geometry: does === "emboss" || does === "indent" ? wheelsGeometry(does) : engraverGeometry({ dpi: 300 }),
    duration: () => 1,
    mark: (job) => {
      const intents = journal.notes.filter(({ event }) => event === "intent").length;
      done.push(`${job.kind} ${job.side} after ${String(intents)} intents`);
      if (more.fails === done.length - 1) {
        return Promise.reject(new DeviceFault(does, "timeout", "the machine did not confirm"));
      }
      return Promise.resolve();
    },
    ...more.marker,
  });
  const visit: Visit = {
    world: idealWorld(),
    hsm: {
      openSession: nobody,
      authenticate: nobody,
      unwrap: nobody,
      closeSession: nobody,
      openProof: nobody,
      judgeProof: nobody,
    },
    journal,
    product: {
      name: "test",
      columns: [],
      pins: [],
      atr: { blank, completed },
      test: none,
      completion: none,
      initialisation: none,
      termination: none,
      terminationInitial: none,
    },
    limits: usualLimits,
    outside: usualOutside,
    sha256: (bytes) => new Uint8Array(createHash("sha256").update(bytes).digest()),
    makeMarks: () => Promise.resolve(more.jobs ?? jobs),
    makeStripe: placedStripe,
    hmacSha256: (key, text) => new Uint8Array(createHmac("sha256", key).update(text).digest()),
    judgeFaces: () => Promise.resolve(more.verdict ?? { kind: "passed", detail: "", findings: [] }),
    keepPicture: (serial, { side }) =>
      Promise.resolve({ file: `pictures/${serial}-${side}.png`, sha256: side }),
    head: {
      station: "here",
      number: 0,
      reader: more.under ?? reader(seats),
      markers: (more.markers ?? ["raster", "emboss"]).map(marker),
      camera: more.camera,
      encoder: more.encoder,
    },
    challenges: new Challenges(),
  };
  return { visit, journal, done };
}

const fresh = (): CardInWork =>
  newCard({ serial: chip, label: "L-000001", lot: "L", state: "in-process", stage: "blank" });

function bound(): CardInWork {
  const card = newCard(
    { serial: chip, label: "L-000001", lot: "L", state: "in-process", stage: "bound" },
    { stage: "chip-proved" },
  );
  const face = { side: "front", common: { key: "", elements: [] }, own: [], fields: [] } as const;
  card.bound = {
    record: { number: 1, fields: {}, photos: {}, row: 2 },
    attempt: 1,
    secrets: { order: "A-1", record: 1, pins: {} },
    prepared: { number: 1, personalization: none, proof: none, faces: [face], emboss: [] },
  };
  return card;
}

describe("seating a card", () => {
  test("a bad seat is lifted and tried again, and is no reject", async () => {
    const under = reader(["mute", "mute", { atr: blank }]);
    const { visit } = scene([], { under });
    expect((await electricalTest.visit(fresh(), visit)).kind).toBe("passed");
    expect(under.reseats()).toBe(2);
    expect(under.powered()).toBe(false);
  });

  test.each<[string, Seat, object, number]>([
    ["a dead chip", "mute", { kind: "rejected", code: "mute" }, 2],
    ["noise", { atr: unhex("3BFF") }, { kind: "rejected", code: "atr-malformed" }, 2],
    ["no ATR at all", { atr: new Uint8Array(0) }, { kind: "rejected", code: "atr-malformed" }, 2],
    ["another type of card", { atr: foreign }, { kind: "returned", code: "wrong-card-type" }, 2],
    [
      "a card with an operating system",
      { atr: completed },
      { kind: "returned", code: "already-personalized" },
      0,
    ],
    [
      "another chip than the list says",
      { atr: blank, chip: "504C0102030400000002" },
      { kind: "rejected", code: "wrong-chip-number" },
      0,
    ],
    [
      "a chip without a number",
      { atr: blank, chip: "504C" },
      { kind: "rejected", code: "protocol-error" },
      2,
    ],
    ["a chip that falls silent", { atr: blank, chip: "silent" }, { kind: "rejected", code: "mute" }, 2],
  ])("%s", async (_what, seat, outcome, reseats) => {
    const under = reader([seat]);
    const { visit, journal } = scene([], { under });
    expect(await electricalTest.visit(fresh(), visit)).toMatchObject(outcome);
    expect(under.reseats()).toBe(reseats);
    expect(under.powered()).toBe(false);
    expect(journal.notes).toEqual([]);
  });

  test("later on, a wrong ATR is the card's end, and another chip number a question for people", async () => {
    const wrong = scene([{ atr: blank }]);
    expect(await chipProof.visit(bound(), wrong.visit)).toMatchObject({
      kind: "rejected",
      code: "wrong-atr",
    });
    const mixed = scene([{ atr: completed, chip: "504C0102030400000009" }]);
    expect(await chipProof.visit(bound(), mixed.visit)).toMatchObject({ kind: "held" });
  });

  test("what was not measured is kept with the card, once a station", async () => {
    const { visit } = scene(["mute", { atr: blank }]);
    const card = fresh();
    await electricalTest.visit(card, visit);
    await electricalTest.visit(card, visit);
    expect(card.findings).toEqual([{ what: "contact currents", result: "simulated", station: "here" }]);
  });

  test("a card that was interrupted too often is not taken up again", async () => {
    const card = bound();
    card.interrupted = { resumes: 5 };
    const { visit } = scene([{ atr: completed }]);
    expect(await chipProof.visit(card, visit)).toMatchObject({ kind: "rejected", code: "too-many-resumes" });
  });
});

describe("the magnetic stripe", () => {
  const pan = "4111111111111111";
  const striped = (numbers: { stripe?: string; raised?: string; record?: string } = {}): CardInWork => {
    const card = bound();
    if (card.bound === undefined) throw new Error("bound");
    const { stripe = pan, raised = pan, record = pan } = numbers;
    const face = {
      side: "back",
      common: { key: "", elements: [] },
      own: [
        {
          kind: "stripe",
          layer: "stripe",
          field: "stripe",
          coercivity: "high",
          tracks: [{ track: 2, text: `${stripe}=3012101` }],
        },
      ],
      fields: [],
    } as const;
    card.bound = {
      ...card.bound,
      record: { number: 1, fields: { pan: record }, photos: {}, row: 2 },
      prepared: {
        ...card.bound.prepared,
        faces: [face],
        emboss: [{ text: raised, font: "7B", x: 10, yFromBottom: 21.42, pitch: 3.63 }],
        told: { record: { number: record }, fields: {}, chip: {} },
      },
    };
    return card;
  };
  /** Reads back what is wrong, time by time; the last stays. */
  const encoder = (wrong: readonly (readonly StripeProblem[])[], fails = false, onSealed = pan) => {
    const did: string[] = [];
    const machine: Encoder = {
      name: "encoder",
      kind: "simulated",
      duration: () => 1,
      ready: () => {
        did.push("ready");
        return Promise.resolve();
      },
      encode: () => {
        did.push("encode");
        return fails ? Promise.reject(new DeviceFault("encoder", "timeout", "no answer")) : Promise.resolve();
      },
      verify: () => {
        const said = wrong[Math.min(did.filter((one) => one === "verify").length, wrong.length - 1)] ?? [];
        did.push("verify");
        return Promise.resolve(said);
      },
      confirms: (_, { salt, digest }) =>
        Promise.resolve(Buffer.from(digest).equals(createHmac("sha256", salt).update(onSealed).digest())),
      read: ({ content }) => Promise.resolve(content.kind === "clear" ? content.tracks : undefined),
    };
    return { machine, did };
  };
  const bad: readonly StripeProblem[] = [{ track: 2, fault: "lrc" }];

  test("is written after the marks under an intent of its own, and read back", async () => {
    const { machine, did } = encoder([[]]);
    const { visit, journal, done } = scene([{ atr: completed }], { encoder: machine });
    const card = striped();
    expect((await visual.visit(card, visit)).kind).toBe("passed");
    expect([done.length, did]).toEqual([3, ["ready", "encode", "verify"]]);
    expect(card.passed).toContain("visual/3");
    expect(card.findings).toContainEqual({ what: "stripe", result: "simulated", station: "visual" });
    expect((await journal.states())[0]?.open).toBeUndefined();
  });
  test("is written once more when it reads wrongly, and then no more", async () => {
    const once = encoder([bad, []]);
    expect(
      (await visual.visit(striped(), scene([{ atr: completed }], { encoder: once.machine }).visit)).kind,
    ).toBe("passed");
    const twice = encoder([bad]);
    expect(
      await visual.visit(striped(), scene([{ atr: completed }], { encoder: twice.machine }).visit),
    ).toEqual({ kind: "rejected", code: "mark-wrong", detail: "track 2: its LRC is wrong" });
    expect(twice.did).toEqual(["ready", "encode", "verify", "encode", "verify"]);
  });
  test("is not begun by an encoder that is not there: the line stops before its intent, and the card is whole", async () => {
    const { machine, did } = encoder([[]]);
    const away: Encoder = {
      ...machine,
      ready: () => Promise.reject(new DeviceFault("encoder", "unplugged", "no such program")),
    };
    const { visit, journal } = scene([{ atr: completed }], { encoder: away });
    await expect(visual.visit(striped(), visit)).rejects.toThrow("no such program");
    expect(did).toEqual([]);
    expect((await journal.states())[0]?.open).toBeUndefined();
  });
  test("of unknown outcome is the card's end; without an encoder the machine stops, and the card is whole", async () => {
    const broken = encoder([[]], true);
    expect(
      await visual.visit(striped(), scene([{ atr: completed }], { encoder: broken.machine }).visit),
    ).toMatchObject({ kind: "rejected", code: "mark-unknown" });
    expect(broken.did).toEqual(["ready", "encode"]);
    const none = scene([{ atr: completed }]);
    await expect(visual.visit(striped(), none.visit)).rejects.toThrow("no encoder");
  });
  test.each([
    ["one number everywhere", {}, undefined],
    ["another's stripe", { stripe: "5500005555555559" }, "emboss and stripe"],
    ["another's raised number", { raised: "5500005555555559" }, "record and emboss"],
    ["another's record", { record: "5500005555555559" }, "record and stripe"],
  ] as const)("at quality control: %s", async (_, numbers, pair) => {
    const { machine } = encoder([[]]);
    const { visit } = scene([{ atr: completed }], { encoder: machine });
    const outcome = await quality.visit(striped(numbers), visit);
    const said = outcome.kind === "rejected" ? `${outcome.code} ${outcome.detail}` : outcome.kind;
    expect(said).toMatch(
      pair === undefined ? /^passed$/ : new RegExp(`^contradiction .*number: ${pair} contradict`),
    );
  });
  test("at quality control a sealed stripe is compared by digest with what is raised, inside the encoder", async () => {
    for (const [onSealed, kind] of [
      [pan, "passed"],
      ["5500005555555559", "rejected"],
    ] as const) {
      const { visit } = scene([{ atr: completed }], { encoder: encoder([[]], false, onSealed).machine });
      const outcome = await quality.visit(striped({ stripe: "1" }), {
        ...visit,
        makeStripe: () => ({
          coercivity: "high",
          content: { kind: "sealed", order: "A-1", record: 1, content: "sealed" },
        }),
      });
      expect(outcome.kind).toBe(kind);
    }
  });
  test("at quality control it is read once more, on whatever it is by now", async () => {
    const { visit } = scene([{ atr: completed }], { encoder: encoder([bad]).machine });
    expect(await quality.visit(striped(), visit)).toMatchObject({
      kind: "rejected",
      detail: "track 2: its LRC is wrong",
    });
  });
});

describe("marks", () => {
  const events = (notes: readonly Note[]): string[] =>
    notes.map(({ event, segment, station }) => `${event} ${station} ${String(segment)}`);

  test("are made in order, each after its own durable intent, when the serial was read again", async () => {
    const { visit, journal, done } = scene([{ atr: completed }]);
    const card = bound();
    expect((await visual.visit(card, visit)).kind).toBe("passed");
    expect(done).toEqual([
      "raster front after 1 intents",
      "raster back after 2 intents",
      "emboss front after 3 intents",
    ]);
    expect(events(journal.notes.slice(0, 4))).toEqual([
      "intent visual 0",
      "done visual 0",
      "passed visual/0 -1",
      "intent visual 1",
    ]);
    expect((await journal.states())[0]?.open).toBeUndefined();
  });

  test("are not made on another card", async () => {
    const { visit, done } = scene([{ atr: completed, chip: "504C0102030400000009" }]);
    expect(await visual.visit(bound(), visit)).toMatchObject({ kind: "held" });
    expect(done).toEqual([]);
  });

  test("are not begun by a machine that is not there: the line stops, and the card is whole", async () => {
    const { visit, done, journal } = scene([{ atr: completed }]);
    const away = (): Promise<void> =>
      Promise.reject(new DeviceFault("emboss", "unplugged", "nobody answers"));
    const markers = visit.head.markers.map((one) => (one.does === "emboss" ? { ...one, ready: away } : one));
    await expect(visual.visit(bound(), { ...visit, head: { ...visit.head, markers } })).rejects.toThrow(
      "nobody answers",
    );
    expect(done).toHaveLength(2);
    expect((await journal.states())[0]?.open).toBeUndefined();
  });

  test("of unknown outcome are the card's end, and never repeated", async () => {
    const { visit, done, journal } = scene([{ atr: completed }], { fails: 1 });
    const card = bound();
    expect(await visual.visit(card, visit)).toMatchObject({ kind: "rejected", code: "mark-unknown" });
    expect(done).toHaveLength(2);
    expect(events(journal.notes).at(-1)).toBe("intent visual 1");
  });

  test("after an interruption: the open one rejects, those that are known are skipped", async () => {
    const open = bound();
    open.interrupted = { resumes: 0, open: { station: "visual", program: "visual", segment: 1 } };
    const first = scene([{ atr: completed }]);
    expect(await visual.visit(open, first.visit)).toMatchObject({ kind: "rejected", code: "mark-unknown" });
    expect(first.done).toEqual([]);
    const between = bound();
    between.interrupted = { resumes: 0 };
    between.passed.push("visual/0", "visual/1");
    const second = scene([{ atr: completed }]);
    expect((await visual.visit(between, second.visit)).kind).toBe("passed");
    expect(second.done).toEqual(["emboss front after 1 intents"]);
  });

  test("what was seen is in the notes by then: a kill between two marks loses none of it", async () => {
    const { visit, journal } = scene([{ atr: completed }], { fails: 1 });
    await visual.visit(bound(), visit);
    const [state] = await journal.states();
    const again = bound();
    remind(again, { history: state?.history ?? [] });
    expect(again.findings.map(({ what, result }) => `${what}: ${result}`)).toEqual([
      "contact currents: simulated",
      "raster front: simulated",
    ]);
  });

  test("a machine that cannot begin stops the line before the intent, and costs no card", async () => {
    const { visit, done, journal } = scene([{ atr: completed }]);
    const markers = visit.head.markers.map((marker) => ({
      ...marker,
      ready: () => Promise.reject(new DeviceFault("engraver", "refused", "an earlier job lies there")),
    }));
    await expect(visual.visit(bound(), { ...visit, head: { ...visit.head, markers } })).rejects.toThrow(
      "earlier job",
    );
    expect(done).toEqual([]);
    expect(events(journal.notes)).toEqual([]);
  });

  test("the record says what a marker keeps, also of a card that it spoilt, and who is to confirm its marks", async () => {
    const marker: Partial<Marker> = { kind: "real", confirmedBy: "camera", residue: "its ribbon: destroy" };
    const good = bound();
    await visual.visit(good, scene([{ atr: completed }], { marker, jobs: [raster("front")] }).visit);
    const said = good.findings.map(({ what, result, detail }) => [what, result, detail]);
    expect(said).toContainEqual(["raster", "ok", "its ribbon: destroy"]);
    expect(said).toContainEqual([
      "raster front",
      "not measured",
      expect.stringContaining("camera") as string,
    ]);
    const spoilt = bound();
    await visual.visit(spoilt, scene([{ atr: completed }], { marker, fails: 0 }).visit);
    expect(spoilt.findings.map(({ detail }) => detail)).toContain("its ribbon: destroy");
  });

  test("a side without marks needs no engraver, one with marks does", async () => {
    const empty: MarkJob = {
      ...raster("back"),
      kind: "raster",
      bits: Uint8Array.of(0),
      dpi: 300,
      width: 8,
      height: 1,
    };
    const printed: MarkJob = { kind: "colour", side: "front", sides: [] };
    const only = scene([{ atr: completed }], { markers: ["colour"], jobs: [printed, empty] });
    expect((await visual.visit(bound(), only.visit)).kind).toBe("passed");
    expect(only.done).toEqual(["colour front after 1 intents"]);
    const burnt = scene([{ atr: completed }], { markers: ["colour"], jobs: [raster("front")] });
    await expect(visual.visit(bound(), burnt.visit)).rejects.toThrow('no marker for "raster"');
  });

  test("a head without the marker that a card needs is the machine's fault", async () => {
    const { visit, done } = scene([{ atr: completed }]);
    const poor = { ...visit, head: { ...visit.head, markers: [] } };
    await expect(visual.visit(bound(), poor)).rejects.toThrow("no marker");
    expect(done).toEqual([]);
  });
});

describe("quality", () => {
  const camera = (frames: readonly (number | "none")[]): Camera => {
    let at = 0;
    return {
      name: "camera",
      kind: "simulated",
      capture: (side) => {
        const frame = frames[at++] ?? "none";
        if (frame === "none") return Promise.resolve("no-picture");
        const picture: Picture = { side, width: 1, height: 1, grey: Uint8Array.of(frame), frame, takenAt: 0 };
        return Promise.resolve(picture);
      },
    };
  };

  test("pictures are kept, judged, and the chip is proved again", async () => {
    const { visit } = scene([{ atr: completed }], { camera: camera([1, 2]) });
    const card = bound();
    expect((await quality.visit(card, visit)).kind).toBe("passed");
    expect(card.pictures?.front.file).toBe(`pictures/${chip}-front.png`);
  });

  test.each<[string, readonly (number | "none")[]]>([
    ["no picture", ["none"]],
    ["a picture of one side only", [1, "none"]],
    ["the same frame twice", [1, 1]],
  ])("%s never passes", async (_what, frames) => {
    const { visit } = scene([{ atr: completed }], { camera: camera(frames) });
    expect(await quality.visit(bound(), visit)).toMatchObject({ kind: "rejected", code: "no-picture" });
  });

  test("a picture that was taken for another card never passes, and the camera is told which card it looks at", async () => {
    const asked: (string | undefined)[] = [];
    const seeing = (of: (card: string | undefined) => string | undefined): Camera => {
      const eye = camera([1, 2]);
      return {
        ...eye,
        capture: async (side, card) => {
          asked.push(card);
          const [picture, seen] = [await eye.capture(side), of(card)];
          return picture === "no-picture" || seen === undefined ? picture : { ...picture, card: seen };
        },
      };
    };
    const own = scene([{ atr: completed }], { camera: seeing((card) => card) });
    expect((await quality.visit(bound(), own.visit)).kind).toBe("passed");
    expect(asked).toEqual([chip, chip]);
    const other = scene([{ atr: completed }], { camera: seeing(() => "504C0102030400000009") });
    expect(await quality.visit(bound(), other.visit)).toMatchObject({ kind: "rejected", code: "no-picture" });
  });

  test("a camera that froze after the card before does not pass the next", async () => {
    const frozen = camera([1, 2, 2, 2]);
    const { visit } = scene([{ atr: completed }], { camera: frozen });
    expect((await quality.visit(bound(), visit)).kind).toBe("passed");
    expect(await quality.visit(bound(), visit)).toMatchObject({ kind: "rejected", code: "no-picture" });
  });

  const judged = (kind: "rejected" | "held") =>
    ({ kind, detail: "front, name: missing", findings: [{ what: "front name", result: "wrong" }] }) as const;

  const pass: FacesVerdict = { kind: "passed", detail: "", findings: [] };
  const blind: FacesVerdict = {
    kind: "rejected",
    detail: "front: card-not-found",
    findings: [],
    retake: true,
  };
  const doubt: FacesVerdict = { ...judged("held"), retake: true };

  test("a picture judged wrong decides before the chip is asked", async () => {
    const under = reader(["mute"]);
    const { visit } = scene([], { camera: camera([1, 2]), verdict: judged("rejected"), under });
    const card = bound();
    expect(await quality.visit(card, visit)).toMatchObject({ kind: "rejected", code: "picture-wrong" });
    expect(card.findings).toContainEqual({ what: "front name", result: "wrong", station: "quality" });
  });

  test("a doubtful picture goes to people, who are left with nothing but the look: the chip is proved first", async () => {
    const { visit } = scene([{ atr: completed }], { camera: camera([1, 2]), verdict: judged("held") });
    const card = bound();
    expect(await quality.visit(card, visit)).toMatchObject({
      kind: "held",
      question: "front, name: missing",
    });
    card.stage = "marked";
    const machine = machineOf([{ name: "end", works: [visual, quality], heads: [], queue: 0 }]);
    expect(leftOf(card, machine)).toEqual(["quality/pictures"]);
    expect(leftOf({ ...card, stage: "chip-proved", passed: [] }, machine)).toEqual(["visual", "quality"]);
    const mute = scene(["mute"], { camera: camera([1, 2]), verdict: judged("held") });
    expect(await quality.visit(bound(), mute.visit)).toMatchObject({ kind: "rejected", code: "mute" });
  });

  test.each<[string, readonly (number | "none")[], FacesVerdict[], string, number]>([
    ["there was none of a side", [1, "none", 3, 4], [pass], "passed", 4],
    ["the card was not found, and then it was", [1, 2, 3, 4], [blind, pass], "passed", 4],
    [
      "the card was not found twice: no third time",
      [1, 2, 3, 4, 5, 6],
      [blind, blind, pass],
      "picture-wrong",
      4,
    ],
    ["doubt stays doubt", [1, 2, 3, 4], [doubt, doubt], "held", 4],
    ["doubt, then a fault", [1, 2, 3, 4], [doubt, judged("rejected")], "picture-wrong", 4],
    ["doubt, then no picture", [1, 2, "none"], [doubt], "no-picture", 4],
    ["a fault of the card itself: never", [1, 2, 3, 4], [judged("rejected"), pass], "picture-wrong", 2],
  ])("pictures are taken once more, and no more: %s", async (_, frames, verdicts, ended, exposures) => {
    let [asked, judgedTimes] = [0, 0];
    const eye = camera(frames);
    const counting: Camera = {
      ...eye,
      capture: (side, card) => {
        asked++;
        return eye.capture(side, card);
      },
    };
    const { visit } = scene([{ atr: completed }], { camera: counting });
    const card = bound();
    const outcome = await quality.visit(card, {
      ...visit,
      judgeFaces: () => Promise.resolve(verdicts[judgedTimes++] ?? pass),
    });
    expect(outcome.kind === "rejected" ? outcome.code : outcome.kind).toBe(ended);
    expect(asked).toBe(exposures);
    // The card's history says that and why there were two.
    const again = card.findings.filter(({ what }) => what === "pictures");
    expect(again.map(({ detail = "" }) => detail.slice(0, 15))).toEqual(
      exposures > 2 ? ["taken once more"] : [],
    );
  });

  test("good pictures do not save a chip that does not answer", async () => {
    const { visit } = scene(["mute"], { camera: camera([1, 2]) });
    expect(await quality.visit(bound(), visit)).toMatchObject({ kind: "rejected", code: "mute" });
  });
});

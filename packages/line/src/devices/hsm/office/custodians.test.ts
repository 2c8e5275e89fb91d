/** Custodians come and go by two others; whoever is alone, with whatever file, brings nobody in. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { createKeystore } from "../vault.js";
import { enrol as enrolled } from "./custodians.js";
import { comeAndGo, joe, lastRecord, letIn, lockOut, names, remove, renew } from "./custodians.test.data.js";
import { keystoreOffice } from "./keystore-office.js";
import { ann, at, bob, Desk, eve, opened, plan } from "./office.test.data.js";
import { recordHead, signRecord } from "./record.js";
import { keystoreRoom } from "./room.js";
import { deedOf, signSitting } from "./sittings.js";
import type { CeremonyRecord, KeyAction, OfficeBook, SignedRecord, Sitting } from "./types.js";

const draw = (name: string): KeyAction => ({ do: "generate", key: plan(name) });
async function three(): Promise<Desk> {
  const desk = await opened();
  await letIn(desk, eve);
  return desk;
}

describe("an office of more than two", () => {
  it("takes any two of them, and lets them come and go, in a keystore as it lies on the disk", async () => {
    const folder = mkdtempSync(join(tmpdir(), "persoline-custodians-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "keystore.json");
    const unlock = { keyFile: join(folder, "key") };
    const letterPrinter = { writePrivateKeyTo: join(folder, "printer.pem") };
    await createKeystore({ file, environment: "test", unlock, keys: [], letterPrinter });
    await comeAndGo(await opened("test", keystoreOffice(file, unlock)));
    // What was written is an office that opens, and goes on.
    const desk = new Desk("test", keystoreOffice(file, unlock));
    await desk.begin(draw("later"), eve);
    await desk.confirm({ ...bob, passphrase: "bob has another passphrase" });
    expect(desk.key("later").life?.state).toBe("active");
  });

  it("shows those who let somebody in the key of who sat, which nobody else can have made", async () => {
    const desk = await opened();
    await desk.enrol(eve);
    const digits = /key ([0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4})/;
    const { last } = desk;
    await desk.confirm(ann);
    const [, shown] = digits.exec(desk.prompts.at(-1) ?? "") ?? [];
    expect(shown).toBeDefined();
    // Somebody else types a passphrase under the same name: other digits, and no second one waits beside the first.
    await expect(desk.enrol({ ...eve, passphrase: "mallory's passphrase" })).rejects.toThrow("one waits");
    await desk.ask({ ask: "cancel", number: last, by: "Ann" }, ann.passphrase);
    await desk.enrol({ ...eve, passphrase: "mallory's passphrase" });
    await desk.confirm(ann);
    const [, other] = digits.exec(desk.prompts.at(-1) ?? "") ?? [];
    expect(other).toBeDefined();
    expect(other).not.toBe(shown);
  });

  it("never has fewer than two, and gives a name to one person only", async () => {
    const desk = await three();
    await remove(desk, eve, ann);
    await desk.confirm(bob);
    expect(names(desk)).toEqual(["Ann", "Bob"]);
    for (const [who, by] of [
      [bob, ann],
      [ann, ann],
      [bob, bob],
    ] as const)
      await expect(remove(desk, who, by)).rejects.toThrow("it takes two custodians besides");
    await expect(remove(desk, eve, ann)).rejects.toThrow("Eve is no custodian");
    await expect(desk.enrol({ ...eve, name: "EVE" })).rejects.toThrow("a name stands for one person");
    expect(names(desk)).toEqual(["Ann", "Bob"]);
  });

  it("removes and lets back by two others, never by the one it is about, in whatever spelling", async () => {
    const desk = await three();
    await expect(remove(desk, { ...bob, name: " bob" }, bob)).rejects.toThrow("it takes two others");
    await remove(desk, { ...bob, name: " BOB" }, ann);
    await expect(desk.confirm(bob)).rejects.toThrow("is about Bob");
    await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
    await expect(desk.begin({ do: "custodian-remove", name: "Bob", reason: " " }, ann)).rejects.toThrow(
      "say why",
    );
    // Bob himself types a new passphrase and tries to be one of the two as well.
    const again = { ...bob, passphrase: "bob has another passphrase" };
    await renew(desk, again);
    await expect(desk.confirm(bob)).rejects.toThrow("is about Bob");
    await expect(desk.confirm(again)).rejects.toThrow("is about Bob");
    expect(names(desk)).toEqual(["Ann", "Bob", "Eve"]);
  });

  it("lets who comes back keep the old passphrase, but take no other custodian's", async () => {
    const desk = await three();
    await lockOut(desk, bob);
    await expect(renew(desk, { ...bob, passphrase: ann.passphrase })).rejects.toThrow("a person is one");
    await renew(desk, bob);
    await desk.confirm(ann);
    await expect(desk.begin(draw("k"), bob)).rejects.toThrow("locked out");
    desk.last = desk.keep.book.pending[0]?.number ?? "";
    await desk.confirm(eve);
    await desk.both(draw("k"));
    expect(desk.key("k").life?.state).toBe("active");
  });
});

describe("what somebody said yes to is void once they do not count any more", () => {
  const bring: KeyAction = { do: "generate", key: plan("split"), leaves: { as: "components", count: 2 } };
  const components = (desk: Desk) =>
    desk.handed.map((text) => (text.split("\n")[1] ?? "").replaceAll(" ", ""));

  it.each([
    ["locked out", "is locked out", (desk: Desk) => lockOut(desk, bob)],
    [
      "removed",
      "is no custodian any more",
      async (desk: Desk) => {
        await remove(desk, bob, ann);
        await desk.confirm(eve);
      },
    ],
    [
      "given a new passphrase",
      "not signed with the passphrase that counts now",
      async (desk: Desk) => {
        await renew(desk, { ...bob, passphrase: "bob has another passphrase" });
        await desk.confirm(ann);
        await desk.confirm(eve);
      },
    ],
  ])("%s", async (_, why, happens) => {
    const desk = await three();
    await desk.begin(bring, bob);
    const { last } = desk;
    await desk.enrol(joe);
    await desk.confirm(bob);
    const candidate = desk.last;
    const [piece = ""] = components(desk);
    expect(JSON.stringify(desk.keep)).toContain(piece);
    await happens(desk);
    expect(desk.keep.book.pending.map(({ number }) => number)).not.toContain(last);
    expect(desk.keep.book.pending.map(({ number }) => number)).not.toContain(candidate);
    expect(JSON.stringify(desk.keep)).not.toContain(piece);
    const records = desk.keep.book.records.map(({ text }) => JSON.parse(text) as CeremonyRecord);
    for (const number of [last, candidate])
      expect(records.find((one) => one.number === number)).toMatchObject({
        ended: "void",
        reason: expect.stringContaining(why) as string,
      });
    const acts = (desk.keep.book.acts ?? []).map(({ text }) => text).join("\n");
    expect(acts).toContain('"ceremony.void"');
    desk.last = last;
    await expect(desk.confirm(ann)).rejects.toThrow(`no ceremony ${last} waits`);
    desk.last = candidate;
    await expect(desk.confirm(eve)).rejects.toThrow(`no ceremony ${candidate} waits`);
    expect(names(desk)).not.toContain("Joe");
  });
});

describe("pieces of keys", () => {
  it("stay with whoever leaves: the record and both sittings say which, and whether the others have enough", async () => {
    const desk = await three();
    const shares = (name: string, needed: number): KeyAction => ({
      do: "generate",
      key: plan(name),
      leaves: { as: "shares", count: 3, needed },
    });
    const bobs: string[] = [];
    for (const action of [shares("root", 2), shares("whole", 3)]) {
      await desk.both(action);
      await desk.confirm(eve);
      bobs.push(String(lastRecord(desk).sittings[1]?.share));
    }
    await desk.both({ do: "generate", key: plan("xor"), leaves: { as: "components", count: 2 } });
    const { kcv = "" } = lastRecord(desk).sittings[1] ?? {};
    await desk.both({ do: "generate", key: plan("gone"), leaves: { as: "components", count: 2 } });
    for (const state of ["compromised", "destroyed"] as const)
      await desk.both({ do: "state", name: "gone", state, reason: "test" });
    await remove(desk, bob, ann);
    await desk.confirm(eve);
    const holds = [
      `share ${bobs[0] ?? ""} of key root (C-0004); of 2 that are needed the other custodians have 2`,
      `share ${bobs[1] ?? ""} of key whole (C-0005); of 3 that are needed the other custodians have 2`,
      `component of key xor, check value ${kcv} (C-0006); without it the others are nothing`,
    ];
    expect(lastRecord(desk).holds).toEqual(holds);
    expect(desk.notes.join("\n")).toContain(holds[0]);
    // The keys themselves are what they were.
    expect(desk.key("root").life?.state).toBe("active");
  });
});

describe("one who is left alone", () => {
  it("brings in no friend, lets nobody back, removes nobody, and is told what remains", async () => {
    const desk = await opened();
    await lockOut(desk, bob);
    const before = JSON.stringify(desk.keep.book.custodians);
    const remains = /it takes two custodians besides .* docs\/keys\.md/;
    await expect(desk.enrol(joe)).rejects.toThrow(remains);
    await expect(renew(desk, { ...bob, passphrase: "chosen by ann alone" }, "Ann")).rejects.toThrow(remains);
    await expect(remove(desk, bob, ann)).rejects.toThrow(remains);
    await expect(remove(desk, ann, ann)).rejects.toThrow(remains);
    await desk.begin(draw("k"));
    await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
    await expect(desk.confirm(bob)).rejects.toThrow(/Bob is locked out.* and there is Ann alone/);
    expect(JSON.stringify(desk.keep.book.custodians)).toBe(before);
    expect(desk.keep.keys.map(({ name }) => name)).not.toContain("k");
  });

  it("finishes nothing that the other had said yes to before", async () => {
    const desk = await opened();
    await desk.enrol(joe);
    await desk.confirm(bob);
    const { last } = desk;
    await lockOut(desk, bob);
    desk.last = last;
    await expect(desk.confirm(ann)).rejects.toThrow(`no ceremony ${last} waits`);
    expect(names(desk)).toEqual(["Ann", "Bob"]);
  });
});

/** Ann has her passphrase, the keystore and what opens it, and writes into it what she likes; its own signatures are right. */
describe("one with the open keystore", () => {
  const mallory = enrolled({
    name: "Mallory",
    passphrase: "mallory's passphrase",
    known: [],
    at,
    costs: { memoryCost: 64, timeCost: 1 },
  });
  const put = (desk: Desk, book: Partial<OfficeBook>): void => {
    desk.keep = { ...desk.keep, book: { ...desk.keep.book, ...book } };
  };
  /** What Ann is told, and whoever calls himself Mallory with her passphrase. */
  const said = async (desk: Desk): Promise<string> => {
    const { keep } = desk;
    const ends: string[] = [];
    for (const who of [ann, { ...ann, name: "Mallory" }])
      ends.push(
        await desk.begin(draw("k"), who).then(
          () => "done",
          (problem: Error) => problem.message,
        ),
      );
    expect([desk.keep === keep, ends[1]]).toEqual([true, ends[0]]);
    return ends[0] ?? "";
  };
  const sign = (desk: Desk) => keystoreRoom(desk.keep.keys).sign;
  const record = (
    desk: Desk,
    more: Partial<CeremonyRecord>,
    before: readonly SignedRecord[] = desk.keep.book.records,
  ): SignedRecord =>
    signRecord(
      {
        number: "C-0099",
        environment: "test",
        action: "enrol custodian Mallory",
        sittings: [],
        completed: at,
        program: "test",
        keystoreRevision: 9,
        ...more,
      },
      before,
      sign(desk),
    );
  const { custodian } = mallory;
  const roster = { do: "custodian" as const, name: "Mallory", open: custodian.key };
  /** Signed by Mallory's hand in everybody's name. */
  const forged = (head: string, by: string, key = custodian.key): Sitting => ({
    ...signSitting(
      { number: "C-0099", environment: "test", deed: deedOf(roster) },
      { by, at, head },
      { ...mallory, key: custodian.key },
    ),
    key,
  });
  const keyOf = (desk: Desk, who: string) =>
    desk.keep.book.custodians.find(({ name }) => name === who)?.key ?? "";

  it("adds, exchanges and drops no custodian", async () => {
    const desk = await opened();
    const { custodians } = desk.keep.book;
    put(desk, { custodians: [...custodians, custodian] });
    expect(await said(desk)).toContain("no ceremony made Mallory a custodian");
    put(desk, {
      custodians: custodians.map((one) => (one.name === "Bob" ? { ...custodian, name: "Bob" } : one)),
    });
    expect(await said(desk)).toContain("custodian Bob has another key");
    const { key: _, ...unkeyed } = custodian;
    put(desk, {
      custodians: custodians.map((one) => (one.name === "Bob" ? { ...unkeyed, name: "Bob" } : one)),
    });
    expect(await said(desk)).toContain("custodian Bob has another key");
    // One alone, or none: the next two would let themselves in.
    put(desk, { custodians: custodians.slice(0, 1) });
    expect(await said(desk)).toContain("custodian Bob is missing");
    put(desk, { custodians: [] });
    expect(await said(desk)).toContain("custodian Ann is missing");
    put(desk, { custodians });
    await desk.both(draw("k"));
  });

  it("writes no record that lets a friend in", async () => {
    const desk = await opened();
    const { custodians, records } = desk.keep.book;
    const head = recordHead(records);
    const attempts: [string, Partial<CeremonyRecord>][] = [
      ["it takes two different custodians", {}],
      ["it takes two different custodians", { sittings: [{ by: "Ann", at }] }],
      [
        "Ann did not sign it",
        {
          sittings: [
            { by: "Ann", at },
            { by: "Bob", at },
          ],
        },
      ],
      [
        "Ann did not sign it",
        { deed: deedOf(roster), roster, sittings: [forged(head, "Ann"), forged(head, "Bob")] },
      ],
      [
        "Ann did not sign it",
        {
          deed: deedOf(roster),
          roster,
          sittings: [forged(head, "Ann", keyOf(desk, "Ann")), forged(head, "Bob", keyOf(desk, "Bob"))],
        },
      ],
      [
        "Mallory was no custodian",
        { deed: deedOf(roster), roster, sittings: [forged(head, "Mallory"), forged(head, "Ann")] },
      ],
    ];
    for (const [why, more] of attempts) {
      put(desk, {
        custodians: [...custodians, custodian],
        records: [...records, record(desk, more, records)],
      });
      expect(await said(desk)).toContain(why);
    }
  });

  it("makes nothing of what the other signed: no other deed, no other ceremony, no other number", async () => {
    const desk = await opened();
    await desk.both(draw("k"));
    const honest = JSON.parse(desk.keep.book.records.at(-1)?.text ?? "") as CeremonyRecord;
    const { custodians, records } = desk.keep.book;
    const before = records.slice(0, -1);
    // Both signatures under ceremony C-0003 are real; the change is not the one that they are of.
    const as = (more: Partial<CeremonyRecord>) => record(desk, { ...honest, ...more }, before);
    for (const [why, more] of [
      ["another change than its custodians signed", { roster }],
      ["another change than its custodians signed", { action: "enrol custodian Mallory" }],
      ["did not sign it", { roster, deed: deedOf(roster) }],
      ["did not sign it", { number: "C-0098" }],
    ] as const) {
      put(desk, { custodians: [...custodians, custodian], records: [...before, as(more)] });
      expect(await said(desk)).toContain(why);
    }
  });

  it("writes no record before those that the other has signed, and makes none of them one of former days", async () => {
    const desk = await opened();
    await desk.both(draw("k"));
    const [first, second, third] = desk.keep.book.records.map(
      ({ text }) => JSON.parse(text) as CeremonyRecord,
    );
    if (first === undefined || second === undefined || third === undefined) throw new Error("too few");
    const chain = (records: readonly Partial<CeremonyRecord>[]) =>
      records.reduce<readonly SignedRecord[]>((before, one) => [...before, record(desk, one, before)], []);
    const unsigned = ({ number, by }: { number: string; by: readonly string[] }, name: string) => ({
      number,
      action: `enrol custodian ${name}`,
      sittings: by.map((who) => ({ by: who, at })),
    });
    // As if nobody had signed anything yet, and a friend was let in then.
    const former = [
      unsigned({ number: "C-0001", by: ["Ann"] }, "Ann"),
      unsigned({ number: "C-0002", by: ["Bob"] }, "Bob"),
      unsigned({ number: "C-0090", by: ["Ann", "Bob"] }, "Mallory"),
    ];
    const { custodians } = desk.keep.book;
    put(desk, { custodians: [...custodians, custodian], records: chain([...former, third]) });
    expect(await said(desk)).toContain("did not sign it, or not after these records");
    // Nor one that only tells of another day.
    put(desk, {
      custodians,
      records: chain([{ ...first, completed: "2027-02-01T10:00:00.000Z" }, second, third]),
    });
    expect(await said(desk)).toContain("Bob did not sign it");
  });

  it("sits for nobody else in a ceremony that waits", async () => {
    const desk = await opened();
    await desk.both(draw("k"));
    const [, real] = lastRecord(desk).sittings;
    if (real === undefined) throw new Error("Bob did not sit");
    await desk.begin(draw("mine"));
    const waits = desk.keep.book.pending[0];
    if (waits === undefined) throw new Error("nothing waits");
    const ceremony = { number: waits.number, environment: "test" as const, deed: deedOf(waits.action) };
    const hand = { ...mallory, key: custodian.key };
    const asBob = { by: "Bob", at, head: recordHead(desk.keep.book.records) };
    const attempts: Sitting[] = [
      { by: "Bob", at },
      { ...real, at },
      signSitting(ceremony, asBob, hand),
      { ...signSitting(ceremony, asBob, hand), key: keyOf(desk, "Bob") },
    ];
    for (const bobs of attempts) {
      // Bob's is there, and Ann's is still to come: she has the passphrase for that.
      put(desk, { pending: [{ ...waits, sittings: [bobs] }] });
      desk.last = waits.number;
      await expect(desk.confirm(ann)).rejects.toThrow(`no ceremony ${waits.number} waits`);
      expect(lastRecord(desk)).toMatchObject({ number: waits.number, ended: "void" });
    }
    expect(desk.keep.keys.map(({ name }) => name)).not.toContain("mine");
  });

  it("lets no other key in than the one whose digits were compared", async () => {
    const desk = await opened();
    await desk.enrol(eve);
    await desk.confirm(bob);
    const waits = desk.keep.book.pending[0];
    if (waits === undefined) throw new Error("nothing waits");
    const { key: _, ...unkeyed } = custodian;
    const { custodian: __, ...none } = waits;
    for (const other of [
      { ...waits, custodian: { ...custodian, name: "Eve" } },
      { ...waits, custodian: { ...unkeyed, name: "Eve" } },
      { ...waits, custodian: { ...(waits.custodian ?? custodian), name: "Mallory" } },
      none,
    ]) {
      put(desk, { pending: [other] });
      desk.last = waits.number;
      await expect(desk.confirm(ann)).rejects.toThrow(`no ceremony ${waits.number} waits`);
    }
    // Nor one beside another deed.
    await desk.begin(draw("k"));
    put(desk, { pending: desk.keep.book.pending.map((one) => ({ ...one, custodian })) });
    await expect(desk.confirm(bob)).rejects.toThrow("waits for a custodian");
    expect(names(desk)).toEqual(["Ann", "Bob"]);
  });

  it("tells no other key beside a signature than the one that made it", async () => {
    const desk = await opened();
    const [first, second] = desk.keep.book.records;
    const told = JSON.parse(second?.text ?? "") as CeremonyRecord;
    if (first === undefined) throw new Error("nobody enrolled");
    const sittings = told.sittings.map((one) => ({ ...one, key: custodian.key }));
    put(desk, { records: [first, record(desk, { ...told, sittings }, [first])] });
    expect(await said(desk)).toContain("Bob did not sign it");
  });

  it("exchanges no deed under a sitting that is there", async () => {
    const desk = await opened();
    await desk.begin(draw("small"), bob);
    const waits = desk.keep.book.pending[0];
    if (waits === undefined) throw new Error("nothing waits");
    put(desk, { pending: [{ ...waits, action: { ...roster }, custodian }] });
    await expect(desk.confirm(ann)).rejects.toThrow(`no ceremony ${waits.number} waits`);
    expect(names(desk)).toEqual(["Ann", "Bob"]);
  });
});

describe("an office of before custodians signed", () => {
  const former = JSON.parse(
    readFileSync(new URL("former-office.test.data.json", import.meta.url), "utf8"),
  ) as { readonly keyFile: string; readonly keystore: { readonly version: number }; readonly begun: string };

  function put(): { readonly file: string; readonly unlock: { readonly keyFile: string } } {
    const folder = mkdtempSync(join(tmpdir(), "persoline-former-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, "keystore.json");
    const unlock = { keyFile: join(folder, "key") };
    writeFileSync(unlock.keyFile, Buffer.from(former.keyFile, "base64"));
    writeFileSync(file, JSON.stringify(former.keystore));
    return { file, unlock };
  }
  const desk = ({ file, unlock }: ReturnType<typeof put>): Desk => {
    const one = new Desk("test", keystoreOffice(file, unlock));
    one.now = former.begun;
    return one;
  };

  it("opens with its two custodians, goes on with what waits, and has their keys from then on", async () => {
    expect(former.keystore.version).toBe(2);
    const place = put();
    const one = desk(place);
    expect(one.keep.book.custodians.map(({ key, proof }) => [key, typeof proof])).toEqual([
      [undefined, "string"],
      [undefined, "string"],
    ]);
    one.last = "C-0004";
    await expect(one.confirm({ ...bob, passphrase: "not bob's passphrase" })).rejects.toThrow("4 tries");
    await one.confirm(bob);
    expect(one.key("root").life?.state).toBe("suspended");
    await one.both({ do: "state", name: "root", state: "active", reason: "audit is over" });
    await letIn(one, eve);
    const again = desk(place);
    expect(JSON.parse(readFileSync(place.file, "utf8"))).toMatchObject({ version: 3 });
    expect(again.keep.book.custodians.map(({ name, key, proof }) => [name, typeof key, proof])).toEqual(
      ["Ann", "Bob", "Eve"].map((name) => [name, "string", undefined]),
    );
    // Known by their passphrases, as before, and their shares are known too.
    await remove(again, bob, ann);
    await again.confirm(eve);
    expect(lastRecord(again).holds).toEqual([
      "share 50 of key root (C-0003); of 2 that are needed the other custodians have 1",
    ]);
  });

  it("knows a custodian's key by the first record that they sign", async () => {
    const one = desk(put());
    await one.both({ do: "state", name: "root", state: "deactivated", reason: "end" });
    const { custodians } = one.keep.book;
    const stranger = custodians.map((person) =>
      person.name === "Bob" ? { ...person, key: Buffer.alloc(32, 7).toString("base64") } : person,
    );
    one.keep = { ...one.keep, book: { ...one.keep.book, custodians: stranger } };
    await expect(one.begin(draw("k"))).rejects.toThrow("custodian Bob has another key");
  });

  it("lets no sitting of before stand once its custodian signs", async () => {
    const one = desk(put());
    await one.begin(draw("k"));
    one.last = "C-0004";
    await expect(one.confirm(bob)).rejects.toThrow("no ceremony C-0004 waits");
    expect(one.key("root").life?.state).toBe("active");
  });
});

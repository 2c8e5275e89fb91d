/** How custodians come and go, the same wherever the keys are. */
import { expect } from "vitest";
import { ann, bob, type Desk, eve, plan } from "./office.test.data.js";
import type { CeremonyRecord } from "./types.js";

export type Person = typeof ann;
export const joe: Person = { name: "Joe", passphrase: "joe's long passphrase" };

export const names = (desk: Desk): string[] => desk.keep.book.custodians.map(({ name }) => name);
export const lastRecord = (desk: Desk): CeremonyRecord =>
  JSON.parse(desk.keep.book.records.at(-1)?.text ?? "") as CeremonyRecord;

export async function letIn(desk: Desk, who: Person, [one, other] = [ann, bob]): Promise<void> {
  await desk.enrol(who);
  await desk.confirm(one);
  await desk.confirm(other);
}
export async function lockOut(desk: Desk, who: Person): Promise<void> {
  for (let wrong = 0; wrong < 5; wrong++)
    await expect(
      desk.begin({ do: "generate", key: plan("none") }, { ...who, passphrase: "a wrong passphrase" }),
    ).rejects.toThrow(`not the passphrase of ${who.name}`);
}
export const renew = (desk: Desk, who: Person, by = who.name): Promise<void> =>
  desk.ask(
    { ask: "begin", action: { do: "custodian-renew", name: who.name, reason: "forgotten" }, by },
    who.passphrase,
  );
export const remove = (desk: Desk, who: Person, by: Person): Promise<void> =>
  desk.begin({ do: "custodian-remove", name: who.name, reason: "has left" }, by);

/** An office of Ann and Bob; Eve comes, Bob is locked out and comes back, Ann leaves: and ceremonies go on. */
export async function comeAndGo(desk: Desk): Promise<void> {
  await letIn(desk, eve);
  await desk.begin({ do: "generate", key: plan("by-bob-eve") }, bob);
  await desk.confirm(eve);

  await lockOut(desk, bob);
  const again = { ...bob, passphrase: "bob has another passphrase" };
  await renew(desk, again);
  await desk.confirm(ann);
  await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
  await desk.confirm(eve);
  expect(lastRecord(desk)).toMatchObject({ reason: "forgotten", roster: { name: "Bob" } });

  await remove(desk, ann, again);
  await expect(desk.confirm(ann)).rejects.toThrow("it takes two others");
  await desk.confirm(eve);
  expect(names(desk)).toEqual(["Bob", "Eve"]);
  await expect(desk.begin({ do: "generate", key: plan("late") }, ann)).rejects.toThrow("Ann is no custodian");
  await expect(desk.begin({ do: "generate", key: plan("late") }, bob)).rejects.toThrow(
    "not the passphrase of Bob",
  );

  await desk.begin({ do: "generate", key: plan("by-those-who-stay") }, again);
  await desk.confirm(eve);
  expect(desk.keep.keys.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["by-bob-eve", "by-those-who-stay"]),
  );
}

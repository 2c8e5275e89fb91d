/** For known answers: throws when one does not come. */
export function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`${what}: the known answer did not come`);
}

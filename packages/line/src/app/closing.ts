/** Things that were opened, to be closed again however the work ends. */

export interface Opened {
  /** To be closed at the end: what was opened last is closed first. */
  readonly add: <T>(thing: T, close: (thing: T) => unknown) => T;
}

/**
 * Runs the work and closes all it has added, each one whether or not another could be closed. Throws what the work throws; where that went
 * well, what the first closing that failed throws.
 */
export async function closingAll<T>(work: (opened: Opened) => Promise<T>): Promise<T> {
  const closers: (() => unknown)[] = [];
  const problems: unknown[] = [];
  const closeAll = async (): Promise<void> => {
    for (const close of closers.toReversed()) {
      try {
        await close();
      } catch (problem) {
        problems.push(problem);
      }
    }
  };
  let done: T;
  try {
    done = await work({
      add: (thing, close) => {
        closers.push(() => close(thing));
        return thing;
      },
    });
  } catch (problem) {
    await closeAll();
    throw problem;
  }
  await closeAll();
  if (problems.length > 0) throw problems[0];
  return done;
}

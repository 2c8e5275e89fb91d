/** "1 card", "12 cards", "0 cards"; `many`: where it is not the word with an s. */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${String(count)} ${count === 1 ? one : many}`;

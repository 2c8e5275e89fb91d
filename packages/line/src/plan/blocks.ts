import { pageSize } from "./commands.js";

export interface Block {
  readonly offset: number;
  readonly length: number;
}

/**
 * Cuts a stretch of memory into the blocks that cost a card least: candidates end at page boundaries, at the most a command holds, or at
 * the end; all ways through them are compared by `cost` (milliseconds of one block).
 */
export function cutBlocks(ask: {
  /** Address of the first byte, so that pages are known. */
  readonly offset: number;
  readonly length: number;
  readonly most: number;
  cost(block: Block): number;
}): Block[] {
  const end = ask.offset + ask.length;
  const best = new Map<number, { readonly cost: number; readonly blocks: readonly Block[] }>([
    [ask.offset, { cost: 0, blocks: [] }],
  ]);
  const open = [ask.offset];
  for (let from = open.shift(); from !== undefined; from = open.shift()) {
    const here = best.get(from);
    if (here === undefined || from >= end) continue;
    for (const to of endsOf(from, end, ask.most)) {
      const block = { offset: from, length: to - from };
      const cost = here.cost + ask.cost(block);
      const known = best.get(to);
      if (known !== undefined && known.cost <= cost) continue;
      best.set(to, { cost, blocks: [...here.blocks, block] });
      if (!open.includes(to)) open.push(to);
      open.sort((a, b) => a - b);
    }
  }
  return [...(best.get(end)?.blocks ?? [])];
}

function endsOf(from: number, end: number, most: number): number[] {
  const ends = [Math.min(from + most, end)];
  const boundary = Math.floor((from + most) / pageSize) * pageSize;
  if (boundary > from && boundary < end) ends.push(boundary);
  return ends;
}

export * from "./channel-spec.js";
export * from "./types.js";
export { dataLength, partLength, plainSent } from "./answer.js";
export * from "./digest.js";
export * from "./estimate.js";
export * from "./explain.js";
export {
  asksIssuer,
  channelPlace,
  everyPlacement,
  type Placement,
  placements,
  proofPlacements,
  sessionPlace,
} from "./placement.js";
export * from "./run.js";
export * from "./timing.js";

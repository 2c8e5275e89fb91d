export { ContactedCard, type ContactedOptions } from "./contacts.js";
export type { CardHabits, InstructionCases } from "./engine.js";
export type { LineErrors } from "./wire.js";

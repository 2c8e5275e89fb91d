export { fabricateDesfire, isDesfire, makeDesfireCard } from "./card.js";

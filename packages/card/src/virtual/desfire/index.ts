export { fabricateDesfire, makeDesfireCard } from "./card.js";

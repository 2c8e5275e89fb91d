/** What a card had not passed when it left the line: people who settle a held card must know. */
export const heldCards = `
alter table visits add column not_passed text;
`;

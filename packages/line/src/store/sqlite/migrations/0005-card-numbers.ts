/** Gates look a card up by its number that hides who it is. */
export const cardNumbers = `
alter table holders add column card_number text;
create index holders_by_card_number on holders (card_number);
`;

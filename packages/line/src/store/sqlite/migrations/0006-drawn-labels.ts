/** Numbers that a line has told a person to write on a card, before the card is begun: no other line may tell them again. */
export const drawnLabels = `
create table drawn_labels (
  label text primary key,
  line text not null,
  at text not null
) strict, without rowid;
`;

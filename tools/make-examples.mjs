// Draws and writes the example orders: `node tools/make-examples.mjs`. The same bytes each time; the result is committed.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { unzipSync, zipSync } from "fflate";
import sharp from "sharp";
import writeExcelFile from "write-excel-file/node";
import { chance, portrait } from "./portrait.mjs";

const examples = fileURLToPath(new URL("../examples/", import.meta.url));

// Invented people. Scripts, accents, apostrophes and lengths are those that break careless systems.
const office = `
Seán O'Brien|Zoë Müller|Łukasz Wiśniewski|Анна Петрова|José Ángel Núñez|Aoife O’Sullivan|François Lefèvre|Дмитрий Соколов|Jürgen Weiß|Ingrid Sørensen
Çağla Yıldırım|Ștefan Țurcanu|Ольга Кузнецова|Renée D'Amboise|Miloš Đorđević|Anne-Marie D'Hondt|Тарас Шевчук|Björk Þórsdóttir|Håkon Ødegård|Piotr Żółkiewski
Maria João Gonçalves|Сергей Иванов-Водкин|Erzsébet Szűcs|Ján Kováč|Līga Bērziņa|Юлия Щербакова|Katrín Jónsdóttir|Tõnu Käär|Siobhán Ní Dhomhnaill|Алексей Ёлкин
Jean-Baptiste de La Tour|Giedrė Žukauskaitė|Мария-Луиза Гогенберг|Nuñez Peña del Río|Aleksander Wróbel|Fatma Şahin|Ирина Цветаева|Patrick McDonald|Chloé Œuvrard|Władysław Gąsior
Konstantina Papadopoulou-Athanasopoulou|Надежда Объедкова|Bartholomew Fitzgerald-Montgomery|Eva Nováková|Stanisław Łącki|Виктория Хижняк|Ömer Faruk Öztürk|Mary-Kate O'Shaughnessy|Hélène Bérenger|Игорь Жданов
Ann Li|Bo Ek|Ян Ли|Ida Ås|Leo Fay|Noah Thompson|Emma Richardson|Oliver Bennett|Amelia Carter|Harry Walsh
Sophie Dubois|Lucas Martin|Mathilde Garnier|Théo Chevalier|Inès Marchand|Hans-Peter Schröder|Greta Köhler|Lars Bäcker|Heike Grünwald|Uwe Großmann
Наталья Орлова|Андрей Мельник|Екатерина Зайцева|Павел Воробьёв|Светлана Громова|Николай Чайка|Людмила Эйхе|Максим Юдин|Галина Яковлева|Роман Фёдоров
Giulia Rossi|Matteo Bianchi|Niccolò Dell'Acqua|Chiara D'Angelo|Lorenzo Però|Sofía Rodríguez|Íñigo Ibáñez|Lucía Fernández|Andrés Muñoz|Begoña Echeverría
Freja Nygård|Mads Kjær|Åse Bjørnstad|Søren Højgaard|Elin Sjöström|Väinö Mäkinen|Päivi Hämäläinen|Örjan Åkesson|Sigrún Æsa Guðmundsdóttir|Rasmus Lõhmus
Zdeněk Říha|Květa Šťastná|Božena Ďurišová|Ľubomír Hruška|Zsófia Kőszegi|Győző Töröcsik|Ana Čović|Željko Šimić|Ioana Brânză|Răzvan Ștefănescu
Тамара Гвоздь|Лев Толстиков|Артём Ильин|Зоя Ушакова|Олександр Їжакевич|Оксана Ґудзь|Наталія Єрмоленко|Márton Ács|Bríd Ní Mháille|Xanthippe Zografou
`
  .trim()
  .split(/[|\n]/);

const departments = [
  "Injection Moulding",
  "Extrusion",
  "Tool Shop",
  "Quality Laboratory",
  "Research & Development",
  "Warehouse & Shipping",
  "Maintenance",
  "Human Resources",
  "Accounts & Payroll",
  "Purchasing",
  "Отдел продаж",
  "Лаборатория полимеров",
];
/** Where each department works, beside the headquarters that everyone may enter. */
const rooms = [
  "PLANT-1",
  "PLANT-2",
  "PLANT-1;PLANT-2",
  "LAB;PLANT-1",
  "LAB;DATA",
  "STORE;DOCK;GARAGE",
  "PLANT-1;PLANT-2;STORE;DATA",
  "",
  "",
  "STORE",
  "GARAGE",
  "LAB",
];

const yard = `
Mick O'Rourke|Ruslan Akhmetov|Анатолий Железняк|Beata Kowalczyk|Deirdre Quinn|Hasan Demirci|Ivan Stankić|Jörg Eisenhauer|Карина Кузнец|Luca Ferraro
Małgorzata Żelazna|Nils Järnström|Олег Сталь|Paulo Ferreira|Quentin Lefebvre|Rasa Geležinienė|Степан Молотов|Teodor Kovač|Ugo Magnani|Vera Schmidt
Wojciech Hutnik|Xavier Forgeron|Юрий Рудаков|Zuzana Ocelová|Alan Smith|Brigid Gow|Вадим Цинк|Carmen Herrera|Dafydd Gofannon|Eino Rautio
Fiona MacGowan|Георгий Медный|Helga Stahl|Ilona Vas|Jakub Kovář|Ксения Титова|Leif Smed|Marisol Hierro|Nikolaos Sideris|Ольга Латунь
`
  .trim()
  .split(/[|\n]/);

/** @typedef {{ name: string, department: string, premises: string, number: string, photo: string, until: string }} Employee */

const officeColumns = ["Full name", "Department", "Premises", "Employee number", "Photo", "Valid until"];
const draw = chance(117);
/** @type {Employee[]} */
const employees = office.map((name, at) => {
  const team = Math.floor(draw() * departments.length);
  const number = `PP-${String(101 + at * 7).padStart(5, "0")}`;
  return {
    name: name.normalize("NFC"),
    department: departments[team] ?? "",
    premises: ["HQ", ...(rooms[team] ?? "").split(";")].filter((room) => room !== "").join(";"),
    number,
    photo: `${number}.png`,
    // A few are with the company for a while only.
    until: at % 17 === 5 ? "2027-06-30" : "2029-12-31",
  };
});

const yardColumns = ["Full name", "Employee number", "Zones", "Valid until", "Photo"];
const zones = [
  "YARD",
  "YARD;SCALE;LOADING",
  "YARD;CRANE;CUTTING",
  "OFFICE",
  "OFFICE;SCALE",
  "YARD;STORE;FUEL",
  "YARD;SCALE;CUTTING;CRANE;STORE;LOADING;OFFICE;FUEL",
];
const workers = yard.map((name, at) => ({
  name: name.normalize("NFC"),
  number: `FM-${String(1 + at).padStart(4, "0")}`,
  zones: zones[(at * 5) % zones.length] ?? "YARD",
  // The seventh is a contractor whose card is good when it is made and no longer on the first of December.
  until: at === 6 ? "2026-11-30" : "2028-12-31",
  photo: `FM-${String(1 + at).padStart(4, "0")}.png`,
}));

/** RFC 4180, with the line end of a file that a person opens.
 * @param {readonly (readonly string[])[]} rows */
const csv = (rows) =>
  rows
    .map((row) =>
      row.map((cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(","),
    )
    .join("\n") + "\n";

/** @param {string} folder @param {string} name @param {number} seed */
async function picture(folder, name, seed) {
  const png = await sharp(Buffer.from(portrait(seed)))
    .greyscale()
    .png({ palette: true, colours: 16, dither: 0, compressionLevel: 9, effort: 10 })
    .toBuffer();
  if (png.length > 6 * 1024) throw new Error(`${name} has ${String(png.length)} bytes`);
  writeFileSync(`${folder}/${name}`, png);
}

/** @param {string} example */
function photoFolder(example) {
  const folder = `${examples}${example}/photos`;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** The workbook with every date of its making taken out, so that it is the same file each time.
 * @param {readonly (readonly string[])[]} rows */
async function workbook(rows) {
  const [header = [], ...data] = rows;
  const made = await writeExcelFile(
    [
      header.map((value) => ({ value, fontWeight: /** @type {const} */ ("bold") })),
      ...data.map((row) => row.map((value) => ({ value, type: String, format: "@" }))),
    ],
    {
      sheet: "Employees",
      columns: [42, 26, 18, 18, 16, 14].map((width) => ({ width })),
      stickyRowsCount: 1,
    },
  ).toBuffer();
  const parts = unzipSync(new Uint8Array(made));
  for (const [name, bytes] of Object.entries(parts)) {
    if (!name.startsWith("docProps/")) continue;
    const text = new TextDecoder()
      .decode(bytes)
      .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "2026-11-02T08:00:00Z");
    parts[name] = new TextEncoder().encode(text);
  }
  return zipSync(parts, { level: 9, mtime: new Date(2026, 10, 2, 8) });
}

if (employees.length !== 120 || workers.length !== 40) throw new Error("an example has lost someone");

const officeRows = [
  officeColumns,
  ...employees.map((e) => [e.name, e.department, e.premises, e.number, e.photo, e.until]),
];
const officePhotos = photoFolder("office-access");
writeFileSync(`${examples}office-access/employees.xlsx`, await workbook(officeRows));
writeFileSync(`${examples}office-access/employees.csv`, csv(officeRows));
for (const [at, employee] of employees.entries()) await picture(officePhotos, employee.photo, 1000 + at);

const yardPhotos = photoFolder("warehouse-access");
writeFileSync(
  `${examples}warehouse-access/employees.csv`,
  csv([yardColumns, ...workers.map((w) => [w.name, w.number, w.zones, w.until, w.photo])]),
);
for (const [at, worker] of workers.entries()) {
  await picture(yardPhotos, worker.photo, 5000 + at);
}

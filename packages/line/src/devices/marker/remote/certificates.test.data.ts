/** An authority of the house, certificates under it and its revocation list, by the openssl command, as docs/visual-stations.md tells. */
import { spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

function openssl(...words: string[]): void {
  const { status, stderr, error } = spawnSync("openssl", words, { encoding: "utf8" });
  if (error !== undefined) throw new Error("openssl is missing: apt-get install openssl");
  if (status !== 0) throw new Error(`openssl ${words[0] ?? ""}: ${stderr}`);
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** NAME-ca.pem and NAME-ca.key, in a folder. */
export function authority(folder: string, name: string): void {
  const at = (end: string): string => join(folder, `${name}-ca.${end}`);
  openssl(
    "req",
    "-x509",
    ...newKey,
    "-days",
    "2",
    "-subj",
    `/CN=${name} authority`,
    "-keyout",
    at("key"),
    "-out",
    at("pem"),
  );
}

/** The files of a certificate for `name` under an authority; it holds from yesterday until tomorrow, or did so ten days ago. */
export function certificate(folder: string, by: string, name: string, when: "now" | "expired" = "now") {
  const at = (end: string): string => join(folder, `${by}-${name}-${when}.${end}`);
  const day = (days: number): string =>
    `${new Date(Date.now() + days * 86_400_000).toISOString().replaceAll(/[-:T]|\..*/g, "")}Z`;
  const [from, until] = when === "now" ? [-1, 1] : [-10, -8];
  writeFileSync(at("ext"), `subjectAltName=DNS:${name}\nextendedKeyUsage=clientAuth,serverAuth\n`);
  openssl("req", "-new", ...newKey, "-subj", `/CN=${name}`, "-keyout", at("key"), "-out", at("csr"));
  openssl(
    "ca",
    "-batch",
    "-notext",
    "-config",
    book(folder, by),
    "-in",
    at("csr"),
    "-out",
    at("pem"),
    "-extfile",
    at("ext"),
    "-startdate",
    day(from),
    "-enddate",
    day(until),
  );
  return { ca: join(folder, `${by}-ca.pem`), cert: at("pem"), key: at("key") };
}

/** Takes a certificate back, if one is given, and writes the authority's list of all such: its file. */
export function revocations(folder: string, by: string, cert?: string): string {
  const config = book(folder, by);
  const file = join(folder, `${by}-ca.crl`);
  if (cert !== undefined) openssl("ca", "-config", config, "-revoke", cert);
  openssl("ca", "-config", config, "-gencrl", "-out", file);
  return file;
}

/** The authority's book of what it signed. */
function book(folder: string, by: string): string {
  const at = (end: string): string => join(folder, `${by}-ca.${end}`);
  if (existsSync(at("cnf"))) return at("cnf");
  writeFileSync(at("index"), "");
  writeFileSync(at("index.attr"), "unique_subject = no\n");
  writeFileSync(
    at("cnf"),
    `[ca]
default_ca = own
[own]
database = ${at("index")}
new_certs_dir = ${folder}
certificate = ${at("pem")}
private_key = ${at("key")}
rand_serial = yes
default_md = sha256
default_days = 2
default_crl_days = 2
policy = names
[names]
commonName = supplied
`,
  );
  return at("cnf");
}

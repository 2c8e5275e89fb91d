/** An authority of the house and certificates under it, by the openssl command, as docs/visual-stations.md tells. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

function openssl(...words: string[]): void {
  const { status, stderr, error } = spawnSync("openssl", words, { encoding: "utf8" });
  if (error !== undefined) throw new Error("openssl is missing: apt-get install openssl");
  if (status !== 0) throw new Error(`openssl ${words[0] ?? ""}: ${stderr}`);
}

/** NAME-ca.pem and NAME-ca.key, in a folder. */
export function authority(folder: string, name: string): void {
  const at = (end: string): string => join(folder, `${name}-ca.${end}`);
  openssl(
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
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

/** The files of a certificate for `name` under an authority. */
export function certificate(folder: string, by: string, name: string) {
  const at = (end: string): string => join(folder, `${by}-${name}.${end}`);
  writeFileSync(at("ext"), `subjectAltName=DNS:${name}\nextendedKeyUsage=clientAuth,serverAuth\n`);
  openssl(
    "req",
    "-new",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    `/CN=${name}`,
    "-keyout",
    at("key"),
    "-out",
    at("csr"),
  );
  openssl(
    "x509",
    "-req",
    "-days",
    "2",
    "-in",
    at("csr"),
    "-CA",
    join(folder, `${by}-ca.pem`),
    "-CAkey",
    join(folder, `${by}-ca.key`),
    "-CAcreateserial",
    "-extfile",
    at("ext"),
    "-out",
    at("pem"),
  );
  return { ca: join(folder, `${by}-ca.pem`), cert: at("pem"), key: at("key") };
}

/** Known answers of SCP11: a published signature, and a recorded session. */
import { decodeCommand, decodeResponse, encodeCommand } from "@persoline/card/apdu";
import { equal, unhex } from "@persoline/card/bytes";
import { beginScp11 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";

/** ECDSA of "sample" on P-256 with SHA-256 (RFC 6979, A.2.5). */
const signed = {
  publicKey:
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
  signature:
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
} as const;

/** A recorded session of SCP11a (Samsung/OpenSCP-Java, testdata; packages/card/vectors/scp11.json). */
const record = {
  hostKey: "A5116B848D41BD93737F187ABC03886BF7A80422D150025109C6749F45BB9B6D",
  ephemeral: "B69D2D4A2544B5938ED3C4F6319810837E4DBBEFF115BD9955607E8CDBBBACE5",
  cardKey:
    "044F92A07D168C309959EED99E288381DD192979CD452D8FBE1F163447979207C5E6CD1F4DD11609E2100C033BBD723BE78B71477E64883EB41EC366713E44AF1E",
  agreement:
    "8082031153A60D9002110195013C8001888101105F49410470B0BD7863E90E32DA5401188354D1F41999442FDFDCBA7472B7F1E5DBBF8A32F92D9D4F9D55C60D57D39BD6D7973306CEA55F7A86884096651A9CCAC8239C9200",
  answer:
    "5F49410492CAFD79D7E39EA433611E9AAD9742D85B3BD06F3D6055D7CDE28FC44D0AB556BC0F94D2100D87727FDFA2B49033C78F07A30AA8D5A6A505E59F99FCDFB2526686100B63C42C2D5138936FF5894F10C1234F9000",
  plain: "80F22000024F00",
  wrapped: "84F2200018E1EE3A92EF45551E8464A252F997230DC4E84F41BA692405",
  secured:
    "DC8D7D92F77BB20F4AEA2C2EB70A7D93C5F0EA0F27D193679C3D1C970BED8F73C394C63A201C8D367A9F0990146D1FF5CEC2E5F90F6956EF241D2CC899BA25B964FFFB799F4C42469000",
  open: "08A00000015141434C010010A0000002202003010101000000000006010010A0000002202003010101000000000011010005A00000024801009000",
} as const;

/** Throws where an answer does not come. */
export function probeScp11(): void {
  const { p256 } = nodeCrypto;
  const message = new TextEncoder().encode("sample");
  const [point, signature] = [unhex(signed.publicKey), unhex(signed.signature)];
  must(p256.verify(point, message, signature), "ECDSA (RFC 6979)");
  signature[0] = 0;
  must(!p256.verify(point, message, signature), "a damaged signature");
  const asked = unhex(record.agreement);
  const { p1, p2 } = decodeCommand(asked);
  const privateKey = unhex(record.ephemeral);
  const begun = beginScp11({
    crypto: nodeCrypto,
    agreement: { ...p256, generate: () => ({ privateKey, publicKey: p256.publicKeyOf(privateKey) }) },
    variant: "a",
    kvn: p1,
    kid: p2,
    cardKey: unhex(record.cardKey),
    hostKey: unhex(record.hostKey),
    keyLength: 16,
    usage: 0x3c,
  });
  must(equal(encodeCommand(begun.command).subarray(0, -1), asked.subarray(0, -1)), "MUTUAL AUTHENTICATE");
  const session = begun.finish(decodeResponse(unhex(record.answer)));
  try {
    const { data = new Uint8Array(0) } = session.wrap(decodeCommand(unhex(record.plain)));
    must(equal(data, unhex(record.wrapped).subarray(5)), "a wrapped command");
    const open = session.unwrap(decodeResponse(unhex(record.secured)));
    must(equal(open.data, unhex(record.open).subarray(0, -2)), "an unwrapped answer");
  } finally {
    session.close();
  }
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`${what}: the known answer did not come`);
}

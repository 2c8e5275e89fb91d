import { readFileSync } from "node:fs";
const R="/tmp/wt/vchip/packages/card/dist/";
const { fresh, complete, image12, powered, say } = await import(R+"tools/bench.js");
function life(){ const {card}=fresh(); powered(card); say(card,"80CADF0100"); say(card,"80120000"); say(card,"8014000004"); say(card,"80160000040000020004");
 for (const p of ["0101","0201"]) { say(card,`8018${p}0400050100`); say(card,`8018${p}04010500FB`);} complete(card,image12); powered(card); return card;}
for(let i=0;i<200;i++) life();
const t0=process.cpuUsage(); const n=1000; let c; for(let i=0;i<n;i++) c=life(); const u=process.cpuUsage(t0); console.log("ms/card", (u.user+u.system)/1000/n, c.elapsedMicros/1000, c.counters);
function only(){ const {card}=fresh(); powered(card); complete(card,image12); powered(card); }
const t1=process.cpuUsage(); for(let i=0;i<n;i++) only(); const v=process.cpuUsage(t1); console.log("completion only ms/card", (v.user+v.system)/1000/n);

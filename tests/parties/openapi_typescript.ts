// Lists, reads, downloads and delivers with the types that `openapi-typescript` generated and `openapi-fetch`.
// Checked by the TypeScript compiler, then run as it is by Node. Standard input and output as use_client.py.
import createClient from "openapi-fetch";
import { readFileSync } from "node:fs";
import type { components, paths } from "./api.ts";

type BerichtIn = components["schemas"]["BerichtIn"];
const told: { url: string; agency: string; citizen: string; bericht: BerichtIn; pdf: string } = JSON.parse(
  readFileSync(0, "utf8"),
);
const client = (token: string) =>
  createClient<paths>({ baseUrl: told.url, headers: { Authorization: `Bearer ${token}` } });

const pdf = Buffer.from(told.pdf, "base64");
const delivered = await client(told.agency).POST("/aanleveringen", {
  body: { bericht: told.bericht, bijlage: [] },
  bodySerializer(body) {
    const form = new FormData();
    form.append("bericht", new Blob([JSON.stringify(body.bericht)], { type: "application/json" }));
    form.append("bijlage", new Blob([pdf], { type: "application/pdf" }), "brief.pdf");
    return form;
  },
});
const citizen = client(told.citizen);
const listed = await citizen.GET("/berichten", { params: { query: { aantal: 20 } } });
const berichtId = listed.data!.berichten[0]!.berichtId;
const read = await citizen.GET("/berichten/{berichtId}", { params: { path: { berichtId } } });
const bijlageId = read.data!.bijlagen[0]!.bijlageId;
const saved = await citizen.GET("/berichten/{berichtId}/bijlagen/{bijlageId}", {
  params: { path: { berichtId, bijlageId } },
  parseAs: "arrayBuffer",
});
const marks = await citizen.PATCH("/berichten/{berichtId}", {
  params: { path: { berichtId } },
  body: { map: "Belasting" },
});
const nowhere = { berichtId: "019ab0c4-7a5e-7c3e-9f1a-123456789012" };
const refused = await citizen.GET("/berichten/{berichtId}", { params: { path: nowhere } });
console.log(
  JSON.stringify({
    delivered: delivered.data!.berichtId,
    listed: berichtId,
    read: read.data!.inhoud,
    saved: Buffer.from(saved.data as unknown as ArrayBuffer).toString("base64"),
    marks: marks.data,
    refused: refused.error!.code,
  }),
);
